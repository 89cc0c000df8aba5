//! Joins.

use crate::history::{FROM_3, check_auth};
use events::RoomVersion::{V7, V8, V9, V10, V11, V12};

#[test]
fn the_creator_joins_first() {
    for version in FROM_3 {
        check_auth(
            version,
            "alice create
             bob   join    ! not invited
             alice join",
        );
    }
}

#[test]
fn the_creator_in_the_content_counts_until_version_10() {
    check_auth(
        V10,
        r#"alice create {"creator": "@bob:a.test"}
           alice join    ! not invited
           bob   join"#,
    );
    check_auth(
        V11,
        r#"alice create {"creator": "@bob:a.test"}
           bob   join    ! not invited
           alice join"#,
    );
}

#[test]
fn nobody_joins_for_another() {
    check_auth(
        V11,
        "alice create
         alice join
         alice rule public
         alice member bob join    ! cannot set the membership of",
    );
}

#[test]
fn a_banned_user_cannot_rejoin() {
    for version in FROM_3 {
        check_auth(
            version,
            "alice create
             alice join
             alice rule public
             bob   join
             alice ban bob
             bob   join      ! banned from the room
             alice unban bob
             bob   join",
        );
    }
}

#[test]
fn an_invite_lets_in_and_so_does_being_in() {
    check_auth(
        V11,
        "alice create
         alice join
         bob   join        ! not invited
         alice invite bob
         bob   join
         bob   join
         bob   leave
         bob   join        ! not invited",
    );
}

#[test]
fn private_rooms_let_nobody_in() {
    check_auth(
        V11,
        "alice create
         alice join
         alice rule private
         alice invite bob
         bob   join        ! lets nobody in",
    );
}

#[test]
fn restricted_joins_need_somebody_who_may_invite() {
    for version in [V8, V9, V10, V11, V12] {
        check_auth(
            version,
            r#"alice create
               alice join
               alice levels {"users": {"@bob:a.test": 20}, "invite": 10}
               alice rule restricted
               alice invite carol
               alice invite bob
               bob   join
               carol join
               carol join
               dave  join              ! nobody in the room authorised
               dave  join via erin     ! who authorised the join, is not in the room
               dave  join via carol    ! has power level 0, and inviting needs 10
               dave  join via bob
               dave  join"#,
        );
    }
}

#[test]
fn restricted_joins_are_signed_by_the_server_that_authorised() {
    check_auth(
        V11,
        "alice create
         alice join
         alice rule restricted
         bob:b join unsigned via alice    ! not signed by their server
         bob:b join via alice",
    );
    // Whoever is let in otherwise still must not claim what is not signed.
    check_auth(
        V11,
        "alice create
         alice join
         alice rule public
         bob:b join unsigned via alice    ! not signed by their server",
    );
    check_auth(
        V7,
        "alice create
         alice join
         alice rule public
         bob:b join unsigned via alice",
    );
}

#[test]
fn join_rules_come_with_their_version() {
    check_auth(
        V7,
        "alice create
         alice join
         alice rule restricted
         bob   join via alice    ! lets nobody in",
    );
    check_auth(
        V9,
        "alice create
         alice join
         alice rule knock_restricted
         bob   join via alice    ! lets nobody in",
    );
    check_auth(
        V10,
        "alice create
         alice join
         alice rule knock_restricted
         bob   join via alice",
    );
}

//! Invites, kicks, bans and knocks.

use crate::history::{FROM_3, check_auth};
use events::RoomVersion::{V6, V7, V8, V9, V10, V11, V12};
use serde_json::json;

#[test]
fn only_members_with_enough_power_invite() {
    for version in FROM_3 {
        check_auth(
            version,
            r#"alice create
               alice join
               alice rule public
               bob   join
               bob   invite carol
               alice levels {"users": {}, "invite": 50}
               bob   invite dave     ! has power level 0, and inviting needs 50
               erin  invite dave     ! is not in the room"#,
        );
    }
}

#[test]
fn members_and_the_banned_cannot_be_invited() {
    check_auth(
        V11,
        "alice create
         alice join
         alice invite bob
         alice invite bob
         bob   join
         alice invite bob     ! in the room already
         alice ban bob
         alice invite bob     ! banned from the room",
    );
}

#[test]
fn a_third_party_invite_is_accepted_by_the_one_it_was_for() {
    check_auth(
        V11,
        "alice create
         alice join
         alice rule public
         carol join
         alice offer tok key1
         alice accept bob tok nokey       ! none of the keys
         alice accept bob tok key2        ! none of the keys
         alice accept bob other key1      ! no third-party invite with the token
         carol accept bob tok key1        ! did not send the third-party invite
         alice accept bob:dave tok key1   ! was accepted by
         alice accept bob tok key1
         alice ban erin
         alice accept erin tok key1       ! banned from the room",
    );
    for (third_party_invite, lacking) in [
        (json!({}), "lacks `signed`"),
        (json!(null), "lacks `signed`"),
        (json!({"signed": {"token": "tok"}}), "lacks `mxid`"),
        (json!({"signed": {"mxid": "@bob:a.test"}}), "lacks `token`"),
    ] {
        let content = json!({"membership": "invite", "third_party_invite": third_party_invite});
        check_auth(
            V11,
            &format!("alice create\nalice join\nalice raw m.room.member @bob:a.test {content} ! {lacking}"),
        );
    }
}

#[test]
fn a_third_party_invite_is_offered_by_those_who_may_invite() {
    check_auth(
        V11,
        r#"alice create
           alice join
           alice rule public
           bob   join
           bob   offer tok key1
           alice levels {"users": {"@alice:a.test": 100}, "invite": 10, "events": {"m.room.third_party_invite": 100}}
           bob   offer tok key1   ! inviting needs 10
           carol offer tok key1   ! is not in the room"#,
    );
}

#[test]
fn one_leaves_what_one_is_in() {
    for version in FROM_3 {
        check_auth(
            version,
            "alice create
             alice join
             bob   leave         ! nothing to leave
             alice invite bob
             bob   leave
             bob   leave         ! nothing to leave
             alice ban bob
             bob   leave         ! nothing to leave",
        );
    }
}

#[test]
fn kicking_needs_power_over_the_target() {
    for version in FROM_3 {
        check_auth(
            version,
            r#"alice create
               alice join
               alice rule public
               bob   join
               carol join
               dave  join
               alice levels {"users": {"@bob:a.test": 50, "@carol:a.test": 50}, "kick": 50}
               dave  kick bob      ! kicking needs 50
               erin  kick dave     ! is not in the room
               bob   kick carol    ! not above the 50
               bob   kick alice    ! not above the
               bob   kick dave
               bob   kick frank"#,
        );
    }
}

#[test]
fn lifting_a_ban_needs_the_power_to_ban_and_to_kick() {
    check_auth(
        V11,
        r#"alice create
           alice join
           alice rule public
           bob   join
           alice ban carol
           alice levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50}, "ban": 60, "kick": 50}
           bob   unban carol    ! lifting a ban needs 60
           alice levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50}, "ban": 50, "kick": 60}
           bob   unban carol    ! kicking needs 60
           alice unban carol"#,
    );
}

#[test]
fn banning_needs_power_over_the_target() {
    for version in FROM_3 {
        check_auth(
            version,
            r#"alice create
               alice join
               alice rule public
               bob   join
               carol join
               alice levels {"users": {"@bob:a.test": 50, "@carol:a.test": 40}, "ban": 50}
               carol ban dave      ! banning needs 50
               erin  ban dave      ! is not in the room
               bob   ban alice     ! not above the
               bob   ban bob       ! not above the
               bob   ban carol
               bob   ban frank"#,
        );
    }
}

#[test]
fn one_knocks_where_the_rule_allows_it() {
    for version in [V7, V8, V9, V10, V11, V12] {
        check_auth(
            version,
            "alice create
             alice join
             bob   knock               ! does not allow knocking
             alice rule knock
             alice member bob knock    ! cannot set the membership of
             bob   knock
             bob   join                ! not invited
             bob   knock
             bob   leave
             bob   knock
             alice invite bob
             bob   knock               ! membership is invite already
             bob   join
             bob   knock               ! membership is join already
             alice ban bob
             bob   knock               ! membership is ban already",
        );
    }
    check_auth(
        V6,
        "alice create
         alice join
         alice rule knock
         bob   knock    ! no membership",
    );
    check_auth(
        V9,
        "alice create
         alice join
         alice rule knock_restricted
         bob   knock    ! does not allow knocking",
    );
    check_auth(
        V10,
        "alice create
         alice join
         alice rule knock_restricted
         bob   knock",
    );
}

#[test]
fn a_membership_is_known_and_somebodys() {
    check_auth(
        V11,
        r#"alice create
           alice join
           alice member bob lurk                                     ! no membership "lurk"
           alice raw m.room.member @bob:a.test {}                    ! says no membership
           alice raw m.room.member @bob:a.test {"membership": 1}     ! says no membership
           alice raw m.room.member - {"membership": "invite"}        ! needs a user id
           alice raw m.room.member bob {"membership": "invite"}      ! needs a user id"#,
    );
}

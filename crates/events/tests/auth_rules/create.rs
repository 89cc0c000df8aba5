//! Create events, and rooms that keep to their server.

use crate::history::{FROM_3, check_auth};
use events::RoomVersion::{V10, V11, V12};

#[test]
fn a_room_has_one_beginning() {
    for version in FROM_3 {
        check_auth(
            version,
            "alice create
             alice join
             alice create    ! prev_events",
        );
    }
}

#[test]
fn a_create_event_names_a_known_version_or_none() {
    check_auth(V11, r#"alice create {"room_version": "11"}"#);
    check_auth(V11, r#"alice create {"room_version": "0"}   ! unknown room version"#);
    check_auth(V11, r#"alice create {"room_version": 11}    ! unknown room version"#);
}

#[test]
fn a_room_is_made_by_its_own_server_until_version_11() {
    check_auth(V11, "eve:b create    ! not made by the server");
    check_auth(V12, "eve:b create");
}

#[test]
fn the_creator_stands_in_the_content_until_version_10() {
    check_auth(V10, "alice raw m.room.create / {}    ! has no creator");
    check_auth(V11, "alice raw m.room.create / {}");
}

#[test]
fn additional_creators_are_user_ids() {
    check_auth(V12, r#"alice create {"additional_creators": ["@bob:b.test"]}"#);
    check_auth(V12, r#"alice create {"additional_creators": ["bob"]}             ! array of user ids"#);
    check_auth(V12, r#"alice create {"additional_creators": "@bob:b.test"}       ! array of user ids"#);
    check_auth(V12, r#"alice create {"additional_creators": ["@bob:b.test", 1]}  ! array of user ids"#);
    check_auth(V11, r#"alice create {"additional_creators": "nobody"}"#);
}

#[test]
fn a_room_may_keep_to_its_server() {
    for version in FROM_3 {
        check_auth(
            version,
            r#"alice create {"m.federate": false}
               alice join
               alice rule public
               bob   join
               bob:b join        ! keeps the room to its own server"#,
        );
    }
}

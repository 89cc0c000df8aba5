//! Messages and state.

use crate::history::{FROM_3, check_auth};
use events::RoomVersion;
use events::RoomVersion::{V3, V5, V6, V11};

#[test]
fn only_members_send() {
    check_auth(
        V11,
        "alice create
         alice join
         alice send m.room.message
         bob   send m.room.message    ! is not in the room
         alice invite bob
         bob   send m.room.message    ! is not in the room
         bob   join
         bob   send m.room.message
         bob   leave
         bob   send m.room.message    ! is not in the room",
    );
}

#[test]
fn each_type_needs_its_level() {
    for version in FROM_3 {
        check_auth(
            version,
            r#"alice create
               alice join
               alice rule public
               bob   join
               bob   send m.room.message
               bob   state m.room.topic     ! m.room.topic needs 50
               alice levels {"users": {"@bob:a.test": 20}, "events": {"m.room.topic": 20, "m.room.message": 30}, "events_default": 25, "state_default": 10}
               bob   state m.room.topic
               bob   state m.room.name
               bob   send m.room.message    ! m.room.message needs 30
               bob   send m.sticker         ! m.sticker needs 25
               alice levels {"users": {"@bob:a.test": 20}, "users_default": 5, "events_default": 5, "state_default": 21}
               bob   state m.room.name      ! m.room.name needs 21
               alice invite carol
               carol join
               carol send m.room.message"#,
        );
    }
}

#[test]
fn the_state_of_a_user_is_set_by_that_user() {
    check_auth(
        V11,
        "alice create
         alice join
         alice state org.example @alice:a.test
         alice state org.example alice
         alice state org.example @bob:a.test    ! cannot be set by",
    );
}

#[test]
fn aliases_belong_to_a_server_until_version_5() {
    check_auth(
        V5,
        "alice create
         alice join
         bob   state m.room.aliases a.test
         bob   state m.room.aliases b.test    ! of another server
         bob   send m.room.aliases            ! of another server",
    );
    check_auth(
        V6,
        "alice create
         alice join
         bob   state m.room.aliases a.test    ! is not in the room
         alice state m.room.aliases b.test",
    );
}

#[test]
fn redactions_are_judged_in_versions_1_and_2_only() {
    let room = r#"alice create
                  alice join
                  alice rule public
                  bob:b join
                  bob:b redact $x:b.test
                  bob:b redact $x:a.test"#;
    check_auth(V3, room);
    check_auth(V11, room);
    for version in [RoomVersion::V1, RoomVersion::V2] {
        check_auth(version, &format!("{room} ! redacting an event of another server"));
    }
}

//! Power levels.

use crate::history::check_auth;
use events::RoomVersion::{V3, V5, V6, V9, V10, V11, V12};

#[test]
fn power_levels_are_numbers() {
    for (content, word) in [
        (r#"{"ban": "50"}"#, "`ban`"),
        (r#"{"users_default": null}"#, "`users_default`"),
        (r#"{"events": []}"#, "`events`"),
        (r#"{"events": {"a": "1"}}"#, "`events`"),
        (r#"{"notifications": {"room": "1"}}"#, "`notifications`"),
        (r#"{"users": []}"#, "`users`"),
        (r#"{"users": {"bob": 1}}"#, "`users`"),
        (r#"{"users": {"@bob:a.test": "1"}}"#, "`users`"),
        (r#"{"users": {"@bob:a.test": true}}"#, "`users`"),
    ] {
        check_auth(V10, &format!("alice create\nalice join\nalice levels {content} ! {word}"));
        check_auth(V12, &format!("alice create\nalice join\nalice raw m.room.power_levels / {content} ! {word}"));
    }
    check_auth(
        V9,
        r#"alice create
           alice join
           alice levels {"users": {"bob": 1}}                   ! `users`
           alice levels {"users": {"@bob:a.test": "one"}}       ! `users`
           alice levels {"users": {"@bob:a.test": "1.5"}}       ! `users`
           alice levels {"users": {"@alice:a.test": " +0100 ", "@bob:a.test": "-5"}, "ban": "050", "events": {"m.x": "10"}}
           alice rule public
           bob   join
           bob   send m.room.message                            ! power level -5
           alice ban bob"#,
    );
    check_auth(
        V5,
        r#"alice create
           alice join
           alice levels {"users": {"@alice:a.test": 100.9, "@bob:a.test": 5.1146e1}}
           alice rule public
           bob   join
           bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 51}}
           bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 52}}    ! has power level 51"#,
    );
}

#[test]
fn levels_above_ones_own_cannot_be_changed_or_given() {
    for property in ["users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"] {
        check_auth(
            V11,
            &format!(
                r#"alice create
                   alice join
                   alice rule public
                   bob   join
                   alice levels {{"users": {{"@alice:a.test": 100, "@bob:a.test": 40}}, "state_default": 40, "{property}": 40}}
                   bob   levels {{"users": {{"@alice:a.test": 100, "@bob:a.test": 40}}, "state_default": 40, "{property}": 41}}  ! cannot change `{property}`
                   bob   levels {{"users": {{"@alice:a.test": 100, "@bob:a.test": 40}}, "state_default": 40, "{property}": 39}}
                   alice levels {{"users": {{"@alice:a.test": 100, "@bob:a.test": 40}}, "events": {{"m.room.power_levels": 0}}, "{property}": 60}}
                   bob   levels {{"users": {{"@alice:a.test": 100, "@bob:a.test": 40}}, "events": {{"m.room.power_levels": 0}}, "{property}": 30}}  ! cannot change `{property}`
                   bob   levels {{"users": {{"@alice:a.test": 100, "@bob:a.test": 40}}, "events": {{"m.room.power_levels": 0}}}}  ! cannot change `{property}`"#
            ),
        );
    }
}

#[test]
fn levels_of_events_and_notifications_follow_the_same_rule() {
    for map in ["events", "notifications"] {
        let levels = |entries: &str| {
            format!(
                r#"levels {{"users": {{"@alice:a.test": 100, "@bob:a.test": 40}}, "state_default": 40, "{map}": {{{entries}}}}}"#
            )
        };
        let room = format!(
            r#"alice create
               alice join
               alice rule public
               bob   join
               alice {}
               bob   {}    ! cannot change `{map}.b`
               bob   {}    ! cannot change `{map}.b`
               bob   {}    ! cannot change `{map}.c`
               bob   {}"#,
            levels(r#""a": 40, "b": 41"#),
            levels(r#""a": 40"#),
            levels(r#""a": 40, "b": 0"#),
            levels(r#""a": 40, "b": 41, "c": 41"#),
            levels(r#""b": 41, "c": 40"#),
        );
        check_auth(V6, &room);
        check_auth(V11, &room);
    }
    check_auth(
        V5,
        r#"alice create
           alice join
           alice rule public
           bob   join
           alice levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50}}
           bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50}, "notifications": {"room": 100}}"#,
    );
}

#[test]
fn nobody_takes_power_from_their_peers_or_gives_more_than_they_have() {
    for version in [V3, V6, V9, V11] {
        check_auth(
            version,
            r#"alice create
               alice join
               alice rule public
               bob   join
               alice levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50, "@carol:a.test": 50, "@dave:a.test": 20}}
               bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50, "@dave:a.test": 20}}                                             ! cannot change the 50
               bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50, "@carol:a.test": 49, "@dave:a.test": 20}}                        ! cannot change the 50
               bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 51, "@carol:a.test": 50, "@dave:a.test": 20}}                        ! cannot change `users
               bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50, "@carol:a.test": 50, "@dave:a.test": 51}}                        ! cannot change `users
               bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50, "@carol:a.test": 50, "@dave:a.test": 20, "@erin:a.test": 51}}    ! cannot change `users
               bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 50, "@carol:a.test": 50, "@dave:a.test": 50, "@erin:a.test": 50}}
               bob   levels {"users": {"@alice:a.test": 100, "@bob:a.test": 49, "@carol:a.test": 50, "@dave:a.test": 50, "@erin:a.test": 50}}"#,
        );
    }
}

#[test]
fn without_power_levels_the_creator_has_100() {
    check_auth(
        V11,
        r#"alice create
           alice join
           alice rule public
           bob   join
           bob   levels {"users": {}}    ! m.room.power_levels needs 50
           bob   kick alice              ! kicking needs 50
           alice levels {"users": {"@bob:a.test": 200}}"#,
    );
}

#[test]
fn creators_have_infinite_power_in_version_12() {
    check_auth(
        V12,
        r#"alice create {"additional_creators": ["@bob:b.test"]}
           alice join
           alice levels {"users": {"@alice:a.test": 100}}    ! has infinite power
           alice levels {"users": {"@bob:b.test": 100}}      ! has infinite power
           alice levels {"users": {"@carol:c.test": 9007199254740991}, "state_default": 9007199254740991}
           alice rule public
           bob:b join
           carol:c join
           carol:c kick bob:b       ! not above the infinite
           bob:b kick alice         ! not above the infinite
           bob:b kick carol:c
           bob:b state m.room.name"#,
    );
    check_auth(
        V11,
        r#"alice create {"additional_creators": ["@bob:b.test"]}
           alice join
           alice levels {"users": {"@alice:a.test": 50, "@bob:b.test": 100}}
           alice levels {"users": {"@alice:a.test": 50}}    ! cannot change the 100"#,
    );
}

//! The authorisation rules one by one: what each refuses, beside what it lets pass.
//!
//! A test is a room's history, one event a line: who does what. `! words` behind a line says that the event is refused, with
//! these words in the reason; all others must pass. `check_auth` explains the actions.

mod support;

use std::collections::BTreeMap;

use events::auth::{self, AuthEvent, Cited, Rejection};
use events::{EventId, Object, Pdu, RoomVersion, SigningKey, UserId, Value};
use serde_json::json;
use support::{Draft, State, room_id, select_auth_events, user};

use RoomVersion::{V3, V5, V6, V7, V8, V9, V10, V11, V12};

const FROM_3: [RoomVersion; 10] = [V3, RoomVersion::V4, V5, V6, V7, V8, V9, V10, V11, V12];

// ---------------------------------------------------------------------------------------------------------- create

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

// ------------------------------------------------------------------------------------------------------------ join

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

// ---------------------------------------------------------------------------------------------------------- invite

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

// ----------------------------------------------------------------------------------------------------------- leave

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

// ------------------------------------------------------------------------------------------------------------- ban

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

// ----------------------------------------------------------------------------------------------------------- knock

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

// ---------------------------------------------------------------------------------------------- messages and state

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

// ----------------------------------------------------------------------------------------------------- power levels

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

// ------------------------------------------------------------------------------------------------------- auth events

#[test]
fn auth_events_are_those_that_give_permission() {
    let mut room = Room::new(V11);
    room.run("alice create\nalice join\nalice rule public\nbob join\nalice state m.room.topic");
    let message = |auth: &[(&str, &str)]| {
        let auth_events = auth.iter().map(|(kind, key)| room.event(kind, key).event_id().clone()).collect();
        let draft = room.draft("bob", "m.room.message", None, json!({}));
        Draft { auth_events, ..draft }.make(V11, &room.room_id())
    };
    let create = ("m.room.create", "");
    let bob = ("m.room.member", "@bob:a.test");
    assert_eq!(room.judge(&message(&[create, bob])), Ok(()));

    let refused = |auth: &[(&str, &str)]| room.judge(&message(auth)).unwrap_err().to_string();
    assert!(refused(&[bob]).contains("no create event is among"));
    assert!(refused(&[create]).contains("is not in the room"));
    assert!(refused(&[create, bob, bob]).contains("for the same state"));
    assert!(refused(&[create, bob, ("m.room.topic", "")]).contains("does not belong"));
    assert!(refused(&[create, bob, ("m.room.join_rules", "")]).contains("does not belong"));
    assert!(refused(&[create, bob, ("m.room.member", "@alice:a.test")]).contains("does not belong"));
}

#[test]
fn rejected_auth_events_give_no_permission() {
    let mut room = Room::new(V11);
    room.run("alice create\nalice join");
    let message = room.draft("alice", "m.room.message", None, json!({})).make(V11, &room.room_id());
    let mut cited = room.cited(&message);
    cited.iter_mut().for_each(|cited| cited.rejected = cited.event.event_type() == "m.room.member");
    let verdict = auth::check_auth_events(&AuthEvent::new(&message), &cited, None);
    let member = room.event("m.room.member", "@alice:a.test").event_id().clone();
    assert_eq!(verdict, Err(Rejection::AuthEventRejected { event: member }));
}

#[test]
fn auth_events_are_of_the_same_room() {
    let mut room = Room::new(V11);
    room.run("alice create\nalice join");
    let elsewhere = room.draft("alice", "m.room.message", None, json!({}));
    let elsewhere = elsewhere.make(V11, &events::RoomId::parse("!other:a.test").unwrap());
    assert!(room.judge(&elsewhere).unwrap_err().to_string().contains("of another room, !room:a.test"));
}

#[test]
fn a_version_12_room_is_that_of_an_accepted_create_event() {
    let mut room = Room::new(V12);
    room.run("alice create\nalice join");
    let message = room.draft("alice", "m.room.message", None, json!({})).make(V12, &room.room_id());
    let event = AuthEvent::new(&message);
    let create = room.event("m.room.create", "");
    assert_eq!(auth::check_auth_events(&event, &room.cited(&message), Some(create)), Ok(()));
    let unknown = Rejection::NoCreateEventOfRoom { room: room.room_id() };
    assert_eq!(auth::check_auth_events(&event, &room.cited(&message), None), Err(unknown.clone()));
    let other = room.event("m.room.member", "@alice:a.test");
    assert_eq!(auth::check_auth_events(&event, &room.cited(&message), Some(other)), Err(unknown));

    // The create event is not cited, not even by those who would.
    let mut draft = room.draft("alice", "m.room.message", None, json!({}));
    draft.auth_events.push(create.event_id().clone());
    let citing = draft.make(V12, &room.room_id());
    assert!(room.judge(&citing).unwrap_err().to_string().contains("does not belong"));
}

#[test]
fn a_version_12_create_event_has_no_room_id() {
    let alice = user("alice");
    let draft = Room::new(V12).draft("alice", "m.room.create", Some(""), json!({"room_version": "12"}));
    let mut object = draft.make(V12, &room_id(V12, None)).object().clone();
    object.insert("room_id".to_owned(), json!("!room:a.test"));
    let id = events::hash::event_id(&object, V12).unwrap();
    let named = Pdu::from_store(object, V12, id, false).unwrap();
    assert_eq!(named.sender(), &alice);
    let verdict = auth::check_auth_events(&AuthEvent::new(&named), &[], None);
    assert_eq!(verdict, Err(Rejection::CreateHasRoomId));
}

#[test]
fn events_that_are_too_long_in_bytes_only_are_rejected_until_version_10() {
    let mut room = Room::new(V10);
    room.run("alice create\nalice join");
    let long = "ü".repeat(200);
    let event = room.draft("alice", "org.example", Some(&long), json!({})).make(V10, &room.room_id());
    assert_eq!(room.judge(&event), Err(Rejection::Oversized { field: "state_key".to_owned() }));
}

#[test]
fn selected_auth_events_are_those_of_the_specification() {
    let types = |version: RoomVersion, kind: &str, key: Option<&str>, content: Value| -> Vec<String> {
        let types = auth::auth_types(version.rules(), kind, &user("alice"), key, content.as_object().unwrap());
        let mut types: Vec<String> = types.into_iter().map(|(kind, key)| format!("{} {key}", &kind[7..])).collect();
        types.sort();
        types
    };
    let alice = "member @alice:a.test";
    assert_eq!(types(V11, "m.room.create", Some(""), json!({})), [""; 0]);
    assert_eq!(types(V11, "m.room.message", None, json!({})), ["create ", alice, "power_levels "]);
    assert_eq!(types(V12, "m.room.message", None, json!({})), [alice, "power_levels "]);
    let join = json!({"membership": "join", "join_authorised_via_users_server": "@bob:b.test"});
    let bob = "member @bob:b.test";
    assert_eq!(
        types(V11, "m.room.member", Some("@alice:a.test"), join.clone()),
        ["create ", "join_rules ", alice, bob, "power_levels "]
    );
    assert_eq!(
        types(V7, "m.room.member", Some("@alice:a.test"), join),
        ["create ", "join_rules ", alice, "power_levels "]
    );
    let leave = json!({"membership": "leave", "join_authorised_via_users_server": "@carol:b.test"});
    assert_eq!(types(V11, "m.room.member", Some("@bob:b.test"), leave), ["create ", alice, bob, "power_levels "]);
    let invite = json!({"membership": "invite", "third_party_invite": {"signed": {"token": "t"}}});
    assert_eq!(
        types(V11, "m.room.member", Some("@bob:b.test"), invite),
        ["create ", "join_rules ", alice, bob, "power_levels ", "third_party_invite t"]
    );
}

#[test]
fn redactions_take_effect_by_power_or_within_a_server() {
    let mut room = Room::new(V11);
    room.run("alice create\nalice join");
    let levels = events::Levels::new(room.event("m.room.create", ""), None);
    assert!(levels.may_redact(&user("alice"), &user("bob:b")));
    assert!(levels.may_redact(&user("bob:b"), &user("carol:b")));
    assert!(!levels.may_redact(&user("bob:b"), &user("alice")));
}

#[test]
fn a_rejection_can_be_stored() {
    let mut room = Room::new(V11);
    room.run("alice create\nalice join\nalice ban bob");
    let rejection = room.judge(&room.make("bob", &["join"]).unwrap()).unwrap_err();
    let stored = serde_json::to_value(&rejection).unwrap();
    assert_eq!(stored["rule"], "banned");
    assert_eq!(stored["user"], "@bob:a.test");
    assert_eq!(serde_json::from_value::<Rejection>(stored).unwrap(), rejection);
}

// ------------------------------------------------------------------------------------------------------------ helpers

/// Runs a room's history. Actions:
///
/// - `create [JSON]`, `levels JSON`, `rule NAME`
/// - `join [unsigned] [via USER]`, `leave`, `knock`, `invite USER`, `kick USER`, `ban USER`, `unban USER`,
///   `member USER MEMBERSHIP`
/// - `send TYPE`, `state TYPE [KEY]`, `raw TYPE KEY JSON` (the key `/` is the empty one, `-` is none), `redact EVENT`
/// - `offer TOKEN KEY` and `accept USER[:MXID] TOKEN KEY` for third-party invites
fn check_auth(version: RoomVersion, history: &str) {
    Room::new(version).run(history);
}

struct Room {
    version: RoomVersion,
    state: State,
    last: Option<EventId>,
    known: BTreeMap<EventId, AuthEvent>,
    clock: i64,
}

impl Room {
    fn new(version: RoomVersion) -> Self {
        Self { version, state: State::new(), last: None, known: BTreeMap::new(), clock: 0 }
    }

    fn run(&mut self, history: &str) {
        for line in history.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (action, refused) = match line.split_once(" ! ") {
                Some((action, words)) => (action, Some(words.trim())),
                None => (line, None),
            };
            let words: Vec<&str> = action.split_whitespace().collect();
            let event = self.make(words[0], &words[1..]).unwrap_or_else(|| panic!("no such action: {line}"));
            let by_auth_events = self.judge(&event);
            let state: Vec<AuthEvent> = self.state.values().cloned().collect();
            let is_create = event.event_type() == "m.room.create";
            let by_state = auth::check_state(&AuthEvent::new(&event), &state);
            if !is_create {
                assert_eq!(by_auth_events, by_state, "{line} (version {}): two opinions", self.version);
            }
            match (by_auth_events, refused) {
                (Ok(()), None) => self.advance(&event),
                (Err(rejection), Some(words)) => {
                    let reason = rejection.to_string();
                    assert!(reason.contains(words), "{line} (version {}): refused, but: {reason}", self.version);
                }
                (Ok(()), Some(_)) => panic!("{line} (version {}): was not refused", self.version),
                (Err(rejection), None) => panic!("{line} (version {}): refused: {rejection}", self.version),
            }
        }
    }

    fn make(&self, sender: &str, action: &[&str]) -> Option<Pdu> {
        let member = |who: &str, membership: &str| {
            Some(self.plain(sender, "m.room.member", Some(user(who).as_str()), json!({"membership": membership})))
        };
        match action {
            ["create", rest @ ..] => {
                let mut content = if rest.is_empty() { json!({}) } else { parse(rest) };
                if self.version.rules().auth.creator_in_content && content.get("creator").is_none() {
                    content["creator"] = json!(user(sender));
                }
                Some(self.plain(sender, "m.room.create", Some(""), content))
            }
            ["levels", rest @ ..] => {
                Some(self.plain(sender, "m.room.power_levels", Some(""), self.levels(parse(rest))))
            }
            ["rule", name] => Some(self.plain(sender, "m.room.join_rules", Some(""), json!({"join_rule": name}))),
            ["join", "unsigned", "via", authoriser] => Some(self.join_unsigned(sender, authoriser)),
            ["join", "via", authoriser] => {
                let content = json!({"membership": "join", "join_authorised_via_users_server": user(authoriser)});
                Some(self.plain(sender, "m.room.member", Some(user(sender).as_str()), content))
            }
            [membership @ ("join" | "leave" | "knock")] => member(sender, membership),
            ["invite", who] => member(who, "invite"),
            ["kick" | "unban", who] => member(who, "leave"),
            ["ban", who] => member(who, "ban"),
            ["member", who, membership] => member(who, membership),
            ["send", event_type] => Some(self.plain(sender, event_type, None, json!({}))),
            ["state", event_type] => Some(self.plain(sender, event_type, Some(""), json!({}))),
            ["state", event_type, key] => Some(self.plain(sender, event_type, Some(key), json!({}))),
            ["raw", event_type, key, rest @ ..] => {
                let key = Some(*key).filter(|key| *key != "-").map(|key| if key == "/" { "" } else { key });
                Some(self.plain(sender, event_type, key, parse(rest)))
            }
            ["redact", event] => {
                let content = if self.version >= V11 { json!({"redacts": event}) } else { json!({}) };
                let draft = self.draft(sender, "m.room.redaction", None, content);
                let redacts = Some(*event).filter(|_| self.version < V11);
                Some(Draft { redacts, ..draft }.make(self.version, &self.room_id()))
            }
            ["offer", token, key] => {
                let content = json!({"public_keys": [{"public_key": "not a key"}, {"public_key": key_of(key).public().to_base64()}]});
                Some(self.plain(sender, "m.room.third_party_invite", Some(token), content))
            }
            ["accept", who, token, key] => Some(self.accept(sender, who, token, key)),
            _ => None,
        }
    }

    /// In version 12 the creators have no entry, and elsewhere whoever is not listed is lost: so alice is, with 100.
    fn levels(&self, mut content: Value) -> Value {
        if let Some(users) = content.get_mut("users").and_then(Value::as_object_mut)
            && self.version != V12
            && !users.contains_key("@alice:a.test")
        {
            users.insert("@alice:a.test".to_owned(), json!(100));
        }
        content
    }

    fn accept(&self, sender: &str, who: &str, token: &str, key: &str) -> Pdu {
        let (who, mxid) = who.split_once(':').unwrap_or((who, who));
        let mut signed =
            Object::from_iter([("mxid".to_owned(), json!(user(mxid))), ("token".to_owned(), json!(token))]);
        if key != "nokey" {
            events::signature::sign_json(&mut signed, &user(sender).server(), &key_of(key));
        }
        let content = json!({"membership": "invite", "third_party_invite": {"display_name": "b", "signed": signed}});
        self.plain(sender, "m.room.member", Some(user(who).as_str()), content)
    }

    /// A join that only the sender's server has signed.
    fn join_unsigned(&self, sender: &str, authoriser: &str) -> Pdu {
        let content = json!({"membership": "join", "join_authorised_via_users_server": user(authoriser)});
        let state_key = user(sender).to_string();
        let draft = self.draft(sender, "m.room.member", Some(&state_key), content);
        let event = events::NewEvent {
            room_id: Some(self.room_id()),
            sender: user(sender),
            event_type: draft.event_type.to_owned(),
            state_key: Some(state_key.clone()),
            content: Object::from_iter([
                ("membership".to_owned(), json!("join")),
                ("join_authorised_via_users_server".to_owned(), json!(user(authoriser))),
            ]),
            redacts: None,
            prev_events: draft.prev_events.clone(),
            auth_events: draft.auth_events.clone(),
            depth: 5,
            origin_server_ts: draft.origin_server_ts,
        };
        event.sign(self.version, &user(sender).server(), &key_of("server")).expect("the event is well-formed")
    }

    fn plain(&self, sender: &str, event_type: &str, state_key: Option<&str>, content: Value) -> Pdu {
        self.draft(sender, event_type, state_key, content).make(self.version, &self.room_id())
    }

    fn draft<'a>(&self, sender: &str, event_type: &'a str, state_key: Option<&'a str>, content: Value) -> Draft<'a> {
        let sender: &'static UserId = Box::leak(Box::new(user(sender)));
        let mut draft = Draft {
            sender,
            event_type,
            state_key,
            content,
            prev_events: self.last.clone().into_iter().collect(),
            auth_events: Vec::new(),
            origin_server_ts: self.clock,
            redacts: None,
        };
        draft.auth_events = select_auth_events(self.version, &self.state, &draft);
        draft
    }

    fn room_id(&self) -> events::RoomId {
        let create = self.state.get(&("m.room.create".to_owned(), String::new()));
        room_id(self.version, create.map(AuthEvent::event_id))
    }

    fn event(&self, event_type: &str, state_key: &str) -> &AuthEvent {
        &self.state[&(event_type.to_owned(), state_key.to_owned())]
    }

    fn cited(&self, event: &Pdu) -> Vec<Cited> {
        let cite = |id: &EventId| Cited { event: self.known[id].clone(), rejected: false };
        event.auth_events().iter().map(cite).collect()
    }

    fn judge(&self, event: &Pdu) -> Result<(), Rejection> {
        let create = self.state.get(&("m.room.create".to_owned(), String::new()));
        auth::check_auth_events(&AuthEvent::new(event), &self.cited(event), create)
    }

    fn advance(&mut self, event: &Pdu) {
        let judged = AuthEvent::new(event);
        self.clock += 1;
        self.last = Some(event.event_id().clone());
        self.known.insert(event.event_id().clone(), judged.clone());
        if let Some(key) = event.state_key() {
            self.state.insert((event.event_type().to_owned(), key.to_owned()), judged);
        }
    }
}

fn parse(words: &[&str]) -> Value {
    serde_json::from_str(&words.join(" ")).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn key_of(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SigningKey::from_seed(events::KeyId::parse("ed25519:1").expect("a key id"), &seed)
}

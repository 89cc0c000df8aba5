//! The auth events themselves.

use crate::history::Room;
use crate::support::{Draft, room_id, user};
use events::RoomVersion;
use events::RoomVersion::{V7, V10, V11, V12};
use events::auth::{self, AuthEvent, Rejection};
use events::{Pdu, Value};
use serde_json::json;

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
    room.run("alice create\nalice join\nalice rule public\ncarol join\nalice ban bob\nalice levels {\"users\": {\"@alice:a.test\": 100}}");
    for (sender, action, rule) in [("bob", &["join"][..], "banned"), ("carol", &["ban", "alice"], "power_too_low")] {
        let rejection = room.judge(&room.make(sender, action).unwrap()).unwrap_err();
        let stored = serde_json::to_string(&rejection).unwrap();
        let read: Value = serde_json::from_str(&stored).unwrap();
        assert_eq!((&read["rule"], &read["with"]["user"]), (&json!(rule), &json!(user(sender))));
        assert_eq!(serde_json::from_str::<Rejection>(&stored).unwrap(), rejection);
    }
}

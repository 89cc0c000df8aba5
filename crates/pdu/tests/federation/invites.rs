//! Invites, and their rejection.

use std::time::Duration;

use events::{Pdu, RoomId, RoomVersion, Value};
use http::Method;
use pdu::limits::{
    ENDED_OUTSIDE_PER_USER_MAX, INVITES_WAITING_PER_ORIGIN_AND_USER_MAX, INVITES_WAITING_PER_ORIGIN_MAX,
    INVITES_WAITING_PER_USER_MAX, LEAVE_TIME_MAX, STRIPPED_BYTES_MAX, STRIPPED_ENTRIES_MAX, STRIPPED_KEPT_BYTES_MAX,
};
use persistence::transactions::rooms as room_rows;
use persistence::{EventNumber, Position};
use serde_json::json;
use transport::CallError;

use crate::peer::{Peer, PeerRoom, object, objects};
use crate::world::{Server, World, draft, name, state, user_id};

const ALICE: &str = "@alice:a.test";
const EVE: &str = "@eve:evil.test";

fn refusal(answer: Result<Value, CallError>) -> (u16, String) {
    match answer {
        Err(CallError::Refused { status, errcode, .. }) => (status, errcode),
        other => panic!("it was not refused: {other:?}"),
    }
}

fn invite(evil: &Peer, room: &PeerRoom) -> Pdu {
    evil.next(room, draft(EVE, "m.room.member", Some(ALICE), json!({ "membership": "invite" })))
}

async fn put(evil: &Peer, a: &Server, room: &PeerRoom, invite: &Pdu, stripped: Vec<Value>) -> Result<Value, CallError> {
    let body = json!({ "room_version": room.version.as_str(), "event": object(invite), "invite_room_state": stripped });
    evil.ask(a, Method::PUT, &format!("v2/invite/{}/{}", room.id, invite.event_id()), Some(body)).await
}

async fn membership(a: &Server, room: &PeerRoom) -> Option<String> {
    let id = room.id.clone();
    let known = a.database.read(move |tx| persistence::transactions::rooms::by_id(tx, &id)).await.unwrap();
    known.as_ref()?;
    a.standing(&room.id, ALICE).await.map(|standing| standing.membership)
}

async fn leave(a: &Server, room: &RoomId) {
    a.graph.leave_remote(room, &user_id(ALICE), Default::default(), &[name("evil.test")]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_invite_is_signed_and_shown_pruned() {
    for version in [RoomVersion::V6, RoomVersion::V11, RoomVersion::V12] {
        let world = World::new();
        let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
        let mut room = evil.make_room(EVE, version);
        evil.add(&mut room, state(EVE, "m.room.name", json!({ "name": "a room" })));
        evil.add(&mut room, state(EVE, "org.example.secret", json!({ "key": "value" })));
        let invite = invite(&evil, &room);
        let answer = put(&evil, &a, &room, &invite, objects(room.state().values())).await.unwrap();
        assert!(answer["event"]["signatures"]["a.test"].is_object());
        let standing = a.standing(&room.id, ALICE).await.unwrap();
        assert_eq!(standing.membership, "invite");
        let stripped: Value = serde_json::from_str(standing.stripped.as_ref().unwrap()).unwrap();
        let names: Vec<&str> =
            stripped.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert!(names.contains(&"m.room.name") && names.contains(&"m.room.create"), "{names:?}");
        assert!(!names.contains(&"org.example.secret"));
        assert!(stripped[0].get("signatures").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn invite_room_state_is_bounded() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room(EVE, RoomVersion::V10);
    let invite = invite(&evil, &room);
    let stripped =
        |text: &str| json!({ "type": "m.room.name", "state_key": "", "sender": EVE, "content": { "name": text } });
    let many = vec![stripped("x"); STRIPPED_ENTRIES_MAX + 1];
    let large = vec![stripped(&"x".repeat(STRIPPED_BYTES_MAX))];
    for state in [many, large] {
        assert_eq!(refusal(put(&evil, &a, &room, &invite, state).await), (400, "M_INVALID_PARAM".to_owned()));
        assert_eq!(membership(&a, &room).await, None);
    }
    // Entries of the wrong shape are left out, in versions that have no rule about them.
    let odd = vec![
        json!(7),
        json!({ "type": 7 }),
        json!({ "type": "m.room.name", "state_key": "", "sender": "eve", "content": {} }),
        stripped("fine"),
    ];
    put(&evil, &a, &room, &invite, odd).await.unwrap();
    let standing = a.standing(&room.id, ALICE).await.unwrap();
    let kept: Value = serde_json::from_str(standing.stripped.as_ref().unwrap()).unwrap();
    assert_eq!(kept, json!([stripped("fine")]));
}

#[tokio::test(start_paused = true)]
async fn invite_room_state_of_version_12_is_made_of_events_of_the_room() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room(EVE, RoomVersion::V12);
    let other = evil.make_room("@eve:evil.test", RoomVersion::V11);
    let invite = invite(&evil, &room);
    let create = object(&room.line[0]);
    let mut unsigned = object(room.line.last().unwrap());
    unsigned["signatures"] = json!({});
    for (state, errcode) in [
        (vec![], "M_MISSING_PARAM"),
        (vec![object(room.line.last().unwrap())], "M_MISSING_PARAM"),
        (vec![create.clone(), json!("text")], "M_INVALID_PARAM"),
        (vec![create.clone(), unsigned], "M_INVALID_PARAM"),
        (vec![create.clone(), object(&other.line[1])], "M_INVALID_PARAM"),
        (
            vec![create.clone(), json!({ "type": "m.room.name", "state_key": "", "sender": EVE, "content": {} })],
            "M_INVALID_PARAM",
        ),
    ] {
        assert_eq!(refusal(put(&evil, &a, &room, &invite, state).await), (400, errcode.to_owned()));
    }
    assert_eq!(membership(&a, &room).await, None);
    put(&evil, &a, &room, &invite, vec![create]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_entry_whose_keys_cannot_be_had_is_left_out() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room(EVE, RoomVersion::V12);
    let mut of_gone = object(&evil.next(&room, state("@gil:gone.test", "m.room.name", json!({ "name": "old" }))));
    of_gone["signatures"] = json!({ "gone.test": { "ed25519:1": "c2lnbmF0dXJl" } });
    put(&evil, &a, &room, &invite(&evil, &room), vec![object(&room.line[0]), of_gone]).await.unwrap();
    let standing = a.standing(&room.id, ALICE).await.unwrap();
    assert!(!standing.stripped.unwrap().contains("old"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_invite_of_our_user_is_not_signed() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room(EVE, RoomVersion::V11);
    let member = |sender: &str, target: &str, membership: &str| {
        evil.next(&room, draft(sender, "m.room.member", Some(target), json!({ "membership": membership })))
    };
    let good = member(EVE, ALICE, "invite");
    let to = |path: &Pdu, event: &Pdu, room: &str| {
        let body = json!({ "room_version": "11", "event": object(event), "invite_room_state": [] });
        let path = format!("v2/invite/{room}/{}", path.event_id());
        let (a, evil) = (&a, &evil);
        async move { refusal(evil.ask(a, Method::PUT, &path, Some(body)).await) }
    };
    let id = room.id.as_str();
    for (what, refused) in [
        ("another event than the path's", to(&room.line[0], &good, id).await),
        ("another room than the path's", to(&good, &good, "!other:evil.test").await),
        ("no invite", to(&member(EVE, ALICE, "ban"), &member(EVE, ALICE, "ban"), id).await),
        (
            "somebody else's user",
            to(&member(EVE, "@bob:b.test", "invite"), &member(EVE, "@bob:b.test", "invite"), id).await,
        ),
        (
            "of another server's user",
            to(&member("@bob:b.test", ALICE, "invite"), &member("@bob:b.test", ALICE, "invite"), id).await,
        ),
    ] {
        assert_eq!(refused, (400, "M_INVALID_PARAM".to_owned()), "{what}");
    }
    let body = json!({ "room_version": "99", "event": object(&good) });
    let path = format!("v2/invite/{id}/{}", good.event_id());
    assert_eq!(refusal(evil.ask(&a, Method::PUT, &path, Some(body)).await).1, "M_INCOMPATIBLE_ROOM_VERSION");
    assert_eq!(membership(&a, &room).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_invite_is_rejected_also_when_nobody_can_be_told() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room(EVE, RoomVersion::V11);
    let first = invite(&evil, &room);
    put(&evil, &a, &room, &first, vec![]).await.unwrap();
    // The other side is there, but says nothing for hours.
    evil.is_slow("make_leave", Duration::from_secs(7200));
    let began = world.handles.clock.monotonic();
    leave(&a, &room.id).await;
    assert!(world.handles.clock.monotonic() - began <= LEAVE_TIME_MAX + Duration::from_secs(1));
    assert_eq!(membership(&a, &room).await.as_deref(), Some("leave"));
    // The invite that was rejected comes again: its server did not get our answer. It stays rejected.
    put(&evil, &a, &room, &first, vec![]).await.unwrap();
    assert_eq!(membership(&a, &room).await.as_deref(), Some("leave"));
    // A new one counts.
    world.handles.clock.sleep(Duration::from_millis(5)).await;
    put(&evil, &a, &room, &invite(&evil, &room), vec![]).await.unwrap();
    assert_eq!(membership(&a, &room).await.as_deref(), Some("invite"));
    // Now the other side is dead.
    let _down = world.take_down("evil.test");
    leave(&a, &room.id).await;
    assert_eq!(membership(&a, &room).await.as_deref(), Some("leave"));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_reaches_the_room() {
    let world = World::new();
    let (a, b) = (world.server("a.test").await, world.server("b.test").await);
    for version in [RoomVersion::V6, RoomVersion::V12] {
        let room = b.create_room("@bob:b.test", version).await;
        for _ in 0..2 {
            let invite = draft("@bob:b.test", "m.room.member", Some(ALICE), json!({ "membership": "invite" }));
            b.graph.invite_remote(&room, invite, &user_id(ALICE)).await.unwrap();
            assert_eq!(a.standing(&room, ALICE).await.unwrap().membership, "invite");
            a.graph
                .leave_remote(&room, &user_id(ALICE), Default::default(), std::slice::from_ref(&b.name))
                .await
                .unwrap();
            let member = b.current(&room, "m.room.member", ALICE).await.unwrap();
            assert_eq!(b.visible(&room, &member).await.unwrap().membership(), Some("leave"));
            assert_eq!(a.standing(&room, ALICE).await.unwrap().membership, "leave");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_invite_to_a_room_that_we_are_in_comes_by_the_graph() {
    let world = World::new();
    let (a, b) = (world.server("a.test").await, world.server("b.test").await);
    let room = b.create_room("@bob:b.test", RoomVersion::V11).await;
    a.join(&room, "@alan:a.test", &[&b.name]).await.unwrap();
    let invite = draft("@bob:b.test", "m.room.member", Some(ALICE), json!({ "membership": "invite" }));
    let sent = b.graph.invite_remote(&room, invite, &user_id(ALICE)).await.unwrap();
    let is_placed = || async { a.place(&room, sent.pdu.event_id()).await.is_some() };
    world.until("the invite to come in a transaction", is_placed).await;
    assert_eq!(a.standing(&room, ALICE).await.unwrap().membership, "invite");
}

#[tokio::test(start_paused = true)]
async fn an_invite_that_comes_back_changed_enters_no_room() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = a.create_room(ALICE, RoomVersion::V11).await;
    evil.answers("/v2/invite/", |request| {
        let mut body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        body["event"]["content"]["membership"] = json!("join");
        (200, json!({ "event": body["event"] }))
    });
    let invite = draft(ALICE, "m.room.member", Some(EVE), json!({ "membership": "invite" }));
    assert!(a.graph.invite_remote(&room, invite, &user_id(EVE)).await.is_err());
    assert_eq!(a.current(&room, "m.room.member", EVE).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_was_joined_by_an_invite_can_be_loaded_again() {
    let world = World::new();
    let (a, b) = (world.server("a.test").await, world.server("b.test").await);
    let room = b.create_room("@bob:b.test", RoomVersion::V11).await;
    b.send(&room, state("@bob:b.test", "m.room.join_rules", json!({ "join_rule": "invite" }))).await.unwrap();
    let invite = draft("@bob:b.test", "m.room.member", Some(ALICE), json!({ "membership": "invite" }));
    b.graph.invite_remote(&room, invite, &user_id(ALICE)).await.unwrap();
    // The invite is stored before anything that it cites.
    a.join(&room, ALICE, &[&b.name]).await.unwrap();
    let a = a.restarted(&world).await;
    a.say(&room, ALICE, "hello").await;
}

#[tokio::test(start_paused = true)]
async fn of_what_an_invite_may_tell_not_all_is_kept() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room(EVE, RoomVersion::V10);
    let half = "x".repeat(STRIPPED_KEPT_BYTES_MAX / 2);
    let half = json!({ "type": "m.room.name", "state_key": "", "sender": EVE, "content": { "name": half } });
    put(&evil, &a, &room, &invite(&evil, &room), vec![half.clone(); 2]).await.unwrap();
    let kept = a.standing(&room.id, ALICE).await.unwrap().stripped.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), json!([half]));
}

/// Stores so many invites of `origin` to `user` as if they had come.
async fn invites_wait(a: &Server, origin: &str, user: &str, count: i64) {
    let (origin, user) = (name(origin), user_id(user));
    let stored = a.database.write(move |tx| {
        for number in 0..count {
            let id = RoomId::parse(format!("!{}{number}:{origin}", user.localpart())).unwrap();
            let room = room_rows::intern(tx, &id, RoomVersion::V11)?;
            room_rows::set_standing(tx, &user, room, "invite", EventNumber(1), Position(1), None)?;
            room_rows::set_via(tx, &user, room, &origin)?;
        }
        Ok::<_, persistence::StoreError>(())
    });
    stored.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn so_many_invites_wait_for_an_answer_and_no_more() {
    let limits: [(&str, &str, i64); 3] = [
        ("evil.test", ALICE, INVITES_WAITING_PER_ORIGIN_AND_USER_MAX),
        ("evil.test", "@alan:a.test", INVITES_WAITING_PER_ORIGIN_MAX),
        ("other.test", ALICE, INVITES_WAITING_PER_USER_MAX),
    ];
    for (origin, user, max) in limits {
        let world = World::new();
        let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
        invites_wait(&a, origin, user, max - 1).await;
        let (last, beyond) = (evil.make_room(EVE, RoomVersion::V12), evil.make_room(EVE, RoomVersion::V11));
        let put_into =
            async |room: &PeerRoom| put(&evil, &a, room, &invite(&evil, room), objects(room.state().values())).await;
        put_into(&last).await.unwrap();
        assert_eq!(refusal(put_into(&beyond).await), (403, "M_FORBIDDEN".to_owned()), "{origin} {user}");
        assert_eq!(membership(&a, &beyond).await, None);
        let unknown = beyond.id.clone();
        assert!(a.database.read(move |tx| room_rows::by_id(tx, &unknown)).await.unwrap().is_none(), "nothing is kept");
        // Who answers makes room for another.
        leave(&a, &last.id).await;
        put_into(&beyond).await.unwrap();
    }
}

/// Somebody invites a user of ours to ever new rooms, and takes that back.
#[tokio::test(start_paused = true)]
async fn of_rooms_that_a_user_was_invited_to_in_vain_so_many_are_kept_and_no_more() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let kept = usize::try_from(ENDED_OUTSIDE_PER_USER_MAX).unwrap();
    let mut rooms = Vec::new();
    for _ in 0..kept + 3 {
        // So often somebody may invite.
        world.handles.clock.sleep(Duration::from_secs(60)).await;
        let mut room = evil.make_room(EVE, RoomVersion::V12);
        let invite = invite(&evil, &room);
        put(&evil, &a, &room, &invite, objects(room.state().values())).await.unwrap();
        room.line.push(invite);
        let taken_back = evil.next(&room, draft(EVE, "m.room.member", Some(ALICE), json!({ "membership": "leave" })));
        evil.send(&a, &[object(&taken_back)]).await;
        let is_out = || async { membership(&a, &room).await.as_deref() == Some("leave") };
        world.until("the invite to be taken back", is_out).await;
        rooms.push(room);
    }
    let is_forgotten = async |room: &PeerRoom| {
        let id = room.id.clone();
        a.database.read(move |tx| room_rows::by_id(tx, &id)).await.unwrap().is_none()
    };
    for room in &rooms[..3] {
        world.until("the oldest to be forgotten", || is_forgotten(room)).await;
    }
    assert!(!is_forgotten(&rooms[3]).await && membership(&a, &rooms[3]).await.as_deref() == Some("leave"));
    world.until("it to be done", || async { a.graph.purges_left().await.unwrap() == 0 }).await;
}

//! Messages of our own users, many at once.

use std::sync::{Arc, OnceLock};

use events::{EventId, RoomId, RoomVersion};
use futures_util::future::join_all;
use pdu::{Beside, BesideRoom, NewRoom, SendError, Sent};
use persistence::StoreError;
use persistence::transactions::graph::Outcome;
use persistence::transactions::rooms as room_rows;
use serde_json::json;

use crate::world::{Server, World, draft, message};

/// How often the room has advanced: once for each commit to it.
async fn commits(server: &Server, room: &RoomId) -> i64 {
    server.read(room, |tx, number, _| Ok(room_rows::by_number(tx, number)?.turn)).await
}

/// A room of alice's in version 12, with her in it.
fn new_room() -> NewRoom {
    let alice = "@alice:a.test";
    NewRoom {
        version: RoomVersion::V12,
        room_id: None,
        create: draft(alice, "m.room.create", Some(""), json!({ "room_version": "12" })),
        following: vec![draft(alice, "m.room.member", Some(alice), json!({ "membership": "join" }))],
    }
}

/// Sends all at the same moment, each with what is to be written beside it.
async fn send_at_once(
    server: &Server,
    room: &RoomId,
    messages: impl IntoIterator<Item = (&'static str, Option<Beside>)>,
) -> Vec<Result<Sent, SendError>> {
    let sending = messages.into_iter().map(|(sender, beside)| async move {
        let sent = server.graph.send(room, vec![message(sender, "hello")], beside).await;
        sent.map(|mut sent| sent.remove(0))
    });
    join_all(sending).await
}

/// In version 12 the room has the id of its create event, and two that are alike would be one room.
#[tokio::test(start_paused = true)]
async fn rooms_that_are_made_alike_at_the_same_moment_are_two_rooms() {
    let world = World::new();
    let server = world.server("a.test").await;
    let (first, second) =
        tokio::join!(server.graph.create_room(new_room(), None), server.graph.create_room(new_room(), None));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(first.0, second.0);
    for (room, sent) in [first, second] {
        assert_eq!(commits(&server, &room).await, 1, "its events come all at once");
        assert_eq!(sent.len(), 2);
        for one in &sent {
            assert_eq!(server.outcome(&room, one.pdu.event_id()).await, Some(Outcome::Accepted));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_is_not_made_where_one_of_its_events_or_its_names_cannot_be() {
    let world = World::new();
    let server = world.server("a.test").await;
    let mut forbidden = new_room();
    forbidden.following.push(message("@bob:a.test", "I am not in it"));
    let refused = server.graph.create_room(forbidden, None).await;
    assert!(matches!(refused, Err(SendError::Forbidden(_))), "{refused:?}");
    let named = Arc::new(OnceLock::new());
    let taken: BesideRoom = {
        let named = Arc::clone(&named);
        Arc::new(move |_, room| {
            named.set(room.clone()).unwrap();
            Err(StoreError::Conflict("the alias is taken".to_owned()))
        })
    };
    let refused = server.graph.create_room(new_room(), Some(taken)).await;
    assert!(matches!(refused, Err(SendError::Store(StoreError::Conflict(_)))), "{refused:?}");
    assert_eq!(commits(&server, named.get().unwrap()).await, 0);
    // And what failed is in nobody's way.
    let (room, _) = server.graph.create_room(new_room(), None).await.unwrap();
    server.say(&room, "@alice:a.test", "hello").await;
}

#[tokio::test(start_paused = true)]
async fn messages_of_the_same_moment_share_a_commit_and_follow_each_other() {
    let world = World::new();
    let server = world.server("a.test").await;
    let room = server.create_room("@alice:a.test", RoomVersion::V12).await;
    let before = commits(&server, &room).await;
    let sent = send_at_once(&server, &room, vec![("@alice:a.test", None); 20]).await;
    let sent: Vec<Sent> = sent.into_iter().map(Result::unwrap).collect();
    assert_eq!(commits(&server, &room).await, before + 1);
    for pair in sent.windows(2) {
        assert_eq!(pair[1].pdu.prev_events(), [pair[0].pdu.event_id().clone()]);
        assert!(pair[0].position < pair[1].position);
    }
    for one in &sent {
        assert_eq!(server.outcome(&room, one.pdu.event_id()).await, Some(Outcome::Accepted));
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_speak_holds_up_nobody() {
    let world = World::new();
    let server = world.server("a.test").await;
    let room = server.create_room("@alice:a.test", RoomVersion::V12).await;
    let before = commits(&server, &room).await;
    let sent =
        send_at_once(&server, &room, [("@alice:a.test", None), ("@bob:a.test", None), ("@alice:a.test", None)]).await;
    assert!(matches!(sent[1], Err(SendError::Forbidden(_))), "{:?}", sent[1]);
    let (first, last) = (sent[0].as_ref().unwrap(), sent[2].as_ref().unwrap());
    assert_eq!(last.pdu.prev_events(), [first.pdu.event_id().clone()]);
    assert_eq!(commits(&server, &room).await, before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_beside_one_message_fails_that_one_only() {
    let world = World::new();
    let server = world.server("a.test").await;
    let room = server.create_room("@alice:a.test", RoomVersion::V12).await;
    let refuses: Beside = Arc::new(|_, _: &[EventId]| Err(StoreError::Inconsistent("it was sent before".to_owned())));
    let alice = "@alice:a.test";
    let sent = send_at_once(&server, &room, [(alice, None), (alice, Some(refuses)), (alice, None)]).await;
    assert!(matches!(sent[1], Err(SendError::Store(_))), "{:?}", sent[1]);
    for one in [&sent[0], &sent[2]] {
        let id = one.as_ref().unwrap().pdu.event_id();
        assert_eq!(server.outcome(&room, id).await, Some(Outcome::Accepted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_judged_by_the_state_that_was_set_before_it() {
    let world = World::new();
    let server = world.server("a.test").await;
    let room = server.create_room("@alice:a.test", RoomVersion::V12).await;
    server
        .send(&room, draft("@bob:a.test", "m.room.member", Some("@bob:a.test"), json!({ "membership": "join" })))
        .await
        .unwrap();
    let ban = draft("@alice:a.test", "m.room.member", Some("@bob:a.test"), json!({ "membership": "ban" }));
    // Both wait for the same turn; the ban has it first.
    let (banned, spoken) = tokio::join!(server.send(&room, ban), server.send(&room, message("@bob:a.test", "hello")));
    banned.unwrap();
    assert!(matches!(spoken, Err(SendError::Forbidden(_))), "{spoken:?}");
}

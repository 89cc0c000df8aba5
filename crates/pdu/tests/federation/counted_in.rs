//! Rooms that we have left, while others go on to count us in.

use std::sync::Arc;

use events::RoomVersion;
use pdu::limits::{COUNTED_IN_AFTER, COUNTED_IN_PAUSE};

use crate::joins::is_in;
use crate::partial::member;
use crate::peer::{Peer, PeerRoom, object};
use crate::world::{Server, World, message};

const V: RoomVersion = RoomVersion::V11;
const ALICE: &str = "@alice:a.test";
const EVE: &str = "@eve:evil.test";

/// Alice was in a room of the peer, and has left. The peer goes by the room that is returned, which has her join.
async fn has_left(world: &World) -> (Server, Arc<Peer>, PeerRoom) {
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room(EVE, V);
    evil.host(&room);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    world.until("the leave to be sent", || async { !evil.received().is_empty() }).await;
    evil.host(&room);
    (a, evil, room)
}

async fn says(evil: &Peer, a: &Server, room: &mut PeerRoom, text: &str) {
    let said = evil.add(room, message(EVE, text));
    evil.host(room);
    let answer = evil.send(a, &[object(&said)]).await;
    assert!(answer["pdus"][said.event_id().as_str()].get("error").is_none(), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn who_is_still_counted_in_leaves_once_more() {
    let world = World::new();
    let (a, evil, mut room) = has_left(&world).await;
    evil.answers("/v2/send_leave/", |_| (200, serde_json::json!({})));
    says(&evil, &a, &mut room, "who would not want to be here").await;
    says(&evil, &a, &mut room, "and stay here").await;
    world.until("the leave", || async { evil.asked("/v2/send_leave/") == 1 }).await;
    assert!(!is_in(&a, &room.id).await);
    // A server that takes the leave and does not mind it is not asked again at once.
    says(&evil, &a, &mut room, "for ever").await;
    world.handles.clock.sleep(COUNTED_IN_PAUSE / 2).await;
    assert_eq!(evil.asked("/v1/make_leave/"), 1);
    world.handles.clock.sleep(COUNTED_IN_PAUSE / 2).await;
    says(&evil, &a, &mut room, "and ever").await;
    world.until("the leave", || async { evil.asked("/v2/send_leave/") == 2 }).await;
}

/// Our leave was on its way when they sent us something.
#[tokio::test(start_paused = true)]
async fn who_has_heard_of_the_leave_is_told_nothing() {
    let world = World::new();
    let (a, evil, mut room) = has_left(&world).await;
    says(&evil, &a, &mut room, "who would not want to be here").await;
    for left in evil.received() {
        room.line.push(crate::peer::checked(&left, V));
    }
    evil.host(&room);
    world.until("it to be asked", || async { evil.asked("/v1/make_leave/") == 1 }).await;
    world.handles.clock.sleep(COUNTED_IN_AFTER * 2).await;
    assert_eq!(evil.asked("/v2/send_leave/"), 0);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_meanwhile_stays() {
    let world = World::new();
    let (a, evil, mut room) = has_left(&world).await;
    says(&evil, &a, &mut room, "who would not want to be here").await;
    let left = evil.received().pop().unwrap();
    room.line.push(crate::peer::checked(&left, V));
    evil.host(&room);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    evil.host(&room);
    world.handles.clock.sleep(COUNTED_IN_AFTER * 2).await;
    assert!(is_in(&a, &room.id).await);
    // It is asked where the room is: what it said before was ignored.
    assert_eq!((evil.asked("/v1/make_leave/"), evil.asked("/v2/send_leave/")), (1, 0));
}

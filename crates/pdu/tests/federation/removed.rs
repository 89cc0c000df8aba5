//! Servers that go on to speak in a room, though nobody of theirs is in it any more.

use std::sync::Arc;

use events::{EventId, RoomId, RoomVersion};
use pdu::limits::REMOVED_PAUSE;
use persistence::transactions::graph::Outcome;

use crate::partial::member;
use crate::peer::{Peer, PeerRoom, object};
use crate::receiving::until_outcome;
use crate::world::{Server, World, message, state};

const V: RoomVersion = RoomVersion::V11;
const ALICE: &str = "@alice:a.test";
const BOB: &str = "@bob:b.test";
const BEN: &str = "@ben:b.test";

/// Alice's room, which Bob is in. The room that is returned is the one that his server knows.
async fn with_bob(world: &World) -> (Server, Arc<Peer>, RoomId, PeerRoom) {
    let (a, b) = (world.server("a.test").await, world.peer("b.test").await);
    let id = a.create_room(ALICE, V).await;
    a.send(&id, state(ALICE, "m.room.join_rules", serde_json::json!({ "join_rule": "public" }))).await.unwrap();
    let room = b.join(&a, &id, V, BOB).await;
    b.host(&room);
    (a, b, id, room)
}

fn told(b: &Peer, event: &EventId) -> usize {
    let is_it = |pdu: &&serde_json::Value| crate::peer::checked(pdu, V).event_id() == event;
    b.received().iter().filter(is_it).count()
}

async fn says(world: &World, a: &Server, b: &Peer, room: &mut PeerRoom, text: &str, outcome: Outcome) {
    let said = b.add(room, message(BOB, text));
    b.host(room);
    b.send(a, &[object(&said)]).await;
    until_outcome(world, a, &room.id, &said, outcome).await;
}

/// What told them may have been lost, or whoever removed them may not want them to know.
#[tokio::test(start_paused = true)]
async fn who_does_not_know_that_they_were_removed_is_told() {
    let world = World::new();
    let (a, b, id, mut room) = with_bob(&world).await;
    let ban = a.send(&id, member(ALICE, BOB, "ban")).await.unwrap();
    world.until("the ban to be sent", || async { told(&b, &ban) == 1 }).await;
    says(&world, &a, &b, &mut room, "where is everybody?", Outcome::SoftFailed).await;
    world.until("them to be told", || async { told(&b, &ban) == 2 }).await;
    // A server that does not mind is not told with each of its words.
    says(&world, &a, &b, &mut room, "hello?", Outcome::SoftFailed).await;
    world.handles.clock.sleep(REMOVED_PAUSE).await;
    assert_eq!(told(&b, &ban), 2);
    says(&world, &a, &b, &mut room, "hello!", Outcome::SoftFailed).await;
    world.until("them to be told", || async { told(&b, &ban) == 3 }).await;
}

/// What others of theirs hear tells them.
#[tokio::test(start_paused = true)]
async fn who_has_another_user_in_the_room_is_not_told() {
    let world = World::new();
    let (a, b, id, mut room) = with_bob(&world).await;
    b.join(&a, &id, V, BEN).await;
    let ban = a.send(&id, member(ALICE, BOB, "ban")).await.unwrap();
    world.until("the ban to be sent", || async { told(&b, &ban) == 1 }).await;
    says(&world, &a, &b, &mut room, "where is everybody?", Outcome::SoftFailed).await;
    let heard = a.say(&id, ALICE, "gone").await;
    world.until("what is said next", || async { told(&b, &heard) == 1 }).await;
    assert_eq!(told(&b, &ban), 1);
}

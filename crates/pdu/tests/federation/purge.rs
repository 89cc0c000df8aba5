//! Rooms that are removed completely.

use events::RoomVersion;
use pdu::PurgeError;
use persistence::transactions::purging;
use serde_json::json;

use crate::receiving::shared;
use crate::world::{World, draft, message};

const V: RoomVersion = RoomVersion::V11;
const ALICE: &str = "@alice:a.test";

fn leave() -> pdu::Draft {
    draft(ALICE, "m.room.member", Some(ALICE), json!({ "membership": "leave" }))
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_in_use_is_not_purged() {
    let world = World::new();
    let (a, _, room, _) = shared(&world).await;
    let refused = a.graph.purge(&room).await;
    assert!(matches!(&refused, Err(PurgeError::InUse { users: 1, first, .. }) if first == ALICE), "{refused:?}");
    a.say(&room, ALICE, "still here").await;
    let unknown = events::RoomId::parse("!other:a.test").unwrap();
    assert!(matches!(a.graph.purge(&unknown).await, Err(PurgeError::Unknown(_))));
}

#[tokio::test(start_paused = true)]
async fn a_purged_room_is_a_new_one_to_who_comes_again() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room("@eve:evil.test", V);
    let said = evil.add(&mut room, message("@eve:evil.test", "said"));
    evil.host(&room);
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    assert!(a.graph.backfill(&room.id, i64::MAX).await.unwrap() > 0);
    a.send(&room.id, leave()).await.unwrap();
    // What was said to others is still delivered; then it stops half-way.
    world.take_down("evil.test");
    a.graph.purge(&room.id).await.unwrap();
    assert!(matches!(a.graph.purge(&room.id).await, Err(PurgeError::Unknown(_))));
    let a = a.restarted(&world).await;
    world.until("it to be done", || async { a.database.read(purging::begun).await.unwrap().is_empty() }).await;

    let evil = world.peer("evil.test").await;
    evil.host(&room);
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    assert!(a.place(&room.id, said.event_id()).await.is_none(), "history is that of a room never seen");
    let say = a.say(&room.id, ALICE, "again").await;
    assert!(a.visible(&room.id, &say).await.is_some());
}

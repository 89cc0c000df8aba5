//! Forks from before or beside our join whose events are soft-failed: where they did is nowhere that the room goes on from.

use events::RoomVersion;
use persistence::transactions::graph::Outcome;
use serde_json::json;

use crate::partial::{EVE, join, member, refuses, room_of_many, tells_state, until_whole};
use crate::peer::{PeerRoom, object};
use crate::receiving::until_outcome;
use crate::world::{World, message};

const V: RoomVersion = RoomVersion::V11;

/// Whom the room has banned since says something there. Where they did is nowhere that the room goes on from.
#[tokio::test(start_paused = true)]
async fn the_parent_of_a_soft_failed_fork_before_our_join_is_no_extremity() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room("@eve:evil.test", V);
    let mallory = "@mallory:evil.test";
    evil.add(&mut room, member(mallory, mallory, "join"));
    let parent = evil.add(&mut room, message("@eve:evil.test", "forked here"));
    let mut fork = room.clone();
    evil.add(&mut room, member("@eve:evil.test", mallory, "ban"));
    evil.add(&mut room, message("@eve:evil.test", "public"));
    evil.host(&room);
    a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    evil.answers("/backfill/", |_| (200, json!({ "pdus": [] })));
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    tells_state(&evil, &PeerRoom { line: fork.line[..fork.line.len() - 1].to_vec(), ..fork.clone() });
    let beside = evil.add(&mut fork, message(mallory, "beside"));
    evil.send(&a, &[object(&beside)]).await;
    until_outcome(&world, &a, &room.id, &beside, Outcome::SoftFailed).await;
    assert!(a.place(&room.id, parent.event_id()).await.is_some());
    assert_eq!(a.extremities(&room.id).await, [join]);
}

/// The same, where what they build on is beside our join: others, who know how the room went on, have soft-failed it.
#[tokio::test(start_paused = true)]
async fn the_parent_of_a_soft_failed_fork_beside_our_join_is_no_extremity() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room("@eve:evil.test", V);
    let mallory = "@mallory:evil.test";
    evil.add(&mut room, member(mallory, mallory, "join"));
    evil.host(&room);
    let mut fork = room.clone();
    a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    room.line.push(a.visible(&room.id, &join).await.unwrap());
    let ban = evil.add(&mut room, member("@eve:evil.test", mallory, "ban"));
    evil.send(&a, &[object(&ban)]).await;
    until_outcome(&world, &a, &room.id, &ban, Outcome::Accepted).await;

    let parent = evil.add(&mut fork, message("@eve:evil.test", "beside your join"));
    let beside = evil.add(&mut fork, message(mallory, "on top of that"));
    evil.answers("/backfill/", |_| (200, json!({ "pdus": [] })));
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    evil.host(&fork);
    evil.send(&a, &[object(&beside)]).await;
    until_outcome(&world, &a, &room.id, &beside, Outcome::SoftFailed).await;
    assert!(a.place(&room.id, parent.event_id()).await.is_some());
    assert_eq!(a.extremities(&room.id).await, [ban.event_id().clone()]);
}

/// The same, where that was while the members of the room were not all known: it stays so when they are.
#[tokio::test(start_paused = true)]
async fn the_parent_of_a_soft_failed_fork_beside_our_join_is_no_extremity_when_all_members_are_here() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    let mut fork = room.clone();
    refuses(&evil, "/v1/state");
    join(&a, &evil, &mut room).await;
    let ban = evil.add(&mut room, member(EVE, "@u0:evil.test", "ban"));
    evil.send(&a, &[object(&ban)]).await;
    until_outcome(&world, &a, &room.id, &ban, Outcome::Accepted).await;

    let parent = evil.add(&mut fork, message(EVE, "beside your join"));
    let beside = evil.add(&mut fork, message("@u0:evil.test", "on top of that"));
    evil.answers("/backfill/", |_| (200, json!({ "pdus": [] })));
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    tells_state(&evil, &before_join);
    evil.host(&fork);
    evil.send(&a, &[object(&beside)]).await;
    until_outcome(&world, &a, &room.id, &beside, Outcome::SoftFailed).await;
    assert!(a.place(&room.id, parent.event_id()).await.is_some());
    until_whole(&world, &a, &room.id).await;
    assert_eq!(a.extremities(&room.id).await, [ban.event_id().clone()]);
}

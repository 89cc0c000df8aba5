//! Events that are judged before they are acknowledged, and those that wait.

use events::RoomVersion;
use persistence::transactions::graph::Outcome;
use persistence::transactions::staging;
use serde_json::json;

use crate::gaps::with_a_gap;
use crate::partial::member;
use crate::peer::object;
use crate::receiving::{shared, until_outcome};
use crate::world::{Server, World, message, name, state};

async fn staged(a: &Server) -> i64 {
    a.database.read(|tx| staging::count_of(tx, &name("evil.test"))).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_builds_on_what_we_have_has_its_place_when_it_is_acknowledged() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let topic = evil.add(&mut of_peer, state("@eve:evil.test", "m.room.topic", json!({ "topic": "mine" })));
    let hello = evil.add(&mut of_peer, message("@eve:evil.test", "hello"));
    // In another order than the room's.
    evil.send(&a, &[object(&hello), object(&topic)]).await;
    // Eve may not set a topic.
    assert_eq!(a.outcome(&room, topic.event_id()).await, Some(Outcome::Rejected));
    assert_eq!(a.outcome(&room, hello.event_id()).await, Some(Outcome::Accepted));
    assert_eq!((a.extremities(&room).await, staged(&a).await), (vec![hello.event_id().clone()], 0));
    // The room in memory is what is in the database.
    let said = a.say(&room, "@alice:a.test", "hello, Eve").await;
    assert_eq!(a.extremities(&room).await, [said]);
    let a = a.restarted(&world).await;
    a.say(&room, "@alice:a.test", "again").await;
}

#[tokio::test(start_paused = true)]
async fn several_rooms_of_one_transaction_advance() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let other = a.create_room("@alice:a.test", RoomVersion::V11).await;
    let mut in_other = evil.join(&a, &other, RoomVersion::V11, "@eve:evil.test").await;
    let one = evil.add(&mut of_peer, message("@eve:evil.test", "one"));
    let two = evil.add(&mut in_other, message("@eve:evil.test", "two"));
    evil.send(&a, &[object(&one), object(&two)]).await;
    assert_eq!(a.outcome(&room, one.event_id()).await, Some(Outcome::Accepted));
    assert_eq!(a.outcome(&other, two.event_id()).await, Some(Outcome::Accepted));
}

/// The rest of the transaction does not wait for it.
#[tokio::test(start_paused = true)]
async fn what_lacks_something_is_staged() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let before = of_peer.clone();
    let (_, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
    let beside = evil.next(&before, message("@eve:evil.test", "beside the gap"));
    evil.answers("state_ids", |_| (503, json!({ "errcode": "M_UNKNOWN", "error": "not now" })));
    evil.send(&a, &[object(&last), object(&beside)]).await;
    assert_eq!(a.outcome(&room, beside.event_id()).await, Some(Outcome::Accepted));
    assert_eq!((a.outcome(&room, last.event_id()).await, staged(&a).await), (None, 1));
    let peer = evil.clone();
    evil.answers("state_ids", move |request| peer.honest(request));
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
}

/// The same event, sent again in another transaction, is there once.
#[tokio::test(start_paused = true)]
async fn what_has_its_place_is_not_judged_again() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let hello = evil.add(&mut of_peer, message("@eve:evil.test", "hello"));
    evil.send(&a, &[object(&hello)]).await;
    let next = evil.add(&mut of_peer, message("@eve:evil.test", "again"));
    evil.send(&a, &[object(&hello), object(&next), object(&hello), object(&next)]).await;
    assert_eq!(a.extremities(&room).await, [next.event_id().clone()]);
    assert_eq!(staged(&a).await, 0);
}

/// Eve is out of the room by one event of a transaction, and says something by the next.
#[tokio::test(start_paused = true)]
async fn the_events_of_a_transaction_are_judged_one_after_the_other() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let left = evil.add(&mut of_peer, member("@eve:evil.test", "@eve:evil.test", "leave"));
    let late = evil.add(&mut of_peer, message("@eve:evil.test", "one more thing"));
    evil.send(&a, &[object(&left), object(&late)]).await;
    assert_eq!(a.outcome(&room, left.event_id()).await, Some(Outcome::Accepted));
    assert_eq!(a.outcome(&room, late.event_id()).await, Some(Outcome::Rejected));
    assert_eq!(a.extremities(&room).await, [left.event_id().clone()]);
}

/// Both copies in one transaction, the wrong one first.
#[tokio::test(start_paused = true)]
async fn a_full_copy_beside_a_mangled_one_is_the_one_that_is_kept() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let whole = evil.add(&mut of_peer, message("@eve:evil.test", "the real words"));
    let mut mangled = object(&whole);
    mangled["content"]["body"] = json!("other words");
    evil.send(&a, &[mangled, object(&whole)]).await;
    assert_eq!(a.outcome(&room, whole.event_id()).await, Some(Outcome::Accepted));
    assert_eq!(a.visible(&room, whole.event_id()).await.unwrap().content()["body"], "the real words");
}

/// Whoever waits for the first room does not wait for what it takes to merge the forks of the second: that is done later.
#[tokio::test(start_paused = true)]
async fn a_room_with_forks_beside_another_advances_too() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let other = a.create_room("@alice:a.test", RoomVersion::V11).await;
    let mut in_other = evil.join(&a, &other, RoomVersion::V11, "@eve:evil.test").await;
    let fork = evil.next(&in_other, message("@eve:evil.test", "the other fork"));
    let one = evil.add(&mut in_other, message("@eve:evil.test", "one fork"));
    evil.send(&a, &[object(&fork), object(&one)]).await;
    assert_eq!(a.extremities(&other).await.len(), 2);
    let here = evil.add(&mut of_peer, message("@eve:evil.test", "here"));
    let there = evil.add(&mut in_other, message("@eve:evil.test", "there"));
    evil.send(&a, &[object(&here), object(&there)]).await;
    assert_eq!(a.outcome(&room, here.event_id()).await, Some(Outcome::Accepted));
    until_outcome(&world, &a, &other, &there, Outcome::Accepted).await;
}

//! Users of ours who lost their membership where forks met, though nobody removed them.

use std::sync::Arc;

use events::{EventId, RoomVersion};
use persistence::transactions::graph::Outcome;
use serde_json::json;

use crate::joins::is_in;
use crate::partial::member;
use crate::peer::{Peer, PeerRoom, object};
use crate::receiving::until_outcome;
use crate::world::{Server, World, message, state};

const V: RoomVersion = RoomVersion::V11;
const ALICE: &str = "@alice:a.test";
const EVE: &str = "@eve:evil.test";
const GIL: &str = "@gil:good.test";

/// Alice came into a room that has another join rule now. Eve shows a fork from before that to us alone, where Alice never was, and by the join
/// rule of today she would not be let in. The room that is returned is the one that everybody else knows.
async fn has_lost_her(world: &World, closed_by: &str) -> (Server, Arc<Peer>, PeerRoom, EventId) {
    let (a, evil, good) = (world.server("a.test").await, world.peer("evil.test").await, world.peer("good.test").await);
    let mut room = good.make_room(GIL, V);
    good.add(&mut room, state(GIL, "m.room.join_rules", json!({ "join_rule": "public" })));
    room.line.push(evil.next(&room, member(EVE, EVE, "join")));
    good.host(&room);
    let mut fork = room.clone();
    let joined = a.join(&room.id, ALICE, &[&good.name]).await.unwrap();
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    good.host(&room);
    let beside = evil.add(&mut fork, message(EVE, "beside"));
    evil.host(&fork);
    evil.send(&a, &[object(&beside)]).await;
    until_outcome(world, &a, &room.id, &beside, Outcome::Accepted).await;
    assert!(is_in(&a, &room.id).await);
    let closed = good.add(&mut room, state(GIL, "m.room.join_rules", json!({ "join_rule": closed_by })));
    good.host(&room);
    good.send(&a, &[object(&closed)]).await;
    until_outcome(world, &a, &room.id, &closed, Outcome::Accepted).await;
    assert_eq!(a.current(&room.id, "m.room.member", ALICE).await, None, "the forks are resolved against her");
    (a, good, room, joined.event_id)
}

#[tokio::test(start_paused = true)]
async fn who_is_counted_in_by_the_others_joins_once_more() {
    let world = World::new();
    let (a, good, mut room, lost) = has_lost_her(&world, "invite").await;
    let said = good.add(&mut room, message(GIL, "where is Alice?"));
    good.host(&room);
    good.send(&a, &[object(&said)]).await;
    world.until("her to be back", || is_in(&a, &room.id)).await;
    assert_eq!(good.asked("/v2/send_join/"), 2);
    let join = a.current(&room.id, "m.room.member", ALICE).await.unwrap();
    let join = a.visible(&room.id, &join).await.unwrap();
    assert!(join.auth_events().contains(&lost), "the room is closed to who is not in it");
    room.line.push(join);
    good.host(&room);
    let heard = good.add(&mut room, message(GIL, "there you are"));
    good.send(&a, &[object(&heard)]).await;
    until_outcome(&world, &a, &room.id, &heard, Outcome::Accepted).await;
    assert!(is_in(&a, &room.id).await);
    a.say(&room.id, ALICE, "I was here all the time").await;
}

/// What Eve shows to us may also be true: somebody has removed her, and we have not heard of it.
#[tokio::test(start_paused = true)]
async fn who_was_removed_does_not_come_back() {
    let world = World::new();
    let (a, good, mut room, _) = has_lost_her(&world, "invite").await;
    let kick = good.add(&mut room, member(GIL, ALICE, "leave"));
    good.keeps_back(&kick);
    good.host(&room);
    let before = PeerRoom { line: room.line[..room.line.len() - 1].to_vec(), ..room.clone() };
    let beside = good.next(&before, message(GIL, "beside the kick"));
    good.send(&a, &[object(&beside)]).await;
    world.until("the others to be asked", || async { good.asked("/v1/make_leave/") == 1 }).await;
    world.handles.clock.sleep(pdu::limits::LOOK_PAUSE).await;
    assert!(!is_in(&a, &room.id).await);
    assert_eq!(good.asked("/v2/send_join/"), 1);
}

/// The others let nobody join, for which the rule is there to be seen, or is not.
#[tokio::test(start_paused = true)]
async fn who_cannot_come_back_leaves() {
    for (closed_by, leaves) in [("private", 1), ("invite", 0)] {
        let world = World::new();
        let (a, good, mut room, _) = has_lost_her(&world, closed_by).await;
        let forbidden = json!({ "errcode": "M_FORBIDDEN", "error": "nobody may join" });
        good.answers("/v1/make_join/", move |_| (403, forbidden.clone()));
        good.answers("/v2/send_leave/", |_| (200, json!({})));
        let said = good.add(&mut room, message(GIL, "where is Alice?"));
        good.host(&room);
        good.send(&a, &[object(&said)]).await;
        world.until("her to ask", || async { good.asked("/v1/make_join/") == 2 }).await;
        world.handles.clock.sleep(pdu::limits::LOOK_AFTER).await;
        assert_eq!(good.asked("/v2/send_leave/"), leaves, "{closed_by}");
        assert!(!is_in(&a, &room.id).await);
    }
}

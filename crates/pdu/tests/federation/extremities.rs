//! Forward extremities: keeping them few, and what they make of each other.

use std::time::Duration;

use events::limits::OWN_PREV_EVENTS_MAX;
use events::{Pdu, RoomId, RoomVersion};
use pdu::limits::EXTREMITIES_MAX;
use pdu::{DUMMY_EVENT_TYPE, Draft};
use persistence::transactions::graph::Outcome;
use serde_json::json;

use crate::partial::{ALICE, EVE};
use crate::peer::{Peer, PeerRoom, object};
use crate::receiving::{shared, until_outcome};
use crate::world::{Server, World, message, state};

/// Nobody builds on many extremities but we: and what joins them is sent to nobody.
#[tokio::test(start_paused = true)]
async fn many_extremities_are_joined_by_an_event_of_ours() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let forks: Vec<Pdu> =
        (0..15).map(|at| evil.next(&of_peer, message("@eve:evil.test", &format!("fork {at}")))).collect();
    let received = evil.received().len();
    evil.send(&a, &forks.iter().map(object).collect::<Vec<_>>()).await;
    for fork in &forks {
        until_outcome(&world, &a, &room, fork, Outcome::Accepted).await;
    }
    let few = || async { a.extremities(&room).await.len() <= EXTREMITIES_MAX };
    world.until("the extremities to be joined", few).await;
    let extremities = a.extremities(&room).await;
    let mut joined = 0;
    for event in &extremities {
        let event = a.visible(&room, event).await.expect("an extremity is stored");
        if event.event_type() == DUMMY_EVENT_TYPE {
            assert_eq!(event.sender().as_str(), "@alice:a.test");
            assert!(event.content().is_empty());
            joined += event.prev_events().len();
        }
    }
    assert_eq!(joined, OWN_PREV_EVENTS_MAX);
    assert_eq!(extremities.len(), forks.len() - OWN_PREV_EVENTS_MAX + 1);
    assert_eq!(evil.received().len(), received, "nobody is sent the event that joins them");

    // The next message builds on all that is left.
    let said = a.say(&room, "@alice:a.test", "hello").await;
    assert_eq!(a.extremities(&room).await, [said]);
}

/// Sends events in transactions as large as they may be, and waits until all are accepted.
async fn flood(world: &World, evil: &Peer, a: &Server, room: &RoomId, forks: &[Pdu]) {
    for batch in forks.chunks(50) {
        evil.send(a, &batch.iter().map(object).collect::<Vec<_>>()).await;
    }
    for fork in forks {
        until_outcome(world, a, room, fork, Outcome::Accepted).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_extremities_at_once_stay_for_a_while_only() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let forks: Vec<Pdu> =
        (0..1_000).map(|at| evil.next(&of_peer, message("@eve:evil.test", &format!("fork {at}")))).collect();
    flood(&world, &evil, &a, &room, &forks).await;
    let few = || async {
        // Whatever comes has the extremities looked at.
        let next = evil.next(&of_peer, message("@eve:evil.test", &world.handles.clock.now().to_string()));
        evil.send(&a, &[object(&next)]).await;
        a.extremities(&room).await.len() <= EXTREMITIES_MAX
    };
    world.until("the extremities to be joined", few).await;
    a.say(&room, "@alice:a.test", "hello").await;
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_states_at_once_are_resolved_in_bounds() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let levels = json!({ "users": { "@alice:a.test": 100, "@eve:evil.test": 50 } });
    let levels = a.send(&room, state("@alice:a.test", "m.room.power_levels", levels)).await.unwrap();
    of_peer.line.push(a.visible(&room, &levels).await.unwrap());
    let topic = |at: usize| state("@eve:evil.test", "m.room.topic", json!({ "topic": at.to_string() }));
    let forks: Vec<Pdu> = (0..300).map(|at| evil.next(&of_peer, topic(at))).collect();
    flood(&world, &evil, &a, &room, &forks).await;
    let current = a.current(&room, "m.room.topic", "").await.unwrap();
    assert!(forks.iter().any(|fork| *fork.event_id() == current));
    a.say(&room, "@alice:a.test", "hello").await;
    let a = a.restarted(&world).await;
    assert_eq!(a.current(&room, "m.room.topic", "").await, Some(current));
}

/// What we make of two forks puts our user out of the room; others, who saw them merged in another way, did not.
#[tokio::test(start_paused = true)]
async fn who_was_put_out_by_a_merge_of_forks_still_listens() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room(EVE, RoomVersion::V11);
    evil.host(&room);
    let forked_at = room.line.last().unwrap().clone();
    let beside = |content: Draft, parents: &[&Pdu], of: &PeerRoom| {
        let depth = parents.iter().map(|parent| parent.depth()).max().unwrap() + 1;
        let ids = parents.iter().map(|parent| parent.event_id().clone()).collect();
        evil.sign(&of.id, of.version, &content, ids, of.auth_events(&content), depth)
    };
    let before = room.clone();
    let join = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap().event_id;
    let joined = a.visible(&room.id, &join).await.unwrap();
    room.line.push(joined.clone());
    world.handles.clock.sleep(Duration::from_secs(1)).await;
    let closed = beside(state(EVE, "m.room.join_rules", json!({ "join_rule": "invite" })), &[&joined], &room);
    let topic = beside(state(EVE, "m.room.topic", json!({ "topic": "a fork" })), &[&forked_at], &before);
    let is_in = || async { a.current(&room.id, "m.room.member", ALICE).await == Some(join.clone()) };
    evil.send(&a, &[object(&closed), object(&topic)]).await;
    until_outcome(&world, &a, &room.id, &topic, Outcome::Accepted).await;
    assert!(!is_in().await, "her join is not allowed by the rule that came later");
    let merged = beside(message(EVE, "open to all"), &[&joined, &topic], &room);
    evil.send(&a, &[object(&merged)]).await;
    until_outcome(&world, &a, &room.id, &merged, Outcome::Accepted).await;
    assert!(is_in().await, "she was in both of what is merged now");
}

//! Keeping forward extremities few.

use events::Pdu;
use events::limits::OWN_PREV_EVENTS_MAX;
use pdu::DUMMY_EVENT_TYPE;
use pdu::limits::EXTREMITIES_MAX;
use persistence::transactions::graph::Outcome;

use crate::peer::object;
use crate::receiving::{shared, until_outcome};
use crate::world::{World, message};

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

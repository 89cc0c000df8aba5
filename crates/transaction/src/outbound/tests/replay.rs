//! What a destination took is told to it again.

use super::peers::Manner;
use super::*;
use crate::outbound::limits::{DELIVERED_AGE_MAX, DELIVERED_KEPT_MAX, TRANSACTION_PDUS_MAX};
use ::events::{EventId, Value};
use persistence::transactions::events::intern;
use persistence::transactions::outbound::delivered;
use transport::questions::{DeliveredAfter, DeliveryQuestions};

/// Has the database know the events 1 to `count`.
async fn know(world: &World, count: i64) {
    for event in 1..=count {
        let id = EventId::parse(format!("$e{event}:a.test")).unwrap();
        let number = world.database.write(move |tx| intern(tx, RoomNumber(1), &id)).await.unwrap();
        assert_eq!(number, EventNumber(event));
    }
}

async fn told(world: &World, server: &str, after: DeliveredAfter) -> Value {
    world.outbound.delivered_after(&name(server), after).await.unwrap()
}

/// All pages after the transaction with this id: the events, the EDUs, how many pages.
async fn all_told(world: &World, server: &str, id: &str) -> (Vec<i64>, Vec<i64>, usize) {
    let (mut events, mut edus, mut pages) = (Vec::new(), Vec::new(), 0);
    let mut after = DeliveredAfter::Transaction(id.to_owned());
    loop {
        let page = told(world, server, after).await;
        let pdus = page["pdus"].as_array().unwrap();
        assert!(pdus.len() <= TRANSACTION_PDUS_MAX);
        events.extend(pdus.iter().map(|pdu| pdu["event"].as_i64().unwrap()));
        edus.extend(page["edus"].as_array().unwrap().iter().map(|edu| edu["content"]["n"].as_i64().unwrap()));
        pages += 1;
        match page["next"].as_i64() {
            Some(next) => after = DeliveredAfter::Number(next),
            None => return (events, edus, pages),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn everything_after_a_transaction_is_told_again_in_pages() {
    let world = World::new();
    know(&world, 300).await;
    world.send(&["b.test", "c.test"], [1]).await;
    world.quiet().await;
    // It asks once, and so is known as one that may ask again.
    let first = world.peers.accepted("b.test")[0].id.clone();
    assert_eq!(all_told(&world, "b.test", &first).await, (vec![], vec![], 1));
    for n in 2..=300 {
        world.send(&["b.test", "c.test"], [n]).await;
        if n % 3 == 0 {
            world.send_edu(&["b.test", "c.test"], edu("m.direct_to_device", n), None).await;
        }
        if n % 100 == 0 {
            world.quiet().await;
        }
    }
    world.quiet().await;
    let (events, edus, pages) = all_told(&world, "b.test", &first).await;
    assert_eq!(events, Vec::from_iter(2..=300));
    assert_eq!(edus, Vec::from_iter((2..=300).filter(|n| n % 3 == 0)));
    assert!(pages > 5, "{pages}");
    // Of who never asked, no EDUs are kept.
    let first = world.peers.accepted("c.test")[0].id.clone();
    let (events, edus, _) = all_told(&world, "c.test", &first).await;
    assert_eq!((events.len(), edus.len()), (299, 0));

    let last = world.peers.accepted("b.test").last().unwrap().id.clone();
    let world = world.restart(2).await;
    assert_eq!(all_told(&world, "b.test", &last).await, (vec![], vec![], 1));
    assert_eq!(told(&world, "b.test", DeliveredAfter::Transaction("other-7".to_owned())).await["pdus"][0]["event"], 1);
    assert_eq!(told(&world, "d.test", DeliveredAfter::Transaction(last)).await["pdus"], json!([]));
}

/// How many transactions of `b.test` are known.
async fn kept(world: &World) -> usize {
    world.database.read(|tx| delivered::ids(tx, &name("b.test"))).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_is_forgotten_after_a_while_and_beyond_a_number() {
    let world = World::new();
    for event in 0..DELIVERED_KEPT_MAX + 20 {
        world.send(&["b.test"], [event]).await;
        world.quiet().await;
    }
    assert_eq!(i64::try_from(kept(&world).await).unwrap(), DELIVERED_KEPT_MAX);
    world.outbound.start();
    world.pass(DELIVERED_AGE_MAX / 2).await;
    assert!(kept(&world).await > 0);
    world.pass(DELIVERED_AGE_MAX).await;
    assert_eq!(kept(&world).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_became_of_an_event_is_known() {
    let world = World::new();
    world.peers.set("c.test", Manner::IsDown);
    world.send(&["b.test", "c.test"], [12]).await;
    world.pass(Duration::from_secs(1)).await;
    let receipts = world.database.read(|tx| delivered::receipts(tx, EventNumber(12), 0)).await.unwrap();
    let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
    assert_eq!(receipt.destination, name("b.test"));
    assert_eq!(receipt.refused.as_deref(), Some(r#"{"$x":"no"}"#));
    for other in [1, 2, 121] {
        assert!(
            world.database.read(move |tx| delivered::receipts(tx, EventNumber(other), 0)).await.unwrap().is_empty()
        );
    }
}

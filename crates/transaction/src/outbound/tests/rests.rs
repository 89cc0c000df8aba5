//! Failures, repetitions, restarts, and how a destination is found again.

use super::peers::{Manner, Seen};
use super::*;

fn ids_and_bodies(seen: &[Seen]) -> Vec<(String, String)> {
    seen.iter().map(|seen| (seen.id.clone(), seen.body.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_transaction_without_an_answer_is_sent_again_as_it_was() {
    let world = World::new();
    world.peers.set("b.test", Manner::AnswerIsLost);
    world.outbound.send_ephemeral(&names(&["b.test"]), edu("m.typing", 1), "typing");
    world.send_edu(&["b.test"], edu("m.receipt", 1), Some("key")).await;
    world.send(&["b.test"], 0..3).await;
    world.until(|world| world.peers.seen("b.test").iter().any(|seen| !seen.events().is_empty())).await;
    // More comes, and something newer of the same key.
    world.send_edu(&["b.test"], edu("m.receipt", 2), Some("key")).await;
    world.send(&["b.test"], 3..6).await;
    world.until(|world| world.peers.seen("b.test").len() == 4).await;
    let attempts = ids_and_bodies(&world.peers.seen("b.test"));
    assert!(attempts.iter().all(|attempt| *attempt == attempts[0]), "{attempts:?}");

    // Neither a restart changes it.
    let world = world.restart(2).await;
    world.peers.set("b.test", Manner::IsDown);
    world.outbound.start();
    world.until(|world| world.peers.seen("b.test").len() == 2).await;
    world.peers.set("b.test", Manner::Accepts(Duration::ZERO));
    world.until(|world| world.peers.events("b.test").len() == 6).await;
    let again = world.peers.seen("b.test");
    assert!(ids_and_bodies(&again)[..3].iter().all(|attempt| *attempt == attempts[0]), "{again:?}");
    assert_eq!(world.peers.events("b.test"), [0, 1, 2, 3, 4, 5]);
    let receipts: Vec<i64> =
        world.peers.edus("b.test").iter().filter(|(kind, _)| kind == "m.receipt").map(|(_, n)| *n).collect();
    assert_eq!(receipts, [1, 2]);
    let distinct: BTreeSet<&str> = again.iter().map(|seen| seen.id.as_str()).collect();
    assert_eq!(distinct.len(), 2, "what is new has a new id: {distinct:?}");
}

#[tokio::test(start_paused = true)]
async fn no_two_incarnations_share_an_id() {
    let mut world = World::new();
    let mut ids = BTreeSet::new();
    for seed in 2..6 {
        world.send(&["b.test"], [1]).await;
        world.quiet().await;
        assert!(world.peers.seen("b.test").iter().all(|seen| ids.insert(seen.id.clone())));
        world = world.restart(seed).await;
    }
    assert_eq!(ids.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn attempts_become_rare_and_hearing_from_the_destination_brings_it_back() {
    let world = World::new();
    world.peers.set("b.test", Manner::IsDown);
    world.send(&["b.test"], [1]).await;
    world.pass(Duration::from_hours(12)).await;
    let attempts = world.peers.seen("b.test");
    let pauses: Vec<u64> = attempts.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs()).collect();
    assert!(attempts.len() < 40 && pauses.iter().all(|pause| *pause <= 3600), "{pauses:?}");

    world.peers.set("b.test", Manner::Accepts(Duration::ZERO));
    world.outbound.heard_from(&name("c.test"));
    // Both hear of it, the transport first: it would not let the queue ask.
    world.health.heard_from(&name("b.test"));
    world.outbound.heard_from(&name("b.test"));
    world.pass(Duration::from_millis(100)).await;
    assert_eq!(world.peers.events("b.test"), [1]);
    assert!(!world.outbound.0.destinations().contains_key(&name("c.test")), "strangers cost no memory");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_wants_a_rest_gets_it() {
    let world = World::new();
    world.peers.set("b.test", Manner::WantsRest(100));
    world.send(&["b.test"], [1]).await;
    world.pass(Duration::from_secs(99)).await;
    assert_eq!(world.peers.seen("b.test").len(), 1);
    world.peers.set("b.test", Manner::Accepts(Duration::ZERO));
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(world.peers.events("b.test"), [1]);
    let attempts = world.peers.seen("b.test");
    assert_eq!(attempts[0].id, attempts[1].id);
}

#[tokio::test(start_paused = true)]
async fn typing_is_not_kept_for_who_is_away_nor_does_it_wake_anybody() {
    let world = World::new();
    world.peers.set("b.test", Manner::IsDown);
    for n in 0..20_000 {
        world.outbound.send_ephemeral(&names(&["b.test"]), edu("m.typing", n), "typing");
        world.pass(Duration::from_millis(500)).await;
    }
    let attempts = world.peers.seen("b.test").len();
    assert!(attempts < 30, "{attempts} attempts in ten thousand seconds");
    world.peers.set("b.test", Manner::Accepts(Duration::ZERO));
    world.send(&["b.test"], [1]).await;
    world.until(|world| world.peers.events("b.test") == [1]).await;
    assert!(world.peers.edus("b.test").is_empty(), "nobody types any more");
}

#[tokio::test(start_paused = true)]
async fn at_start_we_say_that_we_are_here() {
    let world = World::new();
    world.peers.set("down.test", Manner::IsDown);
    world.send(&["b.test", "down.test"], [1]).await;
    world.until(|world| !world.peers.events("b.test").is_empty()).await;
    // Only ever heard of.
    let now = world.handles.clock.now();
    let stored = world.database.write(move |tx| received_transactions::store(tx, &name("c.test"), "1", "{}", now, 10));
    stored.await.unwrap();

    let world = world.restart(2).await;
    world.outbound.start();
    world.until(|world| !world.peers.events("down.test").is_empty() && !world.peers.seen("c.test").is_empty()).await;
    world.quiet().await;
    for greeted in ["b.test", "c.test"] {
        let seen = world.peers.seen(greeted);
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].events(), seen[0].edus()), (vec![], vec![]));
    }
    assert_eq!(world.peers.events("down.test"), [1]);

    let world = world.restart(3).await;
    world.pass(ANNOUNCE_AGE_MAX + Duration::from_secs(1)).await;
    world.outbound.start();
    world.pass(Duration::from_mins(10)).await;
    assert!(world.peers.seen("b.test").is_empty(), "who was not in touch for long is left in peace");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_who_stays_away_is_bounded() {
    let world = World::new();
    world.peers.set("b.test", Manner::IsDown);
    // The even rooms are shared.
    world.share(&["b.test"], [0, 2, 4, 6, 8]).await;
    world.send(&["b.test"], 0..limits::WAITING_PDUS_MAX / 2).await;
    world.pass(limits::LONG_ABSENCE / 2).await;
    assert_eq!(world.waiting_pdus("b.test").await, 500, "it may be back at any time");
    world.send(&["b.test"], limits::WAITING_PDUS_MAX / 2..limits::WAITING_PDUS_MAX + 500).await;
    for n in 0..limits::WAITING_EDUS_MAX + 500 {
        world.send_edu(&["b.test"], edu("m.direct_to_device", n), None).await;
    }
    world.pass(Duration::from_hours(2)).await;
    let counts = world.database.read(|tx| {
        let b = name("b.test");
        Ok::<_, StoreError>((rows::waiting_pdus(tx, &b, 100_000)?.len(), rows::waiting_edus(tx, &b, 100_000)?.len()))
    });
    let (pdus, edus) = counts.await.unwrap();
    let edus_max = usize::try_from(limits::WAITING_EDUS_MAX).unwrap() + limits::TRANSACTION_EDUS_MAX;
    assert!(pdus <= 5 + limits::TRANSACTION_PDUS_MAX && edus <= edus_max, "{pdus} PDUs, {edus} EDUs");

    world.peers.set("b.test", Manner::Accepts(Duration::ZERO));
    world.quiet().await;
    let events = world.peers.events("b.test");
    let newest = limits::WAITING_PDUS_MAX + 500;
    for event in newest - 10..newest {
        assert_eq!(events.contains(&event), event % 2 == 0, "the newest of each room that is still shared arrives");
    }
    let on_its_way = i64::try_from(limits::TRANSACTION_PDUS_MAX).unwrap();
    assert!(events.iter().all(|event| *event < on_its_way || *event >= newest - 10), "{events:?}");
    let last = world.peers.edus("b.test").last().map(|(_, n)| *n);
    assert_eq!(last, Some(limits::WAITING_EDUS_MAX + 499));

    world.peers.set("b.test", Manner::IsDown);
    world.send_edu(&["b.test"], edu("m.receipt", 1), None).await;
    world.pass(Duration::from_hours(1)).await;
    world.send_edu(&["b.test"], edu("m.receipt", 2), None).await;
    world.pass(limits::WAITING_EDU_AGE_MAX + Duration::from_hours(2)).await;
    let waiting = world.database.read(|tx| rows::waiting_edus(tx, &name("b.test"), 100));
    assert_eq!(waiting.await.unwrap().len(), 1, "too old, but for what is on its way");
}

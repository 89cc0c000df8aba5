//! What arrives, in which order, in how many transactions.

use super::peers::Manner;
use super::*;
use crate::outbound::limits::{TRANSACTION_EDUS_MAX, TRANSACTION_PDUS_MAX};

#[tokio::test(start_paused = true)]
async fn events_arrive_in_order_one_transaction_at_a_time() {
    let world = World::new();
    world.send(&["b.test", "c.test", "a.test"], 0..120).await;
    world.send(&["c.test"], [120]).await;
    world.quiet().await;
    assert_eq!(world.peers.events("b.test"), Vec::from_iter(0..120));
    assert_eq!(world.peers.events("c.test"), Vec::from_iter(0..=120));
    assert!(world.peers.seen("a.test").is_empty(), "we do not send to ourselves");
    let sizes: Vec<usize> = world.peers.seen("b.test").iter().map(|seen| seen.events().len()).collect();
    assert!(sizes.iter().all(|size| *size <= TRANSACTION_PDUS_MAX) && sizes.len() <= 5, "{sizes:?}");
    assert!(world.outbound.0.destinations().is_empty(), "who has nothing to do costs no memory");
}

#[tokio::test(start_paused = true)]
async fn messages_to_devices_go_first() {
    let world = World::new();
    world.peers.set("b.test", Manner::IsDown);
    world.send(&["b.test"], [0]).await;
    world.until(|world| !world.peers.seen("b.test").is_empty()).await;
    for n in 0..90 {
        world.send_edu(&["b.test"], edu("m.device_list_update", n), None).await;
        world.send_edu(&["b.test"], edu("m.direct_to_device", n), None).await;
    }
    world.peers.set("b.test", Manner::Accepts(Duration::ZERO));
    world.quiet().await;
    let counts: Vec<usize> = world.peers.accepted("b.test").iter().map(|seen| seen.edus().len()).collect();
    assert!(counts.iter().all(|count| *count <= TRANSACTION_EDUS_MAX), "{counts:?}");
    let arrived = world.peers.edus("b.test");
    let expected = |edu_type: &str| (0..90).map(|n| (edu_type.to_owned(), n)).collect::<Vec<_>>();
    assert_eq!(arrived[..90], expected("m.direct_to_device"));
    assert_eq!(arrived[90..], expected("m.device_list_update"));
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_a_key_replaces_what_was_not_sent() {
    let world = World::new();
    world.peers.set("b.test", Manner::IsDown);
    world.send_edu(&["b.test"], edu("m.receipt", 1), Some("receipt @u !r")).await;
    world.until(|world| world.peers.seen("b.test").len() == 1).await;
    world.send_edu(&["b.test"], edu("m.receipt", 2), Some("receipt @u !r")).await;
    world.send_edu(&["b.test"], edu("m.receipt", 3), Some("receipt @u !r")).await;
    world.send_edu(&["b.test"], edu("m.receipt", 4), Some("receipt @v !r")).await;
    world.send_edu(&["b.test"], edu("m.other", 5), None).await;
    world.send_edu(&["b.test"], edu("m.other", 6), None).await;
    world.peers.set("b.test", Manner::Accepts(Duration::ZERO));
    world.quiet().await;
    let numbers: Vec<i64> = world.peers.edus("b.test").into_iter().map(|(_, n)| n).collect();
    // 1 was on its way: what was sent under an id stays what it was.
    assert_eq!(numbers, [1, 3, 4, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn typing_is_sent_at_once_the_newest_of_each_key_and_never_stored() {
    let world = World::new();
    world.peers.set("b.test", Manner::Accepts(Duration::from_secs(5)));
    world.send(&["b.test"], [1]).await;
    world.until(|world| !world.peers.seen("b.test").is_empty()).await;
    for n in 1..=3 {
        world.outbound.send_ephemeral(&names(&["b.test"]), edu("m.typing", n), "typing !r @u");
    }
    world.outbound.send_ephemeral(&names(&["b.test"]), edu("m.presence", 4), "presence @u");
    world.quiet().await;
    let expected = [("m.typing".to_owned(), 3), ("m.presence".to_owned(), 4)];
    assert_eq!(world.peers.edus("b.test"), expected);
    assert_eq!(world.peers.seen("b.test").len(), 2);
    for n in 0..1000 {
        world.outbound.send_ephemeral(&names(&["c.test"]), edu("m.presence", n), &format!("presence @u{n}"));
    }
    world.quiet().await;
    let last = world.peers.edus("c.test").into_iter().map(|(_, n)| n).collect::<Vec<_>>();
    assert!(last.len() <= TRANSACTION_EDUS_MAX && last.ends_with(&[998, 999]), "bounded, and the oldest go: {last:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_while_a_transaction_is_on_its_way_follows_it() {
    let world = World::new();
    // Each arrival commits the next event: at the worst moments for a lost wake-up, before and with the answer.
    let (outbound, database, tasks) = (world.outbound.clone(), world.database.clone(), world.handles.tasks.clone());
    world.peers.on_arrival(move |seen| {
        let (outbound, database) = (outbound.clone(), database.clone());
        let next = seen.events().last().unwrap() + 1;
        if next < 200 {
            tasks.spawn("next", async move {
                let queued = database
                    .write(move |tx| outbound.enqueue_pdu(tx, &names(&["b.test"]), RoomNumber(1), EventNumber(next)));
                queued.await.unwrap();
            });
        }
    });
    for latency in [0, 1] {
        world.peers.set("b.test", Manner::Accepts(Duration::from_millis(latency)));
        world.send(&["b.test"], [0]).await;
        world.until(|world| world.peers.events("b.test").last() == Some(&199)).await;
        world.quiet().await;
    }
    assert_eq!(world.peers.events("b.test"), (0..200).chain(0..200).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn no_wake_up_is_lost_at_any_moment() {
    let world = World::new();
    world.peers.set("b.test", Manner::Accepts(Duration::from_millis(3)));
    for event in 0..500 {
        world.send(&["b.test"], [event]).await;
        // 0 to 6 ms: before, while and just after the task finds nothing more to do.
        for _ in 0..world.handles.random.below(4) {
            tokio::task::yield_now().await;
        }
        world.pass(Duration::from_micros(world.handles.random.below(6_000))).await;
    }
    world.quiet().await;
    assert_eq!(world.peers.events("b.test"), Vec::from_iter(0..500));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_destinations_get_one_message_within_two_seconds() {
    let world = World::new();
    let all: Vec<String> = (0..1000).map(|n| format!("s{n}.test")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    for destination in &all {
        world.peers.set(destination, Manner::Accepts(Duration::from_millis(200)));
    }
    let start = world.handles.clock.monotonic();
    world.send(&all, [1]).await;
    world.quiet().await;
    assert!(world.handles.clock.monotonic() - start < Duration::from_secs(2));
    assert!(all.iter().all(|destination| world.peers.events(destination) == [1]));
    assert!(world.peers.in_flight_most() <= SENDS_IN_FLIGHT_MAX);
    assert!(world.peers.in_flight_most() > SENDS_IN_FLIGHT_MAX / 2, "they do not wait for each other");
    assert!(world.outbound.0.destinations().is_empty() && world.handles.tasks.count() == 0);
}

#[tokio::test(start_paused = true)]
async fn servers_that_hang_hold_up_nobody() {
    let world = World::new();
    let hanging: Vec<String> = (0..SENDS_IN_FLIGHT_MAX).map(|n| format!("hangs{n}.test")).collect();
    let hanging: Vec<&str> = hanging.iter().map(String::as_str).collect();
    for destination in &hanging {
        world.peers.set(destination, Manner::Hangs);
    }
    world.send(&hanging, [1]).await;
    world.until(|world| hanging.iter().all(|destination| !world.peers.seen(destination).is_empty())).await;
    // All of them have failed once; from then on they have turns of their own.
    world.pass(Duration::from_secs(61)).await;
    let start = world.handles.clock.monotonic();
    world.send(&["b.test"], [1]).await;
    world.until(|world| world.peers.events("b.test") == [1]).await;
    assert!(world.handles.clock.monotonic() - start < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_rolled_back_commit_sends_nothing() {
    let world = World::new();
    let outbound = world.outbound.clone();
    let failed: Result<(), StoreError> = world
        .database
        .write(move |tx| {
            outbound.enqueue_pdu(tx, &names(&["b.test"]), RoomNumber(1), EventNumber(1))?;
            Err(StoreError::Closed)
        })
        .await;
    assert!(failed.is_err());
    world.quiet().await;
    assert!(world.peers.seen("b.test").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_idle_for_long_is_forgotten_while_the_server_runs() {
    let world = World::new();
    world.send(&["b.test", "c.test"], [1]).await;
    world.quiet().await;
    world.outbound.start();
    let known = async |world: &World| {
        let known = world.database.read(|tx| rows::known_destinations(tx, 0, "", 10)).await.unwrap();
        known.iter().map(|known| known.destination.to_string()).collect::<Vec<_>>()
    };
    world.pass(limits::IDLE_AGE_MAX - Duration::from_hours(25)).await;
    assert_eq!(known(&world).await, ["b.test", "c.test"]);
    world.send(&["c.test"], [2]).await;
    world.pass(Duration::from_hours(50)).await;
    assert_eq!(known(&world).await, ["c.test"]);
    world.send(&["b.test"], [3]).await;
    world.quiet().await;
    assert_eq!(world.peers.events("b.test"), [1, 3]);
}

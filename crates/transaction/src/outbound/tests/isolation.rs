//! One bad event holds up nobody but itself.

use super::peers::Manner;
use super::*;

#[tokio::test(start_paused = true)]
async fn an_event_that_a_server_chokes_on_is_found_and_given_up_alone() {
    for status in [400, 413, 500] {
        let world = World::new();
        world.peers.set("b.test", Manner::IsDown);
        world.send(&["b.test"], 0..200).await;
        world.send_edu(&["b.test"], edu("m.receipt", 1), None).await;
        world.peers.set("b.test", Manner::Chokes(status, "{\"event\":77}"));
        world.until(|world| world.peers.events("b.test").len() == 199).await;
        world.quiet().await;
        assert_eq!(world.peers.events("b.test"), (0..200).filter(|event| *event != 77).collect::<Vec<_>>(), "{status}");
        assert_eq!(world.peers.edus("b.test").len(), 1);
        let sent = world.peers.seen("b.test");
        let mut contents = BTreeMap::new();
        for seen in sent {
            let first = contents.entry(seen.id.clone()).or_insert_with(|| seen.body.clone());
            assert_eq!(*first, seen.body, "an id was used again with other content");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_edu_that_a_server_chokes_on_is_given_up_too() {
    let world = World::new();
    world.peers.set("b.test", Manner::Chokes(400, "m.poison"));
    world.send_edu(&["b.test"], edu("m.poison", 1), None).await;
    world.send_edu(&["b.test"], edu("m.receipt", 2), None).await;
    world.send(&["b.test"], [1, 2]).await;
    world.until(|world| world.peers.events("b.test").len() == 2 && world.peers.edus("b.test").len() == 1).await;
    world.quiet().await;
}

/// While an item at fault is looked for, nothing rides along. That must not keep it back, or the destination busy, when all is found.
#[tokio::test(start_paused = true)]
async fn what_is_worth_nothing_later_goes_as_soon_as_nothing_else_waits() {
    let world = World::new();
    world.peers.set("b.test", Manner::Chokes(400, "{\"event\":1}"));
    world.send(&["b.test"], [1]).await;
    world.until(|world| !world.peers.seen("b.test").is_empty()).await;
    for n in 0..3 {
        world.outbound.send_ephemeral(&names(&["b.test"]), edu("m.typing", n), &format!("typing {n}"));
    }
    world.until(|world| world.peers.edus("b.test").len() == 3).await;
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_given_up_for_a_server_that_refuses_everything() {
    for manner in [
        Manner::Refuses(400),
        Manner::ProxyRefuses(400),
        Manner::ProxyRefuses(413),
        Manner::Refuses(403),
        Manner::Refuses(500),
    ] {
        let world = World::new();
        world.peers.set("b.test", manner);
        world.share(&["b.test"], 0..10).await;
        world.send(&["b.test"], 0..100).await;
        world.pass(Duration::from_hours(12)).await;
        assert!(world.peers.seen("b.test").len() < 500);
        world.peers.set("b.test", Manner::Accepts(Duration::ZERO));
        world.quiet().await;
        let events = world.peers.events("b.test");
        assert!(
            events.ends_with(&Vec::from_iter(90..100)),
            "the newest of each room, and what was on its way: {events:?}"
        );
        assert!(events.is_sorted_by(|one, next| one < next), "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn purged_and_unreadable_events_are_skipped() {
    let world = World::new();
    let gone = (PURGED..PURGED + 120).chain(BROKEN..BROKEN + 3);
    world.peers.set("b.test", Manner::IsDown);
    world.send(&["b.test"], gone.chain([1, PURGED, 2])).await;
    world.peers.set("b.test", Manner::Accepts(Duration::ZERO));
    world.quiet().await;
    assert_eq!(world.peers.events("b.test"), [1, 2]);
    world.send(&["b.test"], [PURGED]).await;
    world.quiet().await;
    assert!(world.peers.seen("b.test").iter().all(|seen| !seen.events().is_empty()), "no empty transactions");
    let waiting = world.database.read(|tx| rows::is_waiting(tx, &name("b.test")));
    assert!(!waiting.await.unwrap());
}

//! What happened in a room while its server was away.

use std::sync::Arc;
use std::time::Duration;

use events::{EventId, Pdu, RoomId, RoomVersion};
use persistence::transactions::graph::Outcome;
use persistence::transactions::missed;
use serde_json::json;

use crate::peer::{Peer, PeerRoom, object};
use crate::receiving::{shared, until_outcome};
use crate::world::{Server, World, draft, message, state};

const V: RoomVersion = RoomVersion::V11;
const EVE: &str = "@eve:evil.test";
const NED: &str = "@ned:evil.test";

fn join(user: &str) -> pdu::Draft {
    draft(user, "m.room.member", Some(user), json!({ "membership": "join" }))
}

/// How many gaps are remembered.
async fn missed_of(server: &Server, room: &RoomId) -> usize {
    server.read(room, |tx, room, _| missed::of_room(tx, room)).await.len()
}

/// The peer says `count` things that nobody hears, and one more that it sends. It gives only the state between.
async fn after_an_outage(evil: &Peer, of_peer: &mut PeerRoom, count: usize) -> (Vec<Pdu>, Pdu) {
    let missed = (0..count).map(|n| evil.add(of_peer, message(EVE, &n.to_string()))).collect();
    let last = evil.add(of_peer, message(EVE, "last"));
    evil.host(of_peer);
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    (missed, last)
}

fn gives_no_history(peer: &Peer) {
    peer.answers("backfill", |_| (404, json!({ "errcode": "M_NOT_FOUND", "error": "not here" })));
}

async fn are_placed(server: &Server, room: &RoomId, events: &[Pdu]) -> bool {
    for pdu in events {
        if server.place(room, pdu.event_id()).await.is_none() {
            return false;
        }
    }
    true
}

#[tokio::test(start_paused = true)]
async fn who_joined_meanwhile_is_heard() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let joined = evil.add(&mut of_peer, join(NED));
    evil.add(&mut of_peer, message(NED, "edge"));
    let last = evil.add(&mut of_peer, message(NED, "last"));
    evil.host(&of_peer);
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    gives_no_history(&evil);
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    assert_eq!(a.current(&room, "m.room.member", NED).await.as_ref(), Some(joined.event_id()));
    let next = evil.add(&mut of_peer, message(NED, "next"));
    evil.send(&a, &[object(&next)]).await;
    until_outcome(&world, &a, &room, &next, Outcome::Accepted).await;
}

#[tokio::test(start_paused = true)]
async fn who_was_banned_meanwhile_is_not() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let ban = draft("@alice:a.test", "m.room.member", Some(EVE), json!({ "membership": "ban" }));
    let banned = a.send(&room, ban).await.unwrap();
    let (_, last) = after_an_outage(&evil, &mut of_peer, 2).await;
    gives_no_history(&evil);
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::SoftFailed).await;
    assert_eq!(a.extremities(&room).await, std::slice::from_ref(&banned));
    assert_eq!(a.current(&room, "m.room.member", EVE).await, Some(banned));
    assert_eq!(missed_of(&a, &room).await, 0, "the room did not go on there");
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_fetched_from_whoever_gives_it() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let good = world.peer("good.test").await;
    let of_good = good.join(&a, &room, V, "@gil:good.test").await;
    of_peer.line.extend(of_good.line.clone());
    let before = a.extremities(&room).await;
    let (lost, last) = after_an_outage(&evil, &mut of_peer, 250).await;
    gives_no_history(&evil);
    gives_no_history(&good);
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    assert_eq!(a.extremities(&room).await.len(), 2, "nothing shows that one follows from the other");
    assert!(a.place(&room, lost[0].event_id()).await.is_none());
    world.until("the first attempts", || async { evil.asked("backfill") > 2 && good.asked("backfill") > 2 }).await;
    assert_eq!(missed_of(&a, &room).await, 1);

    let a = a.restarted(&world).await;
    good.answers("backfill", {
        let (good, of_peer) = (Arc::clone(&good), of_peer.clone());
        move |request| good.backfill(&of_peer, request)
    });
    good.host(&of_peer);
    world.until("all to come", || are_placed(&a, &room, &lost)).await;
    for (earlier, later) in lost.iter().zip(&lost[1..]) {
        let later = a.place(&room, later.event_id()).await.unwrap();
        let earlier = a.place(&room, earlier.event_id()).await.unwrap();
        assert!(earlier.topological < later.topological);
        assert_eq!((earlier.outcome, earlier.arrival), (Outcome::Accepted, None));
        assert!(earlier.state_before.is_some());
    }
    world.until("the gap to be forgotten", || async { missed_of(&a, &room).await == 0 }).await;
    assert_eq!(a.extremities(&room).await, [last.event_id().clone()], "{before:?} lies behind it");
    let mine = a.say(&room, "@alice:a.test", "on").await;
    assert!(a.visible(&room, &mine).await.unwrap().prev_events().contains(last.event_id()));
}

#[tokio::test(start_paused = true)]
async fn a_state_that_was_changed_meanwhile_is_the_one_that_stays() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let levels = json!({ "users": { "@alice:a.test": 100, EVE: 50 } });
    a.send(&room, state("@alice:a.test", "m.room.power_levels", levels)).await.unwrap();
    let old = a.send(&room, state("@alice:a.test", "m.room.topic", json!({ "topic": "old" }))).await.unwrap();
    let current = a.current_state(&room).await;
    of_peer.line.clear();
    of_peer.base = of_state(&a, &room, &current).await;
    of_peer.line.push(a.visible(&room, &old).await.unwrap());
    let topic = evil.add(&mut of_peer, state(EVE, "m.room.topic", json!({ "topic": "new" })));
    let (lost, last) = after_an_outage(&evil, &mut of_peer, 3).await;
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    world.until("all to come", || are_placed(&a, &room, &lost)).await;
    assert_eq!(a.extremities(&room).await, [last.event_id().clone()]);
    assert_eq!(a.current(&room, "m.room.topic", "").await.as_ref(), Some(topic.event_id()));
}

async fn of_state(server: &Server, room: &RoomId, ids: &[EventId]) -> Vec<Pdu> {
    let mut pdus = Vec::new();
    for id in ids {
        pdus.push(server.visible(room, id).await.unwrap());
    }
    pdus
}

#[tokio::test(start_paused = true)]
async fn what_nobody_gives_is_given_up_after_a_while() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let (lost, last) = after_an_outage(&evil, &mut of_peer, 3).await;
    gives_no_history(&evil);
    evil.keeps_back(&lost[0]);
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    let since = world.handles.clock.monotonic();
    assert_eq!(missed_of(&a, &room).await, 1);
    let took = || world.handles.clock.monotonic() - since;
    while took() < pdu::limits::MISSED_HORIZON {
        assert_eq!(missed_of(&a, &room).await, 1);
        world.handles.clock.sleep(Duration::from_secs(3600)).await;
    }
    world.until("it to be given up", || async { missed_of(&a, &room).await == 0 }).await;
    let asked = evil.asked("backfill");
    assert!((20..400).contains(&asked), "asked {asked} times: again and again, but not often");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_nobody_here_is_in_is_not_filled() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let (_, last) = after_an_outage(&evil, &mut of_peer, 3).await;
    gives_no_history(&evil);
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    let leave = draft("@alice:a.test", "m.room.member", Some("@alice:a.test"), json!({ "membership": "leave" }));
    a.send(&room, leave).await.unwrap();
    let asked = evil.asked("backfill");
    world.until("it to be forgotten", || async { missed_of(&a, &room).await == 0 }).await;
    assert!(evil.asked("backfill") <= asked + 1);
}

#[tokio::test(start_paused = true)]
async fn history_from_before_we_came_is_left_until_it_is_read() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room(EVE, V);
    (0..5).for_each(|n| drop(evil.add(&mut room, message(EVE, &n.to_string()))));
    evil.host(&room);
    a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
    world.handles.clock.sleep(Duration::from_secs(3600)).await;
    assert_eq!(evil.asked("backfill"), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_back_is_asked_about_few_rooms_at_a_time() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut rooms = Vec::new();
    for _ in 0..40 {
        let room = a.create_room("@alice:a.test", V).await;
        rooms.push((room.clone(), evil.join(&a, &room, V, EVE).await));
    }
    let mut newest = Vec::new();
    for (_, of_peer) in &mut rooms {
        (0..3).for_each(|n| drop(evil.add(of_peer, message(EVE, &n.to_string()))));
        newest.push(evil.add(of_peer, message(EVE, "newest")));
        evil.host(of_peer);
    }
    // Who is heard from for the first time is also asked what it is.
    evil.send(&a, &[]).await;
    world.until("it to be asked", || async { evil.asked("/version") > 0 }).await;
    evil.is_slow("get_missing_events", Duration::from_secs(1));
    evil.send(&a, &newest.iter().map(object).collect::<Vec<_>>()).await;
    for ((room, of_peer), newest) in rooms.iter().zip(&newest) {
        until_outcome(&world, &a, room, newest, Outcome::Accepted).await;
        assert!(are_placed(&a, room, &of_peer.line).await);
    }
    assert!((2..=pdu::limits::FETCHES_PER_ORIGIN_MAX).contains(&evil.at_once()), "{}", evil.at_once());
}

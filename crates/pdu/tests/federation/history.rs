//! History from before a server came.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use events::{EventId, Pdu, RoomVersion, Value};
use persistence::transactions::graph::Outcome;
use persistence::transactions::staging;
use serde_json::json;

use crate::partial::{tells_state, unused_states};
use crate::peer::{Peer, PeerRoom, ids, object, objects};
use crate::receiving::until_outcome;
use crate::world::{Server, World, draft, message, state};

const V: RoomVersion = RoomVersion::V11;
/// Everything.
const TOP: i64 = i64::MAX;

/// A room with a history, made by a peer and joined by a real server, and the events of that history after the first four.
pub(crate) async fn joined_late(world: &World) -> (Server, Arc<Peer>, PeerRoom, Vec<Pdu>) {
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room("@eve:evil.test", V);
    let eve = "@eve:evil.test";
    let visibility =
        |visibility: &str| state(eve, "m.room.history_visibility", json!({ "history_visibility": visibility }));
    let history = vec![
        evil.add(&mut room, visibility("joined")),
        evil.add(&mut room, message(eve, "private")),
        evil.add(&mut room, visibility("shared")),
        evil.add(&mut room, message(eve, "public")),
    ];
    evil.host(&room);
    a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
    (a, evil, room, history)
}

/// Backfills until nothing more comes.
async fn backfill_all(server: &Server, room: &PeerRoom) -> usize {
    let mut all = 0;
    loop {
        match server.graph.backfill(&room.id, TOP).await.unwrap() {
            0 => return all,
            found => all += found,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn history_comes_with_the_states_that_it_happened_in() {
    let world = World::new();
    let (a, _, room, history) = joined_late(&world).await;
    assert_eq!(backfill_all(&a, &room).await, room.line.len());
    for (at, pdu) in room.line.iter().enumerate() {
        let place = a.place(&room.id, pdu.event_id()).await.unwrap();
        assert_eq!(place.outcome, Outcome::Accepted);
        assert_eq!(place.arrival, None);
        let before = a.state_before(&room.id, pdu.event_id()).await;
        assert_eq!(before.map_or(0, |before| before.len()), at.min(4) + usize::from(at > 4), "{at}");
    }
    let before_private = a.state_before(&room.id, history[1].event_id()).await.unwrap();
    assert!(before_private.contains(history[0].event_id()) && !before_private.contains(history[2].event_id()));
}

#[tokio::test(start_paused = true)]
async fn who_may_read_history_follows_from_the_state_that_it_happened_in() {
    let world = World::new();
    let (a, evil, room, history) = joined_late(&world).await;
    backfill_all(&a, &room).await;
    let good = world.peer("good.test").await;
    good.join(&a, &room.id, V, "@gil:good.test").await;
    let body = |asker: &Arc<Peer>, event: &Pdu| {
        let (path, asker, a) = (format!("v1/event/{}", event.event_id()), Arc::clone(asker), &a);
        async move { asker.get(a, &path).await.unwrap()["pdus"][0]["content"]["body"].clone() }
    };
    let [_, private, _, public] = history.as_slice() else { panic!("there are four") };
    // Eve's server was there when only those in the room might read; Gil's came when all of the history was open again.
    assert_eq!(body(&evil, private).await, "private");
    assert_eq!(body(&good, private).await, Value::Null);
    assert_eq!(body(&good, public).await, "public");
}

#[tokio::test(start_paused = true)]
async fn history_is_in_the_order_of_its_parents() {
    let world = World::new();
    let (a, _, room, _) = joined_late(&world).await;
    backfill_all(&a, &room).await;
    let mut last = i64::MIN;
    for pdu in &room.line {
        let place = a.place(&room.id, pdu.event_id()).await.unwrap();
        assert!(place.topological > last);
        last = place.topological;
    }
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    assert!(a.place(&room.id, &join).await.unwrap().topological > last);
}

#[tokio::test(start_paused = true)]
async fn long_history_comes_in_pieces_each_with_its_states() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room("@eve:evil.test", V);
    for n in 0..250 {
        evil.add(&mut room, message("@eve:evil.test", &n.to_string()));
    }
    evil.host(&room);
    a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
    assert_eq!(backfill_all(&a, &room).await, room.line.len());
    assert_eq!(evil.asked("/v1/backfill/"), 3);
    assert_eq!(
        evil.asked("/v1/state_ids/"),
        2,
        "the state before each piece, but for the one that begins with the room"
    );
    for pdu in &room.line[1..] {
        assert!(a.place(&room.id, pdu.event_id()).await.unwrap().state_before.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn history_can_be_read_on_after_a_restart() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let eve = "@eve:evil.test";
    let mut room = evil.make_room(eve, V);
    for n in 0..250 {
        // Each cites the one before it, in one piece of history.
        let member = json!({ "membership": "join", "displayname": n.to_string() });
        evil.add(&mut room, draft(eve, "m.room.member", Some(eve), member));
    }
    evil.host(&room);
    a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
    assert_eq!(a.graph.backfill(&room.id, TOP).await.unwrap(), 100);
    let a = a.restarted(&world).await;
    assert_eq!(backfill_all(&a, &room).await, room.line.len() - 100);
    for pdu in &room.line[1..] {
        let place = a.place(&room.id, pdu.event_id()).await.unwrap();
        assert_eq!(place.outcome, Outcome::Accepted);
        assert!(place.state_before.is_some());
    }
    let a = a.restarted(&world).await;
    a.say(&room.id, "@alice:a.test", "hello").await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_its_state_did_not_allow_is_rejected_in_the_past_too() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let eve = "@eve:evil.test";
    let mut room = evil.make_room(eve, V);
    // Mallory left, and sends by citing a membership of before.
    let member = |membership: &str| {
        draft("@mallory:evil.test", "m.room.member", Some("@mallory:evil.test"), json!({ "membership": membership }))
    };
    evil.add(&mut room, member("join"));
    let citations = room.auth_events(&message("@mallory:evil.test", "late"));
    evil.add(&mut room, member("leave"));
    let last = room.line.last().unwrap();
    let late =
        evil.sign(&room.id, V, &message("@mallory:evil.test", "late"), vec![last.event_id().clone()], citations, 99);
    room.line.push(late.clone());
    let after = evil.add(&mut room, message(eve, "after"));
    evil.host(&room);
    a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
    backfill_all(&a, &room).await;
    assert_eq!(a.outcome(&room.id, late.event_id()).await, Some(Outcome::Rejected));
    assert_eq!(a.outcome(&room.id, after.event_id()).await, Some(Outcome::Accepted));
}

#[tokio::test(start_paused = true)]
async fn a_lie_about_the_past_takes_no_permission_away() {
    let world = World::new();
    let (a, evil, room, _) = joined_late(&world).await;
    let levels = room.state()[&("m.room.power_levels".to_owned(), String::new())].clone();
    let create = room.line[0].event_id().clone();
    // By a state of the create event alone nobody may do anything.
    let at = room.line.iter().position(|pdu| pdu.event_id() == levels.event_id()).unwrap();
    let from = room.line[at..].to_vec();
    evil.answers("/v1/backfill/", move |_| (200, json!({ "pdus": objects(from.iter()) })));
    evil.answers("/v1/state_ids/", move |_| (200, json!({ "pdu_ids": [create], "auth_chain_ids": [] })));
    a.graph.backfill(&room.id, TOP).await.unwrap();
    assert_eq!(
        a.outcome(&room.id, levels.event_id()).await,
        Some(Outcome::Rejected),
        "the lie is believed about the past"
    );
    // What stands on it today still does: another server's user may join, and alice speak.
    let b = world.server("b.test").await;
    b.join(&room.id, "@bob:b.test", &[&a.name]).await.unwrap();
    a.say(&room.id, "@alice:a.test", "still here").await;
    assert_eq!(a.current(&room.id, "m.room.power_levels", "").await.as_ref(), Some(levels.event_id()));
}

#[tokio::test(start_paused = true)]
async fn without_states_readers_see_what_the_nearest_later_state_allows() {
    let world = World::new();
    let (a, evil, room, history) = joined_late(&world).await;
    let from = room.line[4..].to_vec();
    evil.answers("/v1/backfill/", move |_| (200, json!({ "pdus": objects(from.iter()) })));
    evil.answers("/v1/state_ids/", |_| (404, json!({ "errcode": "M_NOT_FOUND", "error": "no" })));
    assert_eq!(a.graph.backfill(&room.id, TOP).await.unwrap(), 4);
    for pdu in &history {
        let place = a.place(&room.id, pdu.event_id()).await.unwrap();
        assert_eq!((place.outcome, place.state_before), (Outcome::Accepted, None));
    }
    let body = |event: &EventId| {
        let path = format!("v1/event/{event}");
        let (a, evil) = (&a, &evil);
        async move { evil.get(a, &path).await.unwrap()["pdus"][0]["content"]["body"].clone() }
    };
    // Shared by the state of the join, the nearest that is known.
    assert_eq!(body(history[1].event_id()).await, "private");
    // Once the states can be had, they count.
    let state_ids = |pdu: &Pdu| format!("v1/state_ids/{}?event_id={}", room.id, pdu.event_id());
    assert!(evil.get(&a, &state_ids(&history[1])).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn history_that_belongs_to_no_gap_is_dropped() {
    let world = World::new();
    let (a, evil, room, history) = joined_late(&world).await;
    let stray = evil.next(&room, message("@eve:evil.test", "nobody builds on this"));
    let mut answer = room.line.clone();
    answer.push(stray.clone());
    let mut tampered: Vec<Value> = objects(answer.iter());
    let forged = evil.next(&room, message("@alice:a.test", "forged"));
    tampered.extend(objects([&forged].into_iter()));
    evil.answers("/v1/backfill/", move |_| (200, json!({ "pdus": tampered })));
    backfill_all(&a, &room).await;
    assert_eq!(ids(&history).len(), 4);
    assert!(a.place(&room.id, history[0].event_id()).await.is_some());
    for pdu in [&stray, &forged] {
        assert_eq!(a.place(&room.id, pdu.event_id()).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn two_readers_at_once_both_find_that_history_came() {
    let world = World::new();
    let (a, _, room, _) = joined_late(&world).await;
    let (one, other) = tokio::join!(a.graph.backfill(&room.id, TOP), a.graph.backfill(&room.id, TOP));
    assert!(one.unwrap() > 0 && other.unwrap() > 0);
    assert_eq!(unused_states(&a, &room.id).await, 0, "what was placed already is placed with states that are there");
}

#[tokio::test(start_paused = true)]
async fn history_in_an_answer_about_missing_events_is_no_news() {
    let world = World::new();
    let (a, evil, mut room, _) = joined_late(&world).await;
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    room.line.push(a.visible(&room.id, &join).await.unwrap());
    // From now on old events would not be allowed any more, those that are of the state apart.
    let closed = evil.add(&mut room, state("@eve:evil.test", "m.room.join_rules", json!({ "join_rule": "invite" })));
    let last = evil.add(&mut room, message("@eve:evil.test", "last"));
    // Other servers walk back until they find what was named to them, or to the beginning.
    let all = objects(room.line[..room.line.len() - 1].iter());
    evil.answers("get_missing_events", move |_| (200, json!({ "events": all })));
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room.id, &last, Outcome::Accepted).await;
    assert_eq!(a.outcome(&room.id, closed.event_id()).await, Some(Outcome::Accepted));
    assert_eq!(a.extremities(&room.id).await, [last.event_id().clone()]);
    assert_eq!(a.place(&room.id, room.line[0].event_id()).await, None, "nobody has asked for history");
    assert_eq!(a.current(&room.id, "m.room.member", "@alice:a.test").await, Some(join));
}

/// Beside our join, and missing when what builds on it comes: nothing tells that its ancestors were before us, but how deep they lie.
#[tokio::test(start_paused = true)]
async fn history_before_what_is_beside_our_join_is_no_news() {
    let world = World::new();
    let (a, evil, mut room, history) = joined_late(&world).await;
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    let eve = "@eve:evil.test";
    // It builds on what the parent of our join built on.
    let mut fork = room.clone();
    fork.line.pop();
    let beside = evil.add(&mut fork, message(eve, "beside"));
    room.line.push(beside.clone());
    room.line.push(a.visible(&room.id, &join).await.unwrap());
    let both = vec![beside.event_id().clone(), join.clone()];
    let words = message(eve, "on both");
    let on_both = evil.sign(&room.id, V, &words, both, room.auth_events(&words), 20);
    room.line.push(on_both.clone());
    evil.host(&room);
    let before: Vec<Value> = objects(fork.line.iter());
    evil.answers("get_missing_events", move |_| (200, json!({ "events": before })));
    evil.send(&a, &[object(&on_both)]).await;
    until_outcome(&world, &a, &room.id, &on_both, Outcome::Accepted).await;
    for pdu in &history[..3] {
        let arrival = a.place(&room.id, pdu.event_id()).await.and_then(|place| place.arrival);
        assert_eq!(arrival, None, "{} was before our join", pdu.event_id());
    }
    assert_eq!(a.extremities(&room.id).await, [on_both.event_id().clone()]);
    assert_eq!(a.current(&room.id, "m.room.member", "@alice:a.test").await, Some(join));
}

/// A server may take us for a member before we are one.
#[tokio::test(start_paused = true)]
async fn history_that_is_sent_to_us_stays_history() {
    let world = World::new();
    let (a, evil, room, history) = joined_late(&world).await;
    let parent = history.last().unwrap();
    evil.send(&a, &[object(parent)]).await;
    let is_decided = || async {
        let id = parent.event_id().clone();
        !a.read(&room.id, move |tx, room, _| Ok(staging::find(tx, room, V, &id)?.is_some())).await
    };
    world.until("it to be decided about", is_decided).await;
    assert_eq!(evil.asked("get_missing_events") + evil.asked("state_ids"), 0);
    backfill_all(&a, &room).await;
    let place = a.place(&room.id, parent.event_id()).await.unwrap();
    assert_eq!((place.arrival, place.outcome), (None, Outcome::Accepted));
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    assert!(place.topological < a.place(&room.id, &join).await.unwrap().topological);
    assert_eq!(a.extremities(&room.id).await, [join]);
}

/// A server that goes on with a backup sends again what it sent long ago.
#[tokio::test(start_paused = true)]
async fn what_is_older_than_the_parents_of_our_join_is_found_to_be_history() {
    for at in 0..3 {
        let world = World::new();
        let (a, evil, room, history) = joined_late(&world).await;
        let old = &history[at];
        evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
        evil.send(&a, &[object(old)]).await;
        until_outcome(&world, &a, &room.id, old, Outcome::Accepted).await;
        assert_eq!(a.place(&room.id, old.event_id()).await.unwrap().arrival, None, "{at}");
        let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
        assert_eq!(a.extremities(&room.id).await, [join]);
    }
}

/// A hostile server may send it when nobody else can be reached.
#[tokio::test(start_paused = true)]
async fn what_is_old_is_no_fork_because_nobody_gives_the_history_at_once() {
    let world = World::new();
    let (a, evil, room, history) = joined_late(&world).await;
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    let (asked, before) = (AtomicUsize::new(0), room.clone());
    let of_peer = Arc::clone(&evil);
    evil.answers("/backfill/", move |request| match asked.fetch_add(1, Ordering::Relaxed) {
        0..3 => (502, json!({ "errcode": "M_UNKNOWN", "error": "not now" })),
        _ => of_peer.backfill(&before, request),
    });
    evil.send(&a, &[object(&history[1])]).await;
    until_outcome(&world, &a, &room.id, &history[1], Outcome::Accepted).await;
    assert_eq!(a.place(&room.id, history[1].event_id()).await.unwrap().arrival, None);
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    assert_eq!(a.extremities(&room.id).await, [join]);
}

#[tokio::test(start_paused = true)]
async fn what_forked_the_room_before_our_join_is_news() {
    for history_comes in [false, true] {
        let world = World::new();
        let (a, evil, room, history) = joined_late(&world).await;
        if !history_comes {
            evil.answers("/backfill/", |_| (200, json!({ "pdus": [] })));
        }
        let mut fork = room.clone();
        fork.line.truncate(fork.line.len() - 3);
        evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
        tells_state(&evil, &PeerRoom { line: fork.line[..fork.line.len() - 1].to_vec(), ..fork.clone() });
        let beside = evil.add(&mut fork, message("@eve:evil.test", "beside"));
        evil.send(&a, &[object(&beside)]).await;
        until_outcome(&world, &a, &room.id, &beside, Outcome::Accepted).await;
        assert_eq!(a.place(&room.id, history[0].event_id()).await.unwrap().arrival, None, "{history_comes}");
        let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
        assert_eq!(a.extremities(&room.id).await, [join, beside.event_id().clone()]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_builds_on_history_is_judged_by_the_state_there_and_history_stays_history() {
    let world = World::new();
    let (a, evil, mut room, history) = joined_late(&world).await;
    // Beside our join: it builds on what was before it.
    let beside = evil.add(&mut room, message("@eve:evil.test", "beside"));
    evil.host(&room);
    evil.send(&a, &[object(&beside)]).await;
    until_outcome(&world, &a, &room.id, &beside, Outcome::Accepted).await;
    let parent = a.place(&room.id, history[3].event_id()).await.unwrap();
    assert_eq!((parent.arrival, parent.outcome), (None, Outcome::Accepted));
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    assert!(parent.topological < a.place(&room.id, &join).await.unwrap().topological);
    let mut extremities = a.extremities(&room.id).await;
    extremities.sort_unstable();
    let mut both = vec![join, beside.event_id().clone()];
    both.sort_unstable();
    assert_eq!(extremities, both);
    assert_eq!(evil.asked("get_missing_events"), 0, "all of history would be news");
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_is_no_extremity() {
    let world = World::new();
    let (a, evil, mut room, _) = joined_late(&world).await;
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    room.line.push(a.visible(&room.id, &join).await.unwrap());
    let late = evil.add(&mut room, message("@eve:evil.test", "late"));
    evil.keeps_back(&late);
    let edge = evil.add(&mut room, message("@eve:evil.test", "edge"));
    let last = evil.add(&mut room, message("@eve:evil.test", "last"));
    evil.host(&room);
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    evil.answers("v1/backfill", |_| (404, json!({ "errcode": "M_NOT_FOUND", "error": "not now" })));
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room.id, &last, Outcome::Accepted).await;
    assert_eq!(a.outcome(&room.id, edge.event_id()).await, Some(Outcome::Accepted));
    assert_eq!(a.outcome(&room.id, late.event_id()).await, None, "of what lies behind the gap only the state was told");
    let heads = a.extremities(&room.id).await;
    evil.send(&a, &[object(&late)]).await;
    until_outcome(&world, &a, &room.id, &late, Outcome::Accepted).await;
    assert!(!a.extremities(&room.id).await.contains(late.event_id()), "it was {heads:?}");
}

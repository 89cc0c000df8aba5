//! Parents that cannot be had with all that lies before them, and the states that peers give for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::{EventId, Pdu, RoomId, RoomVersion};
use pdu::explain::{Detail, explain};
use pdu::limits::PULL_PATIENCE;
use persistence::transactions::graph::Outcome;
use persistence::transactions::{pulls, staging};
use serde_json::json;

use crate::partial::member;
use crate::peer::{Peer, PeerRoom, object};
use crate::receiving::{shared, until_outcome};
use crate::world::{Server, World, draft, message, name, state};

const V: RoomVersion = RoomVersion::V11;

/// The newest event builds on one that only its state can explain.
pub(crate) async fn with_a_gap(evil: &Peer, of_peer: &mut PeerRoom, behind: pdu::Draft) -> (Pdu, Pdu) {
    // What lies before it is given to nobody.
    let kept = evil.add(of_peer, message("@eve:evil.test", "kept back"));
    evil.keeps_back(&kept);
    let edge = evil.add(of_peer, behind);
    let last = evil.add(of_peer, message("@eve:evil.test", "last"));
    evil.host(of_peer);
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    (edge, last)
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_cannot_be_reached_is_judged_by_the_state_that_a_peer_gives() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let (edge, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    assert_eq!(a.outcome(&room, edge.event_id()).await, Some(Outcome::Accepted));
    let before = a.state_before(&room, edge.event_id()).await.unwrap();
    assert_eq!(before.len(), of_peer.state().len());
    // What the two of them miss is asked for by its id: /state is for states of which much is lacking.
    assert_eq!(evil.asked("/v1/state/"), 0);
    assert!(
        a.place(&room, edge.event_id()).await.unwrap().topological
            < a.place(&room, last.event_id()).await.unwrap().topological
    );
}

/// Its older words would come after the newer ones.
#[tokio::test(start_paused = true)]
async fn no_state_is_taken_while_a_sender_is_asked_for_what_we_may_have_lost() {
    for is_asked in [true, false] {
        let world = World::new();
        let (a, evil, room, mut of_peer) = shared(&world).await;
        let now = world.handles.clock.now();
        evil.answers("/version", |_| (503, json!({ "errcode": "M_UNKNOWN", "error": "not now" })));
        let (_, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
        evil.send(&a, &[object(&last)]).await;
        world.until("it to be looked for", || async { evil.asked("get_missing_events") > 1 }).await;
        assert_eq!((evil.asked("state_ids"), a.outcome(&room, last.event_id()).await), (0, None));
        if !is_asked {
            // It has told what it has.
            let sender = evil.name.clone();
            a.database.write(move |tx| pulls::remove(tx, &sender)).await.unwrap();
        }
        until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
        let waited = world.handles.clock.now() - now >= i64::try_from(PULL_PATIENCE.as_millis()).unwrap();
        assert_eq!(waited, is_asked, "if it never tells, the room goes on all the same");
    }
}

/// As above: it has been told while we asked for what lies before the newer ones.
#[tokio::test(start_paused = true)]
async fn no_state_is_taken_before_older_words_that_have_come_meanwhile() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let older = evil.add(&mut of_peer, message("@eve:evil.test", "older"));
    let (_, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
    evil.is_slow("get_missing_events", Duration::from_secs(10));
    evil.send(&a, &[object(&last)]).await;
    world.until("it to be looked for", || async { evil.asked("get_missing_events") > 0 }).await;
    evil.send(&a, &[object(&older)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    let (older, last) =
        (a.place(&room, older.event_id()).await.unwrap(), a.place(&room, last.event_id()).await.unwrap());
    assert!(older.arrival.is_some_and(|arrival| last.arrival.is_some_and(|last| arrival < last)));
}

/// A parent was lost on its way, or the keys to check it were. A state for it would leave what lies before it to later, and older words
/// would come after newer ones of the same sender.
#[tokio::test(start_paused = true)]
async fn what_could_be_had_only_when_its_state_was_asked_for_is_news_with_all_before_it() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let line: Vec<Pdu> =
        ["older", "edge", "last"].map(|text| evil.add(&mut of_peer, message("@eve:evil.test", text))).to_vec();
    evil.host(&of_peer);
    let can_be_had = Arc::new(AtomicBool::new(false));
    let (peer, now) = (Arc::clone(&evil), Arc::clone(&can_be_had));
    evil.answers("get_missing_events", move |request| {
        if now.load(Ordering::Relaxed) { peer.honest(request) } else { (200, json!({ "events": [] })) }
    });
    let peer = Arc::clone(&evil);
    evil.answers(&line[1].event_id().as_str()[1..], move |request| {
        let is_lost = !can_be_had.swap(true, Ordering::Relaxed);
        if is_lost { (503, json!({ "errcode": "M_UNKNOWN", "error": "not now" })) } else { peer.honest(request) }
    });
    evil.send(&a, &[object(&line[2])]).await;
    until_outcome(&world, &a, &room, &line[2], Outcome::Accepted).await;
    let mut arrivals = Vec::new();
    for pdu in &line {
        arrivals.push(a.place(&room, pdu.event_id()).await.and_then(|place| place.arrival));
    }
    assert!(arrivals.iter().all(Option::is_some) && arrivals.is_sorted(), "{arrivals:?}");
}

#[tokio::test(start_paused = true)]
async fn a_state_that_a_peer_gives_may_name_what_is_of_no_state_today() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = a.create_room("@alice:a.test", V).await;
    let topic = |text: &str| state("@alice:a.test", "m.room.topic", json!({ "topic": text }));
    let old = a.send(&room, topic("old")).await.unwrap();
    let mut of_peer = evil.join(&a, &room, V, "@eve:evil.test").await;
    a.send(&room, topic("new")).await.unwrap();
    let (edge, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
    let a = a.restarted(&world).await;
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    assert!(a.state_before(&room, edge.event_id()).await.unwrap().contains(&old));
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_its_state_does_not_allow_is_rejected() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    // Eve has no power to set the topic.
    let (edge, last) =
        with_a_gap(&evil, &mut of_peer, state("@eve:evil.test", "m.room.topic", json!({ "topic": "mine" }))).await;
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    assert_eq!(a.outcome(&room, edge.event_id()).await, Some(Outcome::Rejected));
    assert_eq!(a.current(&room, "m.room.topic", "").await, None);
    let a = a.restarted(&world).await;
    a.say(&room, "@alice:a.test", "the room can be loaded again").await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_event_does_not_come_back_in_a_state_that_a_peer_gives() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let levels = json!({ "users": { "@alice:a.test": 100, "@eve:evil.test": 100 } });
    let seized = evil.next(&of_peer, state("@eve:evil.test", "m.room.power_levels", levels));
    evil.send(&a, &[object(&seized)]).await;
    until_outcome(&world, &a, &room, &seized, Outcome::Rejected).await;
    // The peer builds on it, and says that it is part of the state.
    of_peer.line.push(seized.clone());
    let (edge, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
    evil.send(&a, &[object(&last)]).await;
    // It cites what was rejected.
    until_outcome(&world, &a, &room, &last, Outcome::Rejected).await;
    assert!(!a.state_before(&room, edge.event_id()).await.unwrap().contains(seized.event_id()));
    assert_ne!(a.current(&room, "m.room.power_levels", "").await.as_ref(), Some(seized.event_id()));
    assert_eq!(a.outcome(&room, seized.event_id()).await, Some(Outcome::Rejected));
    let a = a.restarted(&world).await;
    a.say(&room, "@alice:a.test", "the room can be loaded again").await;
    assert_eq!(a.outcome(&room, seized.event_id()).await, Some(Outcome::Rejected));
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_state_is_no_state() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let (_, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
    let ids: Vec<EventId> = of_peer.state().values().map(|pdu| pdu.event_id().clone()).collect();
    let missing = EventId::parse(format!("${}", "x".repeat(43))).unwrap();
    evil.answers("state_ids", move |_| {
        let mut ids: Vec<&EventId> = ids.iter().collect();
        ids.push(&missing);
        (200, json!({ "pdu_ids": ids, "auth_chain_ids": [] }))
    });
    evil.send(&a, &[object(&last)]).await;
    let began = world.handles.clock.now();
    let staged = || a.read(&room, |tx, room, _| staging::next_due(tx, room, &name("evil.test")));
    world.until("it to be tried", || async { staged().await.is_some_and(|due| due > began + 5_000) }).await;
    assert_eq!(a.outcome(&room, last.event_id()).await, None);
    world.until("it to be given up", || async { staged().await.is_none() }).await;
    assert!(evil.asked("state_ids") > 1);
    assert_eq!(a.outcome(&room, last.event_id()).await, None);
}

/// Whoever is asked says that we may not know: that would go on until the horizon.
#[tokio::test(start_paused = true)]
async fn what_waits_in_a_room_that_was_left_is_forgotten() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let (_, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
    evil.answers("state_ids", |_| (403, json!({ "errcode": "M_FORBIDDEN", "error": "you have left" })));
    evil.send(&a, &[object(&last)]).await;
    let began = world.handles.clock.now();
    let staged = || a.read(&room, |tx, room, _| staging::next_due(tx, room, &name("evil.test")));
    world.until("it to be tried", || async { staged().await.is_some_and(|due| due > began + 5_000) }).await;
    a.send(&room, crate::partial::member("@alice:a.test", "@alice:a.test", "leave")).await.unwrap();
    let asked = evil.asked("state_ids");
    world.until("it to be forgotten", || async { staged().await.is_none() }).await;
    assert!(world.handles.clock.now() - began < 3_600_000 && evil.asked("state_ids") == asked);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_events_that_is_no_state_places_nothing() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let (edge, last) =
        with_a_gap(&evil, &mut of_peer, state("@eve:evil.test", "m.room.topic", json!({ "topic": "mine" }))).await;
    let state = of_peer.state();
    let create = state[&("m.room.create".to_owned(), String::new())].event_id().clone();
    // One place, two events; a state without a create event; and one with what followed from it.
    let all = of_peer.state().values().map(|pdu| pdu.event_id().clone()).collect();
    let member = |pdu: &&Pdu| pdu.membership().is_some();
    let eve = of_peer.line[0].event_id().clone();
    let members: Vec<EventId> = state.values().filter(member).map(|pdu| pdu.event_id().clone()).collect();
    let other = evil.next(
        &of_peer,
        draft(
            "@eve:evil.test",
            "m.room.member",
            Some("@eve:evil.test"),
            json!({ "membership": "join", "displayname": "x" }),
        ),
    );
    of_peer.base.push(other.clone());
    evil.host(&of_peer);
    for ids in [members, vec![create, eve, other.event_id().clone()], all] {
        let asked = evil.asked("state_ids");
        evil.answers("state_ids", move |_| (200, json!({ "pdu_ids": ids, "auth_chain_ids": [] })));
        evil.send(&a, &[object(&last)]).await;
        world.until("the peer to be asked", || async { evil.asked("state_ids") > asked }).await;
        world.until("the next attempt", || async { evil.asked("state_ids") > asked + 1 }).await;
        assert_eq!(a.place(&room, edge.event_id()).await, None);
        assert_eq!(a.place(&room, last.event_id()).await, None);
    }
}

/// Mallory of the peer was banned; the peer shows an event of theirs behind a gap, with the state from before the ban. A third
/// server knows that event, and the ban.
async fn with_a_lie(world: &World) -> (Server, RoomId, Pdu) {
    let (a, evil, room, mut of_peer) = shared(world).await;
    let mallory = "@mallory:evil.test";
    let join = draft(mallory, "m.room.member", Some(mallory), json!({ "membership": "join" }));
    let joined = evil.add(&mut of_peer, join);
    evil.send(&a, &[object(&joined)]).await;
    until_outcome(world, &a, &room, &joined, Outcome::Accepted).await;
    let ban = draft("@alice:a.test", "m.room.member", Some(mallory), json!({ "membership": "ban" }));
    a.send(&room, ban).await.unwrap();
    let honest = world.peer("honest.test").await;
    let mut of_honest = honest.join(&a, &room, V, "@carol:honest.test").await;

    let (edge, last) = with_a_gap(&evil, &mut of_peer, message(mallory, "still here")).await;
    of_honest.line.push(edge.clone());
    honest.host(&of_honest);
    evil.send(&a, &[object(&last)]).await;
    until_outcome(world, &a, &room, &last, Outcome::Accepted).await;
    (a, room, edge)
}

#[tokio::test(start_paused = true)]
async fn what_one_server_leaves_out_of_a_state_another_tells() {
    let world = World::new();
    let (a, room, edge) = with_a_lie(&world).await;
    assert_eq!(a.outcome(&room, edge.event_id()).await, Some(Outcome::Rejected));
    let told = explain(&a.database, &world.handles, edge.event_id(), Detail::Brief).await.unwrap().remove(0);
    let tellers = told.verdict.unwrap().state_told_by.unwrap();
    assert_eq!((tellers.servers, tellers.differed), (vec![name("evil.test"), name("honest.test")], true));
}

#[tokio::test(start_paused = true)]
async fn a_state_that_two_servers_tell_alike_is_no_lie_of_one() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let other = world.peer("other.test").await;
    let mut of_other = other.join(&a, &room, V, "@carol:other.test").await;
    of_peer.base.push(of_other.line[0].clone());
    let (edge, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
    of_other.line.push(edge.clone());
    other.host(&of_other);
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    assert_eq!(a.outcome(&room, edge.event_id()).await, Some(Outcome::Accepted));
    let told = explain(&a.database, &world.handles, edge.event_id(), Detail::Brief).await.unwrap().remove(0);
    let tellers = told.verdict.unwrap().state_told_by.unwrap();
    assert_eq!((tellers.servers, tellers.differed), (vec![name("evil.test"), name("other.test")], false));
}

/// A third server joined, and its keys cannot be had. Who lacks them, too, tells a state without it.
#[tokio::test(start_paused = true)]
async fn a_state_without_what_another_names_is_not_taken_while_that_may_come() {
    for comes in [true, false] {
        let world = World::new();
        let (a, evil, room, mut of_peer) = shared(&world).await;
        let other = world.peer("other.test").await;
        let mut of_other = other.join(&a, &room, V, "@carol:other.test").await;
        of_peer.base.push(of_other.line[0].clone());
        let (ghost, gone) = ("@ghost:gone.test", world.peer("gone.test").await);
        of_peer.line.push(gone.next(&of_peer, member(ghost, ghost, "join")));
        let down = world.take_down("gone.test");
        let (edge, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
        of_other.line.push(edge.clone());
        other.host(&of_other);
        evil.send(&a, &[object(&last)]).await;
        world.until("both to be asked", || async { other.asked("/v1/state_ids/") > 1 }).await;
        assert_eq!(a.outcome(&room, edge.event_id()).await, None);
        if comes {
            world.bring_back("gone.test", down);
        } else {
            world.handles.clock.sleep(PULL_PATIENCE).await;
        }
        until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
        let before = a.state_before(&room, edge.event_id()).await.unwrap();
        let joined = of_peer.state()[&("m.room.member".to_owned(), ghost.to_owned())].event_id().clone();
        assert_eq!(before.contains(&joined), comes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_is_not_taken_at_once_from_who_lacks_keys() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let (_, last) = with_a_gap(&evil, &mut of_peer, message("@eve:evil.test", "edge")).await;
    let of_evil = Arc::clone(&evil);
    evil.answers("/v1/state_ids/", move |request| {
        let (status, mut answer) = of_evil.honest(request);
        answer["org.althing.lacks_keys"] = json!(true);
        (status, answer)
    });
    evil.send(&a, &[object(&last)]).await;
    world.until("it to be asked again", || async { evil.asked("/v1/state_ids/") > 1 }).await;
    assert_eq!(a.outcome(&room, last.event_id()).await, None);
    world.handles.clock.sleep(PULL_PATIENCE).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
}

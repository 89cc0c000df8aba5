//! Joins whose answers are lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use events::{EventId, Object, Pdu, RoomVersion, Value};
use pdu::limits::{JOIN_TIME_MAX, UNANSWERED_JOIN_HORIZON};
use persistence::transactions::graph::Outcome;
use persistence::transactions::unanswered_joins;
use serde_json::json;

use crate::joins::is_in;
use crate::partial::{member, tells_state};
use crate::peer::{Peer, PeerRoom, checked, object, objects};
use crate::receiving::until_outcome;
use crate::world::{Server, World, message, state, user_id};

const V: RoomVersion = RoomVersion::V11;
const ALICE: &str = "@alice:a.test";

/// A room of a peer that lets us in and does not say so, `times` times.
async fn lets_in_silently(world: &World, times: usize) -> (Server, Arc<Peer>, PeerRoom) {
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = evil.make_room("@eve:evil.test", V);
    is_silent(&evil, &room, times);
    (a, evil, room)
}

/// The peer lets us into a room and does not say so, `times` times.
fn is_silent(evil: &Arc<Peer>, room: &PeerRoom, times: usize) {
    evil.host(room);
    let (peer, of_peer, asked) = (Arc::clone(evil), Mutex::new(room.clone()), AtomicUsize::new(0));
    evil.answers("/v2/send_join/", move |request| {
        if asked.fetch_add(1, Ordering::Relaxed) >= times {
            return peer.honest(request);
        }
        let event: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        let mut room = of_peer.lock().unwrap();
        room.line.push(checked(&event, V));
        peer.host(&room);
        (503, json!({ "errcode": "M_UNKNOWN", "error": "you will never know" }))
    });
}

async fn is_forgotten(a: &Server) -> bool {
    a.database.read(unanswered_joins::next_due).await.unwrap().is_none()
}

#[tokio::test(start_paused = true)]
async fn who_was_let_in_without_knowing_comes_in_after_all() {
    for (times, restarts) in [(1, false), (1, true), (3, false)] {
        let world = World::new();
        let (mut a, evil, room) = lets_in_silently(&world, times).await;
        a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
        assert!(!is_in(&a, &room.id).await && !is_forgotten(&a).await);
        if restarts {
            a = a.restarted(&world).await;
        }
        world.until("the join", || is_in(&a, &room.id)).await;
        world.until("nothing to be left to find out", || is_forgotten(&a)).await;
        // What was under way before a restart goes on beside it here.
        assert!(evil.asked("/v2/send_join/") == times + 1 || restarts);
        a.say(&room.id, ALICE, "here I am").await;
    }
}

/// The server ended while it waited for the answer.
#[tokio::test(start_paused = true)]
async fn after_a_restart_nobody_waits_for_answers() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 1).await;
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    let later = world.handles.clock.now() + i64::try_from(UNANSWERED_JOIN_HORIZON.as_millis()).unwrap();
    let pending = a.database.read(move |tx| unanswered_joins::due(tx, later)).await.unwrap().unwrap();
    a.database.write(move |tx| unanswered_joins::postpone(tx, &pending.event_id, later)).await.unwrap();
    let before = world.handles.clock.now();
    let a = a.restarted(&world).await;
    world.until("the join", || is_in(&a, &room.id)).await;
    assert!(world.handles.clock.now() - before < i64::try_from(JOIN_TIME_MAX.as_millis()).unwrap());
}

/// The client that asked for the join is gone, and with it whoever waited for the answer.
#[tokio::test(start_paused = true)]
async fn a_join_that_nobody_waits_for_any_more_is_looked_after() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 1).await;
    let (alice, via) = (user_id(ALICE), [evil.name.clone()]);
    let until_sent = world.until("it to be sent", || async { evil.asked("/v2/send_join/") > 0 });
    evil.answers_late("/v2/send_join/", JOIN_TIME_MAX);
    tokio::select! {
        biased;
        _ = a.graph.join_remote(&room.id, &alice, Object::new(), &via) => panic!("nobody answered"),
        () = until_sent => {}
    }
    evil.answers_late("nothing", JOIN_TIME_MAX);
    world.until("the join", || is_in(&a, &room.id)).await;
}

/// The version does not know the rule, so that nobody may join, members neither. They may leave.
#[tokio::test(start_paused = true)]
async fn where_nobody_may_join_any_more_the_same_join_is_sent_again() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 1).await;
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    let closed = closes(&evil, &room);
    world.until("it to be found out", || is_forgotten(&a)).await;
    assert!(is_in(&a, &room.id).await);
    assert_eq!(a.extremities(&room.id).await, [closed.event_id().clone()], "what happened since is known");
}

/// As above, of who was in the room before: what they know of it is older than the join.
#[tokio::test(start_paused = true)]
async fn where_nobody_may_join_any_more_who_was_in_the_room_before_sends_the_same_join_again() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room("@eve:evil.test", V);
    evil.host(&room);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap().event_id;
    let left = a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    for event in [joined, left] {
        room.line.push(a.visible(&room.id, &event).await.unwrap());
    }
    is_silent(&evil, &room, 1);
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    let closed = closes(&evil, &room);
    world.until("it to be found out", || is_forgotten(&a)).await;
    assert!(is_in(&a, &room.id).await);
    assert_eq!(a.extremities(&room.id).await, [closed.event_id().clone()], "what happened since is known");
}

/// Nobody may join the room of the peer any more. Returns the event that says so; `before` is the room before our join.
fn closes(evil: &Arc<Peer>, before: &PeerRoom) -> Pdu {
    let mut room = evil.hosted(&before.id);
    let closed = evil.add(&mut room, state("@eve:evil.test", "m.room.join_rules", json!({ "join_rule": "nobody" })));
    tells_state(evil, before);
    answers_as_before(evil, before);
    evil.host(&room);
    evil.answers("/v1/make_join/", |_| (403, json!({ "errcode": "M_FORBIDDEN", "error": "nobody may" })));
    closed
}

/// The peer answers a join with the state before it, whatever has happened since.
fn answers_as_before(evil: &Arc<Peer>, before: &PeerRoom) {
    let state = objects(before.state().values());
    let chain = objects(before.auth_chain(before.state().into_values().collect()).iter());
    evil.answers("/v2/send_join/", move |request| {
        let event: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        (200, json!({ "event": event, "state": state, "auth_chain": chain }))
    });
}

/// Who let us in has left, or is gone.
#[tokio::test(start_paused = true)]
async fn others_are_asked_about_a_join_too() {
    for is_gone in [false, true] {
        let world = World::new();
        let (a, evil, room) = lets_in_silently(&world, 1).await;
        let good = world.peer("good.test").await;
        good.answers("/v2/send_join/", |_| (503, json!({ "errcode": "M_UNKNOWN", "error": "not now" })));
        a.join(&room.id, ALICE, &[&evil.name, &good.name]).await.unwrap_err();
        let error = if is_gone { 404 } else { 503 };
        evil.answers("/v1/make_leave/", move |_| (error, json!({ "errcode": "M_NOT_FOUND", "error": "what room?" })));
        let peer = Arc::clone(&evil);
        good.answers("/v1/make_leave/", move |request| peer.honest(request));
        let peer = Arc::clone(&evil);
        good.answers("_join/", move |request| peer.honest(request));
        world.until("the join", || is_in(&a, &room.id)).await;
    }
}

/// Another user of ours came and went while the answer to a join is lost. Returns his leave.
async fn another_has_been_there_since(a: &Server, evil: &Arc<Peer>, room: &PeerRoom) -> EventId {
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    let mut of_peer = evil.hosted(&room.id);
    let (bob, via) = ("@bob:a.test", [&evil.name]);
    // He is told the room as it was without her.
    evil.host(room);
    let joined = a.join(&room.id, bob, &via).await.unwrap();
    let left = a.send(&room.id, member(bob, bob, "leave")).await.unwrap();
    assert!(!is_in(a, &room.id).await);
    for event in [joined.event_id, left.clone()] {
        of_peer.line.push(a.visible(&room.id, &event).await.unwrap());
    }
    evil.host(&of_peer);
    left
}

/// What happened then is not undone.
#[tokio::test(start_paused = true)]
async fn who_has_been_in_the_room_since_joins_anew() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 1).await;
    let left = another_has_been_there_since(&a, &evil, &room).await;
    world.until("the join", || is_in(&a, &room.id)).await;
    assert_eq!(a.current(&room.id, "m.room.member", "@bob:a.test").await, Some(left));
    assert_eq!(evil.asked("/v2/send_join/"), 3);
    world.until("nothing to be left to find out", || is_forgotten(&a)).await;
}

/// Her join came to us while somebody else of ours was in the room, and did not count here. He was removed since, and it is no event that
/// could be entered with.
#[tokio::test(start_paused = true)]
async fn whose_join_is_known_from_an_earlier_stay_joins_anew() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let (eve, bob) = ("@eve:evil.test", "@bob:a.test");
    let mut room = evil.make_room(eve, V);
    evil.host(&room);
    let joined = a.join(&room.id, bob, &[&evil.name]).await.unwrap();
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    let mut fork = room.clone();
    let ban = evil.add(&mut fork, member(eve, ALICE, "ban"));
    evil.add(&mut room, message(eve, "one"));
    evil.add(&mut room, message(eve, "two"));
    is_silent(&evil, &room, 1);
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    let room = evil.hosted(&room.id);
    let join = room.line.last().unwrap();
    evil.send(&a, &[object(&ban)]).await;
    until_outcome(&world, &a, &room.id, &ban, Outcome::Accepted).await;
    evil.send(&a, &[object(join)]).await;
    until_outcome(&world, &a, &room.id, join, Outcome::SoftFailed).await;
    let kick = evil.add(&mut fork, member(eve, bob, "leave"));
    evil.send(&a, &[object(&kick)]).await;
    until_outcome(&world, &a, &room.id, &kick, Outcome::Accepted).await;
    assert!(!is_in(&a, &room.id).await);
    world.until("the join", || is_in(&a, &room.id)).await;
    world.until("nothing to be left to find out", || is_forgotten(&a)).await;
}

/// The others count her in, and nobody may join just now, or not any more: she is let in when she may, or leaves.
#[tokio::test(start_paused = true)]
async fn who_was_let_in_and_may_not_join_anew_comes_in_later_or_leaves() {
    for opens in [true, false] {
        let world = World::new();
        let (a, evil, room) = lets_in_silently(&world, 1).await;
        another_has_been_there_since(&a, &evil, &room).await;
        let is_open = Arc::new(AtomicBool::new(false));
        let (peer, open) = (Arc::clone(&evil), Arc::clone(&is_open));
        evil.answers("/v1/make_join/", move |request| match open.load(Ordering::Relaxed) {
            true => peer.honest(request),
            false => (403, json!({ "errcode": "M_FORBIDDEN", "error": "nobody may" })),
        });
        evil.answers("/v2/send_leave/", |_| (200, json!({})));
        let before = evil.asked("/v1/make_join/");
        world.until("her to have asked", || async { evil.asked("/v1/make_join/") > before + 1 }).await;
        assert!(!is_in(&a, &room.id).await && !is_forgotten(&a).await);
        is_open.store(opens, Ordering::Relaxed);
        if opens {
            world.until("the join", || is_in(&a, &room.id)).await;
        } else {
            world.handles.clock.sleep(UNANSWERED_JOIN_HORIZON).await;
            world.until("the leave", || async { evil.asked("/v2/send_leave/") == 1 }).await;
            assert!(!is_in(&a, &room.id).await);
        }
        world.until("nothing to be left to find out", || is_forgotten(&a)).await;
        assert_eq!(evil.asked("/v2/send_leave/"), usize::from(!opens));
    }
}

/// What does not cite our join may be from somebody who has not heard of it.
#[tokio::test(start_paused = true)]
async fn who_has_not_heard_of_a_join_does_not_decide() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 1).await;
    let good = world.peer("good.test").await;
    good.answers("/v2/send_join/", |_| (503, json!({ "errcode": "M_UNKNOWN", "error": "not now" })));
    a.join(&room.id, ALICE, &[&evil.name, &good.name]).await.unwrap_err();
    // It has not our key now.
    evil.answers("/v1/make_leave/", |_| (401, json!({ "errcode": "M_UNAUTHORIZED", "error": "who are you?" })));
    good.host(&room);
    world.until("it to be looked for", || async { good.asked("/v1/make_leave/") > 3 }).await;
    assert!(!is_forgotten(&a).await);
    let peer = Arc::clone(&evil);
    evil.answers("/v1/make_leave/", move |request| peer.honest(request));
    world.until("the join", || is_in(&a, &room.id)).await;
}

/// It is one join, however often it is sent.
#[tokio::test(start_paused = true)]
async fn a_room_that_cannot_be_entered_is_not_asked_for_all_the_time() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, usize::MAX).await;
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    let pending = a.database.read(|tx| unanswered_joins::due(tx, i64::MAX)).await.unwrap().unwrap();
    world.handles.clock.sleep(Duration::from_hours(12)).await;
    assert!((5..=25).contains(&evil.asked("/v2/send_join/")), "{}", evil.asked("/v2/send_join/"));
    let id = pending.event_id.as_str().replace('$', "%24");
    assert_eq!(evil.asked("/v2/send_join/"), evil.asked(&format!("{id}?omit_members")));
}

#[tokio::test(start_paused = true)]
async fn what_happened_since_we_were_let_in_comes_at_once() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 1).await;
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    let mut of_peer = evil.hosted(&room.id);
    let topic = evil.add(&mut of_peer, state("@eve:evil.test", "m.room.topic", json!({ "topic": "since then" })));
    let said = evil.add(&mut of_peer, message("@eve:evil.test", "welcome"));
    tells_state(&evil, &room);
    answers_as_before(&evil, &room);
    evil.host(&of_peer);
    world.until("the join", || is_in(&a, &room.id)).await;
    world.until("nothing to be left to find out", || is_forgotten(&a)).await;
    assert_eq!(a.extremities(&room.id).await, [said.event_id().clone()]);
    assert_eq!(a.current(&room.id, "m.room.topic", "").await, Some(topic.event_id().clone()));
}

/// Removed since, or never let in: nobody brings them back.
#[tokio::test(start_paused = true)]
async fn who_is_not_taken_for_a_member_is_not_brought_in() {
    for was_kicked in [false, true] {
        let world = World::new();
        let (a, evil, room) = lets_in_silently(&world, 1).await;
        a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
        let mut of_peer = room.clone();
        if was_kicked {
            evil.add(&mut of_peer, member("@eve:evil.test", ALICE, "leave"));
        }
        evil.host(&of_peer);
        for _ in 0..9 {
            world.handles.clock.sleep(UNANSWERED_JOIN_HORIZON / 8).await;
        }
        world.until("it to be given up", || is_forgotten(&a)).await;
        assert!(!is_in(&a, &room.id).await);
        assert_eq!(evil.asked("/v2/send_join/"), 1);
        assert!(evil.asked("/v1/make_leave/") < 200);
    }
}

/// It was soft-failed where it was sent, and others, who let it in, are heard later.
#[tokio::test(start_paused = true)]
async fn a_join_that_counts_later_is_found_out_about() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 1).await;
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    let with_join = evil.hosted(&room.id);
    evil.host(&room);
    world.until("it to be asked for", || async { evil.asked("/v1/make_leave/") > 2 }).await;
    assert!(!is_in(&a, &room.id).await);
    let in_doubt = a.graph.joins_in_doubt().await.unwrap();
    assert_eq!((&in_doubt[0].room_id, in_doubt[0].user.as_str(), in_doubt.len()), (&room.id, ALICE, 1));
    assert_eq!(in_doubt[0].servers, std::slice::from_ref(&evil.name));
    assert!(in_doubt[0].retry_at > world.handles.clock.now() && in_doubt[0].attempts > 1);
    evil.host(&with_join);
    world.until("the join", || is_in(&a, &room.id)).await;
    world.until("nothing to be left to find out", || is_forgotten(&a)).await;
    assert_eq!(a.graph.joins_in_doubt().await.unwrap(), []);
}

/// Who let us in was restored from a backup and does not know the room. Others, whom it told before, tell us what happens.
#[tokio::test(start_paused = true)]
async fn who_tells_us_of_a_room_is_asked_about_our_join() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 1).await;
    let good = world.peer("good.test").await;
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    let with_join = evil.hosted(&room.id);
    evil.answers("_leave/", |_| (404, json!({ "errcode": "M_NOT_FOUND", "error": "what room?" })));
    world.until("it to be asked for", || async { evil.asked("/v1/make_leave/") > 2 }).await;
    assert!(!is_in(&a, &room.id).await && !is_forgotten(&a).await);
    good.host(&with_join);
    let peer = Arc::clone(&evil);
    good.answers("_join/", move |request| peer.honest(request));
    let said = evil.next(&with_join, message("@eve:evil.test", "where are you?"));
    good.send(&a, &[object(&said)]).await;
    world.until("the join", || is_in(&a, &room.id)).await;
    world.until("nothing to be left to find out", || is_forgotten(&a)).await;
}

/// What others said while we did not know that we are in is not lost, though who lets us in has not heard of it.
#[tokio::test(start_paused = true)]
async fn what_was_ignored_while_a_join_was_in_doubt_is_asked_for() {
    for was_asked in [false, true] {
        let world = World::new();
        let (a, evil, room) = lets_in_silently(&world, 1).await;
        let good = world.peer("good.test").await;
        let is_busy = Arc::new(AtomicBool::new(was_asked));
        for peer in [&evil, &good] {
            let (honest, is_busy) = (Arc::clone(peer), Arc::clone(&is_busy));
            peer.answers("/v1/make_leave/", move |request| match is_busy.load(Ordering::Relaxed) {
                true => (503, json!({ "errcode": "M_UNKNOWN", "error": "not now" })),
                false => honest.honest(request),
            });
        }
        a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
        let mut known_to_good = evil.hosted(&room.id);
        let said = evil.add(&mut known_to_good, message("@eve:evil.test", "welcome"));
        good.host(&known_to_good);
        good.send(&a, &[object(&said)]).await;
        assert!(!is_in(&a, &room.id).await);
        if was_asked {
            world.until("it to be asked", || async { good.asked("/v1/make_leave/") > 0 }).await;
            is_busy.store(false, Ordering::Relaxed);
        }
        world.until("the join", || is_in(&a, &room.id)).await;
        until_outcome(&world, &a, &room.id, &said, Outcome::Accepted).await;
        assert_eq!(evil.asked("/v2/send_join/"), 2, "by which we came in");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_join_leaves_nothing_to_find_out() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 0).await;
    evil.answers("/v2/send_join/", |_| (403, json!({ "errcode": "M_FORBIDDEN", "error": "no" })));
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    assert!(is_forgotten(&a).await);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_for_good_is_not_asked_for_ever() {
    let world = World::new();
    let (a, evil, room) = lets_in_silently(&world, 1).await;
    a.join(&room.id, ALICE, &[&evil.name]).await.unwrap_err();
    evil.answers("/v1/make_leave/", |_| (503, json!({ "errcode": "M_UNKNOWN", "error": "not now" })));
    for _ in 0..9 {
        world.handles.clock.sleep(UNANSWERED_JOIN_HORIZON / 8).await;
    }
    world.until("it to be given up", || is_forgotten(&a)).await;
    assert!(evil.asked("/v1/make_leave/") < 200);
}

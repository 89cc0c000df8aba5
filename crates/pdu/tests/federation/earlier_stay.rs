//! Rooms that were left before their members were known, and are joined again.

use std::sync::Arc;
use std::time::Duration;

use events::RoomVersion;
use pdu::SendError;
use persistence::transactions::graph::Outcome;
use persistence::transactions::{partial, rooms as room_rows};
use serde_json::json;

use crate::partial::{
    ALICE, EVE, has_whole_state, join, member, omits_members, refuses, room_of_many, tells_state, until_whole,
};
use crate::peer::{Peer, PeerRoom, object, objects};
use crate::reading::refusal;
use crate::receiving::until_outcome;
use crate::world::{Server, TakenDown, World, message, name, state};

const GHOST: &str = "@ghost:gone.test";

#[tokio::test(start_paused = true)]
async fn who_leaves_before_the_members_are_here_is_told_anew_when_they_come_back() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    refuses(&evil, "/v1/state");
    join(&a, &evil, &mut room).await;
    a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    until_whole(&world, &a, &room.id).await;
    assert!(a.graph.joins_under_way().await.unwrap().is_empty());
    let us = name("a.test");
    assert!(!a.read(&room.id, move |tx, room, _| room_rows::is_server_joined(tx, room, &us)).await);
    let mut room = before_join.clone();
    tells_state(&evil, &before_join);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    until_whole(&world, &a, &room.id).await;
    assert!(has_whole_state(&a, &room).await);
}

/// While his join waited for the members, the only one of us who was in the room left it.
#[tokio::test(start_paused = true)]
async fn who_waits_to_join_beside_somebody_who_leaves_does_not_join_on_what_is_no_longer_known() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    refuses(&evil, "/v1/state");
    join(&a, &evil, &mut room).await;
    let bob = "@bob:a.test";
    let (joined, ()) = tokio::join!(a.graph.send(&room.id, vec![member(bob, bob, "join")], None), async {
        world.handles.clock.sleep(Duration::from_secs(1)).await;
        a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    });
    let refused = joined.unwrap_err();
    assert!(matches!(refused, SendError::NotInRoom(_)), "{refused}");
    let refused = a.send(&room.id, member(bob, bob, "knock")).await.unwrap_err();
    assert!(matches!(refused, SendError::NotInRoom(_)), "{refused}");
}

/// Whoever built on such a state would take those who were unknown for gone.
#[tokio::test(start_paused = true)]
async fn a_state_that_was_never_whole_is_told_to_nobody() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    refuses(&evil, "/v1/state");
    join(&a, &evil, &mut room).await;
    let hello = evil.add(&mut room, message(EVE, "who speaks is known"));
    evil.send(&a, &[object(&hello)]).await;
    until_outcome(&world, &a, &room.id, &hello, Outcome::Accepted).await;
    let said = a.say(&room.id, ALICE, "nobody else is known").await;
    let leave = a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    until_whole(&world, &a, &room.id).await;
    for event in [said, leave] {
        assert!(a.state_before(&room.id, &event).await.is_some(), "what our users could read they still can");
        for question in ["state", "state_ids"] {
            let answer = evil.get(&a, &format!("v1/{question}/{}?event_id={event}", room.id)).await;
            assert_eq!(refusal(answer).0, 404, "{question} before {event}");
        }
    }
}

/// The states of the first stay lack its members, and are never judged again. What others built on them meanwhile has more before it.
#[tokio::test(start_paused = true)]
async fn what_builds_on_an_earlier_stay_is_not_judged_by_what_was_unknown_then() {
    for at_leave in [false, true] {
        let world = World::new();
        let (a, evil, mut room) = room_of_many(&world, 3).await;
        let before_join = room.clone();
        refuses(&evil, "/v1/state");
        join(&a, &evil, &mut room).await;
        let said = a.say(&room.id, ALICE, "nobody else is known").await;
        room.line.push(a.visible(&room.id, &said).await.unwrap());
        let leave = a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
        until_whole(&world, &a, &room.id).await;
        let mut beside = room.clone();
        room.line.push(a.visible(&room.id, &leave).await.unwrap());
        if at_leave {
            beside = room.clone();
        }
        tells_state(&evil, &room);
        omits_members(&evil, &room);
        let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
        room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
        until_whole(&world, &a, &room.id).await;
        evil.add(&mut beside, state(EVE, "m.room.topic", json!({ "topic": "beside" })));
        let fork = evil.add(&mut beside, message("@u1:evil.test", "I have been here all the time"));
        // What comes is told the state before the first of the two, which evil knows.
        tells_state(&evil, &before_join);
        evil.host(&beside);
        evil.send(&a, &objects(beside.line.iter().rev().take(2))).await;
        until_outcome(&world, &a, &room.id, &fork, Outcome::Accepted).await;
        let state = a.state_before(&room.id, fork.event_id()).await.unwrap();
        let member = beside.state()[&("m.room.member".to_owned(), "@u1:evil.test".to_owned())].event_id().clone();
        assert!(state.contains(&member), "at the leave: {at_leave}");
    }
}

/// What came just before the leave is known by now with all members, and the leave is not.
#[tokio::test(start_paused = true)]
async fn what_builds_on_a_leave_whose_parent_is_known_anew_is_judged() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let before_join = room.clone();
    refuses(&evil, "/v1/state");
    join(&a, &evil, &mut room).await;
    let hello = evil.add(&mut room, message(EVE, "who speaks is known"));
    evil.send(&a, &[object(&hello)]).await;
    until_outcome(&world, &a, &room.id, &hello, Outcome::Accepted).await;
    let mut at_hello = room.clone();
    let leave = a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    until_whole(&world, &a, &room.id).await;
    room.line.push(a.visible(&room.id, &leave).await.unwrap());
    let mut at_leave = room.clone();
    tells_state(&evil, &room);
    omits_members(&evil, &room);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    until_whole(&world, &a, &room.id).await;
    tells_state(&evil, &before_join);
    for beside in [&mut at_hello, &mut at_leave] {
        let fork = evil.add(beside, message("@u1:evil.test", "I have been here all the time"));
        evil.host(beside);
        evil.send(&a, &[object(&fork)]).await;
        until_outcome(&world, &a, &room.id, &fork, Outcome::Accepted).await;
    }
}

/// A room that we were in, and in which we did not get the keys of `gone.test`: its user there had the power to ban others.
async fn room_that_lacked_keys(world: &World) -> (Server, Arc<Peer>, Arc<Peer>, PeerRoom, TakenDown) {
    let (a, evil, mut room) = room_of_many(world, 3).await;
    let gone = world.peer("gone.test").await;
    let power = json!({ "users": { EVE: 100, GHOST: 50 } });
    evil.add(&mut room, state(EVE, "m.room.power_levels", power));
    room.line.push(gone.next(&room, member(GHOST, GHOST, "join")));
    evil.host(&room);
    omits_members(&evil, &room);
    tells_state(&evil, &room);
    let down = world.take_down("gone.test");
    join(&a, &evil, &mut room).await;
    until_whole(world, &a, &room.id).await;
    (a, evil, gone, room, down)
}

/// As above, where keys lacked and not members. After a while others are told the state without what those keys signed: that of
/// this stay, of which what was not known is asked for again.
#[tokio::test(start_paused = true)]
async fn a_state_that_lacked_keys_is_told_to_nobody_after_that_stay() {
    let world = World::new();
    let (a, evil, _gone, mut room, _down) = room_that_lacked_keys(&world).await;
    let leave = a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    room.line.push(a.visible(&room.id, &leave).await.unwrap());
    omits_members(&evil, &room);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    let ids_before = |event| format!("v1/state_ids/{}?event_id={event}", room.id);
    let is_told = || async { evil.get(&a, &ids_before(&joined.event_id)).await.is_ok() };
    world.until("the keys to be given up for now", is_told).await;
    assert_eq!(refusal(evil.get(&a, &ids_before(&leave)).await).0, 404);
}

/// What they said was rejected then, as of somebody who is not in the room.
#[tokio::test(start_paused = true)]
async fn what_was_rejected_for_lack_of_keys_counts_in_a_later_stay() {
    for waits in [false, true] {
        let world = World::new();
        let (a, evil, gone, mut room, down) = room_that_lacked_keys(&world).await;
        world.bring_back("gone.test", down);
        let ban = gone.next(&room, member(GHOST, "@u1:evil.test", "ban"));
        room.line.push(ban.clone());
        evil.host(&room);
        evil.send(&a, &[object(&ban)]).await;
        until_outcome(&world, &a, &room.id, &ban, Outcome::Rejected).await;
        let leave = a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
        room.line.push(a.visible(&room.id, &leave).await.unwrap());
        if waits {
            until_ended(&world, &a, &room).await;
        }
        tells_state(&evil, &room);
        omits_members(&evil, &room);
        let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
        room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
        until_whole(&world, &a, &room.id).await;
        assert!(has_whole_state(&a, &room).await);
    }
}

/// That a room is not ours any more is seen when its keys are to be asked for again.
async fn until_ended(world: &World, a: &Server, room: &PeerRoom) {
    let is_ended = || async { a.read(&room.id, |tx, room, _| partial::pending(tx, room)).await.is_none() };
    world.until("the stay to be over", is_ended).await;
}

/// A room of a peer in which a user of ours was.
async fn came_and_left(world: &World) -> (Server, Arc<Peer>, PeerRoom) {
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room(EVE, RoomVersion::V11);
    evil.host(&room);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    let leave = a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    room.line.push(a.visible(&room.id, &leave).await.unwrap());
    (a, evil, room)
}

/// What builds on where we left comes late: others may have built on it before we came again, or it forks the room there.
#[tokio::test(start_paused = true)]
async fn what_comes_late_from_between_two_stays_is_history_if_the_room_went_on_from_it() {
    for is_fork in [false, true] {
        let world = World::new();
        let (a, evil, mut room) = came_and_left(&world).await;
        let mut fork = room.clone();
        let mut late = evil.add(&mut room, message(EVE, "while you are away"));
        evil.add(&mut room, message(EVE, "that was before"));
        if is_fork {
            late = evil.add(&mut fork, message(EVE, "beside"));
        }
        evil.host(&room);
        let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
        evil.send(&a, &[object(&late)]).await;
        until_outcome(&world, &a, &room.id, &late, Outcome::Accepted).await;
        let expected = if is_fork { vec![joined.event_id, late.event_id().clone()] } else { vec![joined.event_id] };
        assert_eq!(a.extremities(&room.id).await, expected, "is a fork: {is_fork}");
        let place = a.place(&room.id, late.event_id()).await.unwrap();
        assert_eq!(place.arrival.is_some(), is_fork, "history is no news");
    }
}

/// The same where what it builds on has come late, too: as a fork, which it is there.
#[tokio::test(start_paused = true)]
async fn what_comes_late_on_top_of_a_fork_between_two_stays_is_history_if_the_room_went_on_from_it() {
    let world = World::new();
    let (a, evil, mut room) = came_and_left(&world).await;
    let first = evil.add(&mut room, message(EVE, "while you are away"));
    let mut fork = room.clone();
    let late = evil.add(&mut room, message(EVE, "on top of that"));
    evil.add(&mut room, message(EVE, "that was before"));
    evil.host(&room);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    let joined = a.visible(&room.id, &joined.event_id).await.unwrap();
    let beside = evil.add(&mut fork, message(EVE, "beside"));
    let both = vec![joined.event_id().clone(), beside.event_id().clone()];
    let draft = message(EVE, "both");
    let both = evil.sign(&room.id, RoomVersion::V11, &draft, both, room.auth_events(&draft), joined.depth() + 1);
    let missing = [object(&first), object(&beside)];
    evil.answers("get_missing_events", move |_| (200, json!({ "events": missing })));
    evil.send(&a, &[object(&both)]).await;
    until_outcome(&world, &a, &room.id, &both, Outcome::Accepted).await;
    evil.send(&a, &[object(&late)]).await;
    until_outcome(&world, &a, &room.id, &late, Outcome::Accepted).await;
    assert_eq!(a.extremities(&room.id).await, [both.event_id().clone()]);
    assert_eq!(a.place(&room.id, late.event_id()).await.unwrap().arrival, None, "history is no news");
}

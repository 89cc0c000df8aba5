//! State of which the signatures cannot be checked when a room is joined, since the keys cannot be had.

use events::RoomVersion;
use pdu::limits::{PARTIAL_HORIZON, SINGLE_EVENTS_MAX};
use persistence::transactions::graph::Outcome;
use persistence::transactions::{partial, rooms as room_rows};
use serde_json::json;

use crate::gaps::with_a_gap;
use crate::partial::{
    has_whole_state, is_partial, join, member, omits_members, room_of_many, tells_state, until_whole,
};
use crate::peer::{PeerRoom, object};
use crate::reading::refusal;
use crate::receiving::until_outcome;
use crate::world::{Server, TakenDown, World, message, name, state};

#[tokio::test(start_paused = true)]
async fn members_whose_keys_cannot_be_had_are_left_out_until_they_can() {
    for members in [3, SINGLE_EVENTS_MAX + 20] {
        let world = World::new();
        let (a, evil, mut room) = room_of_many(&world, members).await;
        let ghost = "@ghost:gone.test";
        let gone = world.peer("gone.test").await;
        room.line.push(gone.next(&room, member(ghost, ghost, "join")));
        evil.host(&room);
        omits_members(&evil, &room);
        tells_state(&evil, &room);
        let mut kept = room.clone();
        let down = world.take_down("gone.test");
        join(&a, &evil, &mut kept).await;
        until_whole(&world, &a, &room.id).await;
        assert_eq!(a.current(&room.id, "m.room.member", ghost).await, None);
        let everybody = kept.clone();
        kept.line.retain(|pdu| pdu.state_key() != Some(ghost));
        assert!(has_whole_state(&a, &kept).await);
        until_the_ghost_is_here(world, a, everybody, down).await;
    }
}

/// Whoever is asked again may lack the same keys, and tell a state without what they signed.
#[tokio::test(start_paused = true)]
async fn who_lacks_the_same_keys_is_not_believed_that_there_was_nothing() {
    for members in [3, SINGLE_EVENTS_MAX + 20] {
        let world = World::new();
        let (a, evil, mut room) = room_of_many(&world, members).await;
        let (ghost, gone) = ("@ghost:gone.test", world.peer("gone.test").await);
        room.line.push(gone.next(&room, member(ghost, ghost, "join")));
        evil.host(&room);
        omits_members(&evil, &room);
        tells_state(&evil, &room);
        let everybody = room.clone();
        let down = world.take_down("gone.test");
        join(&a, &evil, &mut room).await;
        until_whole(&world, &a, &room.id).await;
        let mut without = everybody.clone();
        without.line.retain(|pdu| pdu.state_key() != Some(ghost));
        tells_state(&evil, &without);
        let before = evil.asked("/v1/state_ids/");
        world.bring_back("gone.test", down);
        world.until("it to be asked again", || async { evil.asked("/v1/state_ids/") > before + 1 }).await;
        assert!(a.read(&room.id, |tx, room, _| partial::pending(tx, room)).await.is_some());
        tells_state(&evil, &everybody);
        let is_here = || async { a.current(&room.id, "m.room.member", ghost).await.is_some() };
        world.until("the ghost", is_here).await;
        assert!(has_whole_state(&a, &room).await);
    }
}

/// The same while the members are not known: that is worse, so it is believed in the end.
#[tokio::test(start_paused = true)]
async fn who_lacks_the_same_keys_is_not_believed_at_once_while_members_are_unknown() {
    for comes in [true, false] {
        let world = World::new();
        let (a, evil, mut room) = room_of_many(&world, 3).await;
        let (ghost, gone) = ("@ghost:gone.test", world.peer("gone.test").await);
        room.line.push(gone.next(&room, member(ghost, ghost, "join")));
        let power = json!({ "users": { "@eve:evil.test": 100, ghost: 50 } });
        evil.add(&mut room, state("@eve:evil.test", "m.room.power_levels", power));
        let topic = gone.next(&room, state(ghost, "m.room.topic", json!({ "topic": "boo" })));
        room.line.push(topic.clone());
        evil.host(&room);
        omits_members(&evil, &room);
        let everybody = room.clone();
        let mut without = room.clone();
        without.line.retain(|pdu| pdu.sender().as_str() != ghost);
        tells_state(&evil, &without);
        let down = world.take_down("gone.test");
        join(&a, &evil, &mut room).await;
        world.until("it to be asked again", || async { evil.asked("/v1/state_ids/") > 1 }).await;
        assert!(is_partial(&a, &room.id).await);
        if comes {
            world.bring_back("gone.test", down);
            tells_state(&evil, &everybody);
        }
        until_whole(&world, &a, &room.id).await;
        let told = a.current(&room.id, "m.room.topic", "").await;
        assert_eq!(told.as_ref(), comes.then_some(topic.event_id()));
    }
}

/// A server that is not asked to leave members out, as an old one, tells all at once.
#[tokio::test(start_paused = true)]
async fn state_of_which_the_keys_cannot_be_had_when_all_is_told_at_once_comes_when_they_can() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let gone = world.peer("gone.test").await;
    let mut room = evil.make_room("@eve:evil.test", RoomVersion::V11);
    let ghost = "@ghost:gone.test";
    room.line.push(gone.next(&room, member(ghost, ghost, "join")));
    evil.host(&room);
    tells_state(&evil, &room);
    let down = world.take_down("gone.test");
    let joined = a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
    assert!(!is_partial(&a, &room.id).await);
    assert_eq!(a.current(&room.id, "m.room.member", ghost).await, None);
    let servers = a.read(&room.id, |tx, room, _| room_rows::servers(tx, room)).await;
    assert!(servers.contains(&name("gone.test")), "it is sent what is said meanwhile");
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    until_the_ghost_is_here(world, a, room, down).await;
}

/// Whoever let us in said that it is in the room, though no state that we could check says so.
#[tokio::test(start_paused = true)]
async fn a_server_whose_keys_cannot_be_had_is_sent_what_is_said_meanwhile() {
    for (at_once, restarts) in [(true, false), (true, true), (false, false), (false, true)] {
        let world = World::new();
        let (mut a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
        let gone = world.peer("gone.test").await;
        let mut room = evil.make_room("@eve:evil.test", RoomVersion::V11);
        room.line.push(gone.next(&room, member("@ghost:gone.test", "@ghost:gone.test", "join")));
        evil.host(&room);
        if !at_once {
            omits_members(&evil, &room);
        }
        tells_state(&evil, &room);
        let down = world.take_down("gone.test");
        a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
        until_whole(&world, &a, &room.id).await;
        if restarts {
            a = a.restarted(&world).await;
        }
        a.say(&room.id, "@alice:a.test", "are you there?").await;
        world.bring_back("gone.test", down);
        let is_sent = || async { gone.received().iter().any(|event| event["content"]["body"] == "are you there?") };
        world.until("it to be sent", is_sent).await;
    }
}

/// A server of which the keys could not be had is there again. Restarts change nothing.
async fn until_the_ghost_is_here(world: World, a: Server, room: PeerRoom, down: TakenDown) {
    let pending = a.read(&room.id, |tx, room, _| partial::pending(tx, room)).await.unwrap();
    assert!(pending.whole && pending.keys.unwrap().contains("gone.test"));
    let question = format!("v1/make_join/{}/@gil:good.test?ver=11", room.id);
    let good = world.peer("good.test").await;
    assert!(good.get(&a, &question).await.is_err(), "somebody else knows better");
    let a = a.restarted(&world).await;
    world.bring_back("gone.test", down);
    let ghost = "@ghost:gone.test";
    let is_here = || async { a.current(&room.id, "m.room.member", ghost).await.is_some() };
    world.until("the keys to be there", is_here).await;
    assert!(has_whole_state(&a, &room).await);
    assert!(good.get(&a, &question).await.is_ok());
    let pending = a.read(&room.id, |tx, room, _| partial::pending(tx, room)).await;
    assert_eq!(pending, None, "nothing is left to be done");
}

/// As in a partial room: who joined while everybody could, and could not join now, would not be let in again by a resolution.
#[tokio::test(start_paused = true)]
async fn what_a_state_without_some_keys_does_not_name_is_not_gone_from_it() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let (ghost, gone) = ("@ghost:gone.test", world.peer("gone.test").await);
    room.line.push(gone.next(&room, member(ghost, ghost, "join")));
    evil.add(&mut room, state("@eve:evil.test", "m.room.join_rules", json!({ "join_rule": "invite" })));
    evil.add(&mut room, member("@eve:evil.test", "@alice:a.test", "invite"));
    evil.host(&room);
    omits_members(&evil, &room);
    tells_state(&evil, &room);
    let mut beside = room.clone();
    let down = world.take_down("gone.test");
    let join = join(&a, &evil, &mut room).await;
    until_whole(&world, &a, &room.id).await;
    assert_eq!(a.current(&room.id, "m.room.member", ghost).await, None);
    world.bring_back("gone.test", down);
    let (_, last) = with_a_gap(&evil, &mut beside, message("@u1:evil.test", "edge")).await;
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room.id, &last, Outcome::Accepted).await;
    assert!(a.read(&room.id, |tx, room, _| partial::pending(tx, room)).await.is_some(), "not asked again yet");
    assert!(a.current(&room.id, "m.room.member", ghost).await.is_some());
    assert_eq!(a.current(&room.id, "m.room.member", "@alice:a.test").await, Some(join));
}

/// Alice is banned by one of two forks. She listens on, and may come to be a member again: what others know must be known then, too.
#[tokio::test(start_paused = true)]
async fn who_is_a_member_by_one_fork_goes_on_asking_for_keys() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let (ghost, gone) = ("@ghost:gone.test", world.peer("gone.test").await);
    room.line.push(gone.next(&room, member(ghost, ghost, "join")));
    evil.host(&room);
    omits_members(&evil, &room);
    tells_state(&evil, &room);
    let down = world.take_down("gone.test");
    join(&a, &evil, &mut room).await;
    until_whole(&world, &a, &room.id).await;
    let ban = evil.next(&room, member("@eve:evil.test", "@alice:a.test", "ban"));
    let beside = evil.add(&mut room, message("@u1:evil.test", "beside"));
    evil.send(&a, &[object(&ban), object(&beside)]).await;
    until_outcome(&world, &a, &room.id, &beside, Outcome::Accepted).await;
    assert_eq!(a.current(&room.id, "m.room.member", "@alice:a.test").await.as_ref(), Some(ban.event_id()));
    world.bring_back("gone.test", down);
    let is_here = || async { a.current(&room.id, "m.room.member", ghost).await.is_some() };
    world.until("the keys to be there", is_here).await;
    let join_of_ghost = a.current(&room.id, "m.room.member", ghost).await.unwrap();
    let before = a.state_before(&room.id, beside.event_id()).await.unwrap();
    assert!(before.contains(&join_of_ghost));
    assert_eq!(a.current(&room.id, "m.room.member", "@alice:a.test").await.as_ref(), Some(ban.event_id()));
}

#[tokio::test(start_paused = true)]
async fn a_whole_room_stops_asking_for_keys_in_the_end() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let gone = world.peer("gone.test").await;
    room.line.push(gone.next(&room, member("@ghost:gone.test", "@ghost:gone.test", "join")));
    evil.host(&room);
    omits_members(&evil, &room);
    tells_state(&evil, &room);
    let _down = world.take_down("gone.test");
    join(&a, &evil, &mut room).await;
    until_whole(&world, &a, &room.id).await;
    let pending = || async { a.read(&room.id, |tx, room, _| partial::pending(tx, room)).await };
    let began = world.handles.clock.monotonic();
    for _ in 0..10 {
        world.handles.clock.sleep(PARTIAL_HORIZON / 10).await;
    }
    world.until("it to be given up", || async { pending().await.is_none() }).await;
    assert!(world.handles.clock.monotonic() - began > PARTIAL_HORIZON);
}

/// They may never come, so the state is told after a while, with a word about it.
#[tokio::test(start_paused = true)]
async fn who_tells_a_state_while_keys_lack_says_so() {
    let world = World::new();
    let (a, evil, mut room) = room_of_many(&world, 3).await;
    let (ghost, gone) = ("@ghost:gone.test", world.peer("gone.test").await);
    room.line.push(gone.next(&room, member(ghost, ghost, "join")));
    evil.host(&room);
    omits_members(&evil, &room);
    tells_state(&evil, &room);
    let down = world.take_down("gone.test");
    let join = join(&a, &evil, &mut room).await;
    until_whole(&world, &a, &room.id).await;
    let question = format!("v1/state_ids/{}?event_id={join}", room.id);
    assert_eq!(refusal(evil.get(&a, &question).await).0, 404);
    world.until("it to be told", || async { evil.get(&a, &question).await.is_ok() }).await;
    assert_eq!(evil.get(&a, &question).await.unwrap()["org.althing.lacks_keys"], true);
    world.bring_back("gone.test", down);
    let is_here = || async { a.current(&room.id, "m.room.member", ghost).await.is_some() };
    world.until("the ghost", is_here).await;
    assert_eq!(evil.get(&a, &question).await.unwrap().get("org.althing.lacks_keys"), None);
}

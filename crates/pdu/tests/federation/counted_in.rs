//! Rooms that we have left, while others go on to count us in.

use std::sync::{Arc, Mutex};

use events::{Pdu, RoomVersion, Value};
use pdu::limits::{LOOK_AFTER, LOOK_PAUSE};
use persistence::transactions::graph::Outcome;
use serde_json::json;

use crate::joins::is_in;
use crate::partial::member;
use crate::peer::{Peer, PeerRoom, checked, decode, object};
use crate::receiving::until_outcome;
use crate::world::{Server, World, message, state};

const V: RoomVersion = RoomVersion::V11;
const ALICE: &str = "@alice:a.test";
const EVE: &str = "@eve:evil.test";
const AL: &str = "@al:a.test";
const GIL: &str = "@gil:good.test";

/// Alice was in a room of the peer, and has left. The peer goes by the room that is returned, which has her join.
async fn has_left(world: &World) -> (Server, Arc<Peer>, PeerRoom) {
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut room = evil.make_room(EVE, V);
    evil.host(&room);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    a.send(&room.id, member(ALICE, ALICE, "leave")).await.unwrap();
    world.until("the leave to be sent", || async { !evil.received().is_empty() }).await;
    evil.host(&room);
    (a, evil, room)
}

async fn says(evil: &Peer, a: &Server, room: &mut PeerRoom, text: &str) {
    let said = evil.add(room, message(EVE, text));
    evil.host(room);
    let answer = evil.send(a, &[object(&said)]).await;
    assert!(answer["pdus"][said.event_id().as_str()].get("error").is_none(), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn who_is_still_counted_in_leaves_once_more() {
    let world = World::new();
    let (a, evil, mut room) = has_left(&world).await;
    evil.answers("/v2/send_leave/", |_| (200, json!({})));
    says(&evil, &a, &mut room, "who would not want to be here").await;
    says(&evil, &a, &mut room, "and stay here").await;
    world.until("the leave", || async { evil.asked("/v2/send_leave/") == 1 }).await;
    assert!(!is_in(&a, &room.id).await);
    // A server that takes the leave and does not mind it is not asked again at once.
    says(&evil, &a, &mut room, "for ever").await;
    world.handles.clock.sleep(LOOK_PAUSE / 2).await;
    assert_eq!(evil.asked("/v1/make_leave/"), 1);
    world.handles.clock.sleep(LOOK_PAUSE / 2).await;
    says(&evil, &a, &mut room, "and ever").await;
    world.until("the leave", || async { evil.asked("/v2/send_leave/") == 2 }).await;
}

/// Our leave was on its way when they sent us something.
#[tokio::test(start_paused = true)]
async fn who_has_heard_of_the_leave_is_told_nothing() {
    let world = World::new();
    let (a, evil, mut room) = has_left(&world).await;
    says(&evil, &a, &mut room, "who would not want to be here").await;
    for left in evil.received() {
        room.line.push(checked(&left, V));
    }
    evil.host(&room);
    world.until("it to be asked", || async { evil.asked("/v1/make_leave/") == 1 }).await;
    world.handles.clock.sleep(LOOK_AFTER * 2).await;
    assert_eq!(evil.asked("/v2/send_leave/"), 0);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_meanwhile_stays() {
    let world = World::new();
    let (a, evil, mut room) = has_left(&world).await;
    says(&evil, &a, &mut room, "who would not want to be here").await;
    let left = evil.received().pop().unwrap();
    room.line.push(checked(&left, V));
    evil.host(&room);
    let joined = a.join(&room.id, ALICE, &[&evil.name]).await.unwrap();
    room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
    evil.host(&room);
    world.handles.clock.sleep(LOOK_AFTER * 2).await;
    assert!(is_in(&a, &room.id).await);
    // It is asked where the room is: what it said before was ignored.
    assert_eq!((evil.asked("/v1/make_leave/"), evil.asked("/v2/send_leave/")), (1, 0));
}

/// Eve may ban, and shows her bans to us alone, one beside the other: by the other one Alice is a member. The others do not know.
async fn was_banned_in_secret(world: &World, members: &[&str]) -> (Server, Arc<Peer>, PeerRoom) {
    let (a, evil, good) = (world.server("a.test").await, world.peer("evil.test").await, world.peer("good.test").await);
    let mut room = good.make_room(GIL, V);
    good.add(&mut room, state(GIL, "m.room.join_rules", json!({ "join_rule": "public" })));
    room.line.push(evil.next(&room, member(EVE, EVE, "join")));
    let levels = json!({ "users": { GIL: 100, EVE: 50 } });
    good.add(&mut room, state(GIL, "m.room.power_levels", levels));
    good.host(&room);
    for user in members {
        let joined = a.join(&room.id, user, &[&good.name]).await.unwrap();
        room.line.push(a.visible(&room.id, &joined.event_id).await.unwrap());
        good.host(&room);
    }
    let bans = [evil.next(&room, member(EVE, ALICE, "ban")), evil.next(&room, member(EVE, AL, "ban"))];
    evil.host(&PeerRoom { line: room.line.iter().chain(&bans).cloned().collect(), ..room.clone() });
    evil.send(&a, &bans.each_ref().map(object)).await;
    for ban in &bans {
        until_outcome(world, &a, &room.id, ban, Outcome::Accepted).await;
    }
    assert!(!is_in(&a, &room.id).await);
    good.answers("/v2/send_leave/", |_| (200, json!({})));
    (a, good, room)
}

#[tokio::test(start_paused = true)]
async fn who_was_banned_in_secret_leaves_where_they_are_counted_in() {
    let world = World::new();
    let (a, good, mut room) = was_banned_in_secret(&world, &[ALICE]).await;
    let said = good.add(&mut room, message(GIL, "hello, Alice"));
    good.host(&room);
    good.send(&a, &[object(&said)]).await;
    until_outcome(&world, &a, &room.id, &said, Outcome::Accepted).await;
    world.until("the leave", || async { good.asked("/v2/send_leave/") == 1 }).await;
    assert!(!is_in(&a, &room.id).await);
}

/// That Eve could ban is over, and resolves the forks against her bans; nobody may join any more, which resolves them against the join.
#[tokio::test(start_paused = true)]
async fn who_is_neither_banned_nor_a_member_where_forks_met_leaves() {
    let world = World::new();
    let (a, good, mut room) = was_banned_in_secret(&world, &[ALICE]).await;
    let levels = good.add(&mut room, state(GIL, "m.room.power_levels", json!({ "users": { GIL: 100 } })));
    let closed = good.add(&mut room, state(GIL, "m.room.join_rules", json!({ "join_rule": "invite" })));
    good.host(&room);
    good.send(&a, &[object(&levels), object(&closed)]).await;
    until_outcome(&world, &a, &room.id, &closed, Outcome::Accepted).await;
    assert_eq!(a.current(&room.id, "m.room.member", ALICE).await, None);
    world.until("the leave", || async { good.asked("/v2/send_leave/") == 1 }).await;
    assert!(!is_in(&a, &room.id).await);
}

/// They may know of the ban, and of more.
#[tokio::test(start_paused = true)]
async fn who_counts_them_in_and_knows_more_is_heard_first() {
    let world = World::new();
    let (a, good, mut room) = was_banned_in_secret(&world, &[ALICE]).await;
    let said = good.next(&room, message(GIL, "hello, Alice"));
    let unheard = good.add(&mut room, message(GIL, "what we have not heard"));
    good.keeps_back(&unheard);
    good.host(&room);
    good.send(&a, &[object(&said)]).await;
    world.until("it to be asked of both", || async { good.asked("/v1/make_leave/") == 2 }).await;
    world.handles.clock.sleep(LOOK_AFTER).await;
    assert_eq!(good.asked("/v2/send_leave/"), 0);
    let known = good.add(&mut room, message(GIL, "and now we have"));
    good.host(&room);
    good.send(&a, &[object(&unheard), object(&known)]).await;
    until_outcome(&world, &a, &room.id, &known, Outcome::Accepted).await;
    world.handles.clock.sleep(LOOK_PAUSE).await;
    let last = good.add(&mut room, message(GIL, "hello?"));
    good.host(&room);
    good.send(&a, &[object(&last)]).await;
    world.until("the leave", || async { good.asked("/v2/send_leave/") == 1 }).await;
}

/// Where one has left, nobody tells us of it: we have made the leave.
#[tokio::test(start_paused = true)]
async fn all_who_were_banned_in_secret_leave() {
    let world = World::new();
    let (a, good, mut room) = was_banned_in_secret(&world, &[ALICE, AL]).await;
    let left: Arc<Mutex<Vec<Pdu>>> = Arc::default();
    let (seen, known) = (Arc::clone(&left), Arc::clone(&left));
    good.answers("/v2/send_leave/", move |request| {
        let leave: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        seen.lock().unwrap().push(checked(&leave, V));
        (200, json!({}))
    });
    let said = good.add(&mut room, message(GIL, "hello, both"));
    good.host(&room);
    let hosted = room.clone();
    good.answers("/v1/make_leave/", move |request| {
        let user = decode(request.path_and_query.rsplit('/').next().unwrap());
        let mut room = hosted.clone();
        room.line.extend(known.lock().unwrap().iter().cloned());
        match room.has_member(&user) {
            true => (200, room.template(&member(&user, &user, "leave"))),
            false => (403, json!({ "errcode": "M_FORBIDDEN", "error": "they are not in the room" })),
        }
    });
    good.send(&a, &[object(&said)]).await;
    until_outcome(&world, &a, &room.id, &said, Outcome::Accepted).await;
    world.until("both leaves", || async { left.lock().unwrap().len() == 2 }).await;
}

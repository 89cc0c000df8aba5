//! Events that arrive in transactions, and what they refer to.

use std::sync::Arc;
use std::time::Duration;

use events::{EventId, Pdu, RoomId, RoomVersion, Value};
use http::Method;
use pdu::limits::{STAGED_HORIZON, STAGED_PER_ORIGIN_MAX, UNVERIFIED_PER_ORIGIN_MAX};
use persistence::transactions::graph::Outcome;
use persistence::transactions::{events as event_rows, staging, unverified};
use persistence::{RoomNumber, StoreError};
use serde_json::json;

use crate::peer::{Peer, PeerRoom, object};
use crate::reading::refusal;
use crate::world::{DAY_BYTES, Server, World, draft, message, name, state};

const V: RoomVersion = RoomVersion::V11;

/// A room of a real server that a peer has joined.
pub(crate) async fn shared(world: &World) -> (Server, Arc<Peer>, RoomId, PeerRoom) {
    shared_in(world, V).await
}

pub(crate) async fn shared_in(world: &World, version: RoomVersion) -> (Server, Arc<Peer>, RoomId, PeerRoom) {
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = a.create_room("@alice:a.test", version).await;
    let of_peer = evil.join(&a, &room, version, "@eve:evil.test").await;
    (a, evil, room, of_peer)
}

pub(crate) async fn until_outcome(world: &World, server: &Server, room: &RoomId, pdu: &Pdu, outcome: Outcome) {
    let decided = || async { server.outcome(room, pdu.event_id()).await.is_some() };
    world.until("the event to be decided about", decided).await;
    assert_eq!(server.outcome(room, pdu.event_id()).await, Some(outcome));
}

/// Says whether anything at all is stored of an event.
async fn is_stored(server: &Server, room: &RoomId, event: &EventId) -> bool {
    let event = event.clone();
    server
        .read(room, move |tx, room, _| match event_rows::number(tx, room, &event)? {
            Some(number) => Ok(event_rows::condition(tx, number)?.is_some()),
            None => Ok(false),
        })
        .await
}

async fn waiting(server: &Server) -> i64 {
    server.database.read(unverified::count).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_event_that_arrives_gets_its_place() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let hello = evil.add(&mut of_peer, message("@eve:evil.test", "hello"));
    let said = evil.send(&a, &[object(&hello)]).await;
    assert_eq!(said, json!({ hello.event_id().as_str(): {} }));
    until_outcome(&world, &a, &room, &hello, Outcome::Accepted).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_signature_is_said_and_nothing_is_stored() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let good = evil.add(&mut of_peer, message("@eve:evil.test", "good"));
    // Signed by evil.test in the name of somebody else's user.
    let forged = evil.next(&of_peer, message("@alice:a.test", "forged"));
    let said = evil.send(&a, &[object(&forged), object(&good)]).await;
    assert!(said[forged.event_id().as_str()]["error"].is_string(), "{said}");
    assert_eq!(said[good.event_id().as_str()], json!({}));
    until_outcome(&world, &a, &room, &good, Outcome::Accepted).await;
    assert!(!is_stored(&a, &room, forged.event_id()).await);
    assert_eq!(waiting(&a).await, 0);
}

/// A transaction of one event may have us fetch a thousand.
#[tokio::test(start_paused = true)]
async fn what_is_fetched_counts_for_the_day_of_whoever_signed_it() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let words = "x".repeat(60_000);
    for _ in 0..=DAY_BYTES / 60_000 {
        evil.add(&mut of_peer, message("@eve:evil.test", &words));
    }
    let last = evil.add(&mut of_peer, message("@eve:evil.test", "last"));
    evil.host(&of_peer);
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    let next = evil.add(&mut of_peer, message("@eve:evil.test", "next"));
    let body = |pdu: &Pdu| Some(json!({ "origin": "", "origin_server_ts": 0, "pdus": [object(pdu)] }));
    let refused = evil.ask(&a, Method::PUT, "v1/send/next", body(&next)).await;
    assert_eq!(refusal(refused).0, 429);
    let good = world.peer("good.test").await;
    good.ask(&a, Method::PUT, "v1/send/next", body(&next)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn missing_parents_are_fetched_and_their_signatures_checked() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let between: Vec<Pdu> =
        (0..30).map(|n| evil.add(&mut of_peer, message("@eve:evil.test", &n.to_string()))).collect();
    let last = evil.add(&mut of_peer, message("@eve:evil.test", "last"));
    evil.host(&of_peer);
    // An answer with events that were not asked for, or that nobody signed.
    let forged = evil.next(&of_peer, message("@alice:a.test", "forged"));
    let stray = evil.next(&of_peer, message("@eve:evil.test", "not an ancestor"));
    let (gap, extra) = (between[10..].to_vec(), [object(&forged), object(&stray)]);
    evil.answers("get_missing_events", move |request| {
        let body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        let asked = body["latest_events"][0].as_str().unwrap();
        let mut events: Vec<Value> = gap.iter().filter(|pdu| pdu.event_id().as_str() != asked).map(object).collect();
        if events.len() < gap.len() {
            // The second question: all the rest.
            events = Vec::new();
        }
        events.extend(extra.clone());
        (200, json!({ "events": events }))
    });
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    for pdu in &between[11..] {
        assert_eq!(a.outcome(&room, pdu.event_id()).await, Some(Outcome::Accepted));
    }
    for pdu in [&forged, &stray] {
        assert!(!is_stored(&a, &room, pdu.event_id()).await);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_keys_cannot_be_had_waits_for_them() {
    let world = World::new();
    let (a, b) = (world.server("a.test").await, world.server("b.test").await);
    let c = world.peer("c.test").await;
    let room = a.create_room("@alice:a.test", V).await;
    b.join(&room, "@bob:b.test", &[&a.name]).await.unwrap();
    let of_c = c.join(&a, &room, V, "@carol:c.test").await;
    let join = &of_c.line[0];
    let down = world.take_down("c.test");
    world.until("b.test to be told of the join", || async { waiting(&b).await == 1 }).await;
    // Nothing takes it for a checked event.
    assert!(!is_stored(&b, &room, join.event_id()).await);
    assert!(b.read(&room, |tx, room, _| staging::next_due(tx, room, &name("a.test"))).await.is_none());
    assert_eq!(b.current(&room, "m.room.member", "@carol:c.test").await, None);
    world.bring_back("c.test", down);
    until_outcome(&world, &b, &room, join, Outcome::Accepted).await;
    assert_eq!(waiting(&b).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_can_have_few_events_wait_for_keys_and_none_for_ever() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let unknown = |text: &str| {
        let mut event = object(&evil.next(&of_peer, message("@nobody:gone.test", text)));
        event["signatures"] = json!({ "gone.test": { "ed25519:1": "c2lnbmF0dXJl" } });
        event
    };
    let mut refused = 0;
    let mut sent = 0;
    while sent <= UNVERIFIED_PER_ORIGIN_MAX {
        let events: Vec<Value> = (0..50).map(|n| unknown(&format!("{sent} {n}"))).collect();
        sent += 50;
        let said = evil.send(&a, &events).await;
        refused += said.as_object().unwrap().values().filter(|said| said.get("error").is_some()).count();
    }
    assert_eq!(waiting(&a).await, UNVERIFIED_PER_ORIGIN_MAX);
    assert_eq!(refused, usize::try_from(sent - UNVERIFIED_PER_ORIGIN_MAX).unwrap());
    let began = world.handles.clock.monotonic();
    world.until("them to be given up", || async { waiting(&a).await == 0 }).await;
    assert!(world.handles.clock.monotonic() - began > STAGED_HORIZON - Duration::from_secs(3600));
    // The room goes on meanwhile and after.
    a.say(&room, "@alice:a.test", "still here").await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_can_have_so_many_events_wait_and_no_more() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let waiting = evil.next(&of_peer, message("@eve:evil.test", "waits in many rooms"));
    let fill = a.database.write(move |tx| {
        for number in 0..STAGED_PER_ORIGIN_MAX - 1 {
            staging::insert(tx, RoomNumber(1_000_000 + number), &name("evil.test"), &waiting, 0)?;
        }
        Ok::<_, StoreError>(())
    });
    fill.await.unwrap();
    let (first, second) =
        (evil.next(&of_peer, message("@eve:evil.test", "1")), evil.next(&of_peer, message("@eve:evil.test", "2")));
    let said = evil.send(&a, &[object(&first), object(&second)]).await;
    assert_eq!(said[first.event_id().as_str()], json!({}));
    assert!(said[second.event_id().as_str()]["error"].is_string(), "{said}");
    // Others have their own.
    let good = world.peer("good.test").await;
    let of_good = good.join(&a, &room, V, "@gil:good.test").await;
    let hello = good.next(&of_good, message("@gil:good.test", "hello"));
    good.send(&a, &[object(&hello)]).await;
    until_outcome(&world, &a, &room, &hello, Outcome::Accepted).await;
}

#[tokio::test(start_paused = true)]
async fn a_mangled_event_is_redacted_and_a_full_copy_takes_its_place() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let whole = evil.add(&mut of_peer, message("@eve:evil.test", "the real words"));
    let mut mangled = object(&whole);
    mangled["content"]["body"] = json!("other words");
    assert_eq!(evil.send(&a, &[mangled]).await, json!({ whole.event_id().as_str(): {} }));
    until_outcome(&world, &a, &room, &whole, Outcome::Accepted).await;
    let shown = a.visible(&room, whole.event_id()).await.unwrap();
    assert!(shown.is_mangled() && shown.content().is_empty());
    evil.send(&a, &[object(&whole)]).await;
    let shown = a.visible(&room, whole.event_id()).await.unwrap();
    assert!(!shown.is_mangled());
    assert_eq!(shown.content()["body"], "the real words");
    // And not the other way round.
    let mut mangled = object(&whole);
    mangled["content"]["body"] = json!("other words");
    evil.send(&a, &[mangled]).await;
    assert_eq!(a.visible(&room, whole.event_id()).await.unwrap().content()["body"], "the real words");
}

#[tokio::test(start_paused = true)]
async fn what_has_no_id_is_skipped() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let good = evil.add(&mut of_peer, message("@eve:evil.test", "good"));
    let mut float = object(&evil.next(&of_peer, message("@eve:evil.test", "float")));
    float["content"]["number"] = json!(1.5);
    let mut nowhere = object(&good);
    nowhere["room_id"] = json!("!nowhere:evil.test");
    let mut no_room = object(&good);
    no_room.as_object_mut().unwrap().remove("room_id");
    // What stands in `unsigned` is not part of the event.
    let mut with_unsigned = object(&good);
    with_unsigned["unsigned"] = json!({ "age": 1.5 });
    let said = evil.send(&a, &[json!(7), json!("text"), float, nowhere, no_room, with_unsigned]).await;
    assert_eq!(said, json!({ good.event_id().as_str(): {} }));
    until_outcome(&world, &a, &room, &good, Outcome::Accepted).await;
}

#[tokio::test(start_paused = true)]
async fn too_many_parents_are_refused_in_a_transaction() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared(&world).await;
    let draft = message("@eve:evil.test", "many");
    let prev = |n: usize| EventId::parse(format!("${}", format!("{n:02}").repeat(21) + "A")).unwrap();
    let many = evil.sign(&room, V, &draft, (0..21).map(prev).collect(), of_peer.auth_events(&draft), 9);
    let said = evil.send(&a, &[object(&many)]).await;
    assert!(said[many.event_id().as_str()]["error"].is_string(), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_slowly_holds_up_nobody_else() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    evil.add(&mut of_peer, message("@eve:evil.test", "kept back"));
    let last = evil.add(&mut of_peer, message("@eve:evil.test", "last"));
    evil.is_slow("get_missing_events", Duration::from_secs(50));
    evil.send(&a, &[object(&last)]).await;
    world.until("a.test to ask", || async { evil.asked("get_missing_events") > 0 }).await;
    let began = world.handles.clock.monotonic();
    a.say(&room, "@alice:a.test", "hello").await;
    assert!(world.handles.clock.monotonic() - began < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_slowly_delays_no_events_of_others() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let good = world.peer("good.test").await;
    let mut of_good = good.join(&a, &room, V, "@gil:good.test").await;
    // Many events, each of which needs something that the peer gives nobody.
    evil.is_slow("", Duration::from_secs(55));
    for n in 0..20 {
        evil.add(&mut of_peer, message("@eve:evil.test", &format!("kept back {n}")));
        let last = evil.add(&mut of_peer, message("@eve:evil.test", &format!("last {n}")));
        evil.send(&a, &[object(&last)]).await;
    }
    world.until("a.test to ask", || async { evil.asked("get_missing_events") > 0 }).await;
    let began = world.handles.clock.monotonic();
    let hello = good.add(&mut of_good, message("@gil:good.test", "hello"));
    good.send(&a, &[object(&hello)]).await;
    until_outcome(&world, &a, &room, &hello, Outcome::Accepted).await;
    assert!(world.handles.clock.monotonic() - began < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_is_staged_is_not_fetched() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let good = world.peer("good.test").await;
    let of_good = good.join(&a, &room, V, "@gil:good.test").await;
    // Eve's message waits, since it builds on one that nobody gives; Gil's builds on Eve's; at last the first one comes.
    let first = evil.add(&mut of_peer, message("@eve:evil.test", "first"));
    let second = evil.add(&mut of_peer, message("@eve:evil.test", "second"));
    evil.send(&a, &[object(&second)]).await;
    world.until("a.test to ask", || async { evil.asked("get_missing_events") > 0 }).await;
    let draft = message("@gil:good.test", "third");
    let parents = vec![of_good.line[0].event_id().clone(), second.event_id().clone()];
    let third = good.sign(&room, V, &draft, parents, of_good.auth_events(&draft), 99);
    evil.send(&a, &[object(&first)]).await;
    until_outcome(&world, &a, &room, &first, Outcome::Accepted).await;
    let asked = (evil.asked("get_missing_events"), good.asked("get_missing_events"));
    good.send(&a, &[object(&third)]).await;
    until_outcome(&world, &a, &room, &third, Outcome::Accepted).await;
    assert_eq!(a.outcome(&room, second.event_id()).await, Some(Outcome::Accepted));
    assert_eq!((evil.asked("get_missing_events"), good.asked("get_missing_events")), asked);
}

#[tokio::test(start_paused = true)]
async fn an_auth_chain_brings_nothing_that_is_not_cited() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let mallory = "@mallory:evil.test";
    // A membership that a.test is not told of, and that the message cites.
    let join = evil.next(&of_peer, draft(mallory, "m.room.member", Some(mallory), json!({ "membership": "join" })));
    let stuffing: Vec<Pdu> =
        (0..20).map(|n| evil.next(&of_peer, state("@eve:evil.test", &format!("org.example.{n}"), json!({})))).collect();
    let last = of_peer.line.last().unwrap().event_id().clone();
    of_peer.line.push(join.clone());
    let draft = message(mallory, "hello");
    let hello = evil.sign(&room, V, &draft, vec![last], of_peer.auth_events(&draft), 99);
    let chain: Vec<Value> = std::iter::once(&join).chain(&stuffing).map(object).collect();
    evil.answers("event_auth", move |_| (200, json!({ "auth_chain": chain })));
    evil.send(&a, &[object(&hello)]).await;
    // By the state before it, Mallory is not in the room.
    until_outcome(&world, &a, &room, &hello, Outcome::Rejected).await;
    assert!(is_stored(&a, &room, join.event_id()).await);
    for pdu in &stuffing {
        assert!(!is_stored(&a, &room, pdu.event_id()).await);
    }
}

/// Rejected events are in no list. Who builds on one, since it did not know better, is understood all the same.
#[tokio::test(start_paused = true)]
async fn a_rejected_parent_that_no_list_has_is_asked_for_by_itself() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let seize = || state("@eve:evil.test", "m.room.topic", json!({ "topic": "mine" }));
    let refused = [evil.add(&mut of_peer, seize()), evil.add(&mut of_peer, seize())];
    of_peer.base.retain(|pdu| pdu.event_type() != "m.room.topic");
    let last = evil.add(&mut of_peer, message("@eve:evil.test", "after it"));
    evil.host(&of_peer);
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    evil.answers("state_ids", |_| (404, json!({ "errcode": "M_NOT_FOUND", "error": "it was rejected" })));
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room, &last, Outcome::Accepted).await;
    for event in refused {
        assert_eq!(a.outcome(&room, event.event_id()).await, Some(Outcome::Rejected));
    }
    assert_eq!(a.extremities(&room).await, [last.event_id().clone()]);
}

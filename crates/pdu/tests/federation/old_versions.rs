//! Room versions 1 to 5: ids that are chosen, numbers of any kind.

use events::RoomVersion::{V1, V2, V3, V4, V5};
use events::{EventId, Object, Pdu, RoomVersion, Value};
use http::Method;
use pdu::Draft;
use persistence::transactions::graph::Outcome;
use serde_json::json;

use crate::peer::{Peer, PeerRoom, object};
use crate::receiving::{shared_in, until_outcome};
use crate::world::{Server, World, draft, message};

const OLD: [RoomVersion; 5] = [V1, V2, V3, V4, V5];
const EVE: &str = "@eve:evil.test";

/// Numbers that canonical JSON does not have.
fn odd_numbers() -> Value {
    serde_json::from_str(r#"{ "body": "x", "n": [1.5, 1e3, -0.0, 9007199254740993, 123456789012345678901234567890] }"#)
        .unwrap()
}

/// The PDUs that came to a peer with this body.
fn with_body(peer: &Peer, body: &str) -> Vec<Value> {
    peer.received().into_iter().filter(|pdu| pdu["content"]["body"] == body).collect()
}

#[tokio::test(start_paused = true)]
async fn servers_talk_in_rooms_of_every_version() {
    for version in OLD {
        let world = World::new();
        let (a, b) = (world.server("a.test").await, world.server("b.test").await);
        let evil = world.peer("evil.test").await;
        let room = a.create_room("@alice:a.test", version).await;
        b.join(&room, "@bob:b.test", &[&a.name]).await.unwrap();
        let mut of_peer = evil.join(&a, &room, version, EVE).await;
        world
            .until("b.test to know of the peer", || async { b.current(&room, "m.room.member", EVE).await.is_some() })
            .await;
        let said = b.say(&room, "@bob:b.test", "from b").await;
        let arrived = || async { a.outcome(&room, &said).await.is_some() && !with_body(&evil, "from b").is_empty() };
        world.until("the message to arrive", arrived).await;
        assert_eq!(a.outcome(&room, &said).await, Some(Outcome::Accepted), "{version}");
        let hello = evil.add(&mut of_peer, message(EVE, "from evil"));
        evil.send(&a, &[object(&hello)]).await;
        until_outcome(&world, &a, &room, &hello, Outcome::Accepted).await;
        let event = &with_body(&evil, "from b")[0];
        if matches!(version, V1 | V2) {
            assert_eq!(event["event_id"], said.as_str());
            assert!(said.as_str().ends_with(":b.test"));
            let [id, hashes] = event["prev_events"][0].as_array().unwrap().as_slice() else { panic!("{event}") };
            let parent = b.visible(&room, &EventId::parse(id.as_str().unwrap()).unwrap()).await.unwrap();
            let hash = events::hash::reference_hash(parent.object(), version);
            assert_eq!(*hashes, json!({ "sha256": events::hash::encode_base64(hash) }));
        } else {
            assert!(event.get("event_id").is_none() && event["prev_events"][0].is_string());
        }
        let same = [a.current_state(&room).await, b.current_state(&room).await];
        assert_eq!(same[0], same[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn we_join_rooms_of_others_in_every_version() {
    for version in OLD {
        let world = World::new();
        let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
        let room = evil.make_room(EVE, version);
        evil.host(&room);
        a.join(&room.id, "@alice:a.test", &[&evil.name]).await.unwrap();
        a.say(&room.id, "@alice:a.test", "hello").await;
        world.until("the message to arrive", || async { !with_body(&evil, "hello").is_empty() }).await;
    }
}

/// The first event of an id is the event of that id, in its room.
#[tokio::test(start_paused = true)]
async fn an_id_that_is_used_again_changes_nothing() {
    for version in [V1, V2] {
        let world = World::new();
        let (a, evil, room, mut of_peer) = shared_in(&world, version).await;
        let first = evil.add(&mut of_peer, message(EVE, "first"));
        let second = evil.again(&first, json!({ "body": "second" }));
        assert_eq!(first.event_id(), second.event_id());
        evil.send(&a, &[object(&first)]).await;
        until_outcome(&world, &a, &room, &first, Outcome::Accepted).await;
        evil.send(&a, &[object(&second)]).await;
        evil.send(&a, &[object(&second), object(&first)]).await;
        let said = evil.send(&a, &[object(&second)]).await;
        assert!(said[second.event_id().as_str()]["error"].as_str().unwrap().contains("another event"), "{said}");
        assert_eq!(a.visible(&room, first.event_id()).await.unwrap().content()["body"], "first");
        // What comes after it is no worse for it.
        let third = evil.add(&mut of_peer, message(EVE, "third"));
        evil.send(&a, &[object(&third)]).await;
        until_outcome(&world, &a, &room, &third, Outcome::Accepted).await;
    }
}

/// What somebody cites is judged by what it cites itself, not by the state. It must not get into the state by another event of its
/// id that the state allows.
#[tokio::test(start_paused = true)]
async fn a_cited_event_does_not_enter_the_state_under_its_id() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared_in(&world, V1).await;
    let mallory = "@mallory:evil.test";
    let joined = evil.next(&of_peer, draft(mallory, "m.room.member", Some(mallory), json!({ "membership": "join" })));
    // Told of only by who cites it.
    let last = of_peer.line.last().unwrap().event_id().clone();
    of_peer.line.push(joined.clone());
    let hello = message(mallory, "hello");
    let hello = evil.sign(&room, V1, &hello, vec![last], of_peer.auth_events(&hello), 99);
    let chain = vec![object(&joined)];
    evil.answers("event_auth", move |_| (200, json!({ "auth_chain": chain })));
    evil.send(&a, &[object(&hello)]).await;
    until_outcome(&world, &a, &room, &hello, Outcome::Rejected).await;
    let other = evil.again(&joined, json!({ "membership": "join", "displayname": "another" }));
    let said = evil.send(&a, &[object(&other)]).await;
    assert!(said[other.event_id().as_str()]["error"].is_string(), "{said}");
    assert_eq!(a.current(&room, "m.room.member", mallory).await, None);
}

/// A full copy takes the place of a mangled one, but not another event: what was judged is what is kept.
#[tokio::test(start_paused = true)]
async fn a_mangled_event_is_replaced_by_no_other_of_its_id() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared_in(&world, V1).await;
    let topic = evil.add(&mut of_peer, message(EVE, "the real words"));
    let mut mangled = object(&topic);
    mangled["content"]["body"] = json!("other words");
    evil.send(&a, &[mangled]).await;
    until_outcome(&world, &a, &room, &topic, Outcome::Accepted).await;
    let another = evil.again(&topic, json!({ "body": "another event" }));
    evil.send(&a, &[object(&another)]).await;
    assert!(a.visible(&room, topic.event_id()).await.unwrap().is_mangled());
    evil.send(&a, &[object(&topic)]).await;
    assert_eq!(a.visible(&room, topic.event_id()).await.unwrap().content()["body"], "the real words");
}

#[tokio::test(start_paused = true)]
async fn an_id_may_be_used_in_two_rooms() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared_in(&world, V1).await;
    let other = a.create_room("@alice:a.test", V1).await;
    let of_other = evil.join(&a, &other, V1, EVE).await;
    let here = evil.add(&mut of_peer, message(EVE, "here"));
    let mut there = object(&evil.next(&of_other, message(EVE, "there")));
    there["event_id"] = json!(here.event_id());
    let there = evil.signed(there);
    evil.send(&a, &[object(&here), there]).await;
    until_outcome(&world, &a, &room, &here, Outcome::Accepted).await;
    until_outcome(&world, &a, &other, &here, Outcome::Accepted).await;
    for (room, body) in [(&room, "here"), (&other, "there")] {
        assert_eq!(a.visible(room, here.event_id()).await.unwrap().content()["body"], body);
    }
    // A redaction counts in its own room only.
    let redaction = Draft { redacts: Some(here.event_id().clone()), ..draft(EVE, "m.room.redaction", None, json!({})) };
    let redaction = evil.add(&mut of_peer, redaction);
    evil.send(&a, &[object(&redaction)]).await;
    until_outcome(&world, &a, &room, &redaction, Outcome::Accepted).await;
    assert!(a.visible(&room, here.event_id()).await.unwrap().content().is_empty());
    assert_eq!(a.visible(&other, here.event_id()).await.unwrap().content()["body"], "there");
}

/// An id names a server, and nobody else may choose it.
#[tokio::test(start_paused = true)]
async fn an_id_of_another_server_needs_its_signature() {
    let world = World::new();
    let (a, evil, room, of_peer) = shared_in(&world, V1).await;
    let mut stolen = object(&evil.next(&of_peer, message(EVE, "stolen")));
    stolen["event_id"] = json!("$mine:a.test");
    let said = evil.send(&a, &[evil.signed(stolen)]).await;
    assert!(said["$mine:a.test"]["error"].as_str().unwrap().contains("a.test"), "{said}");
    assert_eq!(a.outcome(&room, &EventId::parse("$mine:a.test").unwrap()).await, None);
}

/// They are hashed as the reference implementation writes them, come with others in a transaction, and go on to others in one.
#[tokio::test(start_paused = true)]
async fn odd_numbers_break_no_transaction() {
    for version in OLD {
        let world = World::new();
        let (a, evil, room, mut of_peer) = shared_in(&world, version).await;
        let before = evil.add(&mut of_peer, message(EVE, "before"));
        let odd = evil.add(&mut of_peer, Draft { content: as_object(odd_numbers()), ..message(EVE, "") });
        let after = evil.add(&mut of_peer, message(EVE, "after"));
        let said = evil.send(&a, &[object(&before), object(&odd), object(&after)]).await;
        assert_eq!(said[odd.event_id().as_str()], json!({}), "{version}");
        until_outcome(&world, &a, &room, &after, Outcome::Accepted).await;
        let kept = a.visible(&room, odd.event_id()).await.unwrap();
        assert!(!kept.is_mangled());
        assert_eq!(kept.to_json(), odd.to_json());

        let ours = Draft { content: as_object(odd_numbers()), ..message("@alice:a.test", "") };
        a.send(&room, ours).await.unwrap();
        a.say(&room, "@alice:a.test", "behind it").await;
        world.until("what follows to arrive", || async { !with_body(&evil, "behind it").is_empty() }).await;
        let ours = with_body(&evil, "x").pop().expect("it has come too");
        assert!(hash_matches(&ours), "{version}: {ours}");
    }
}

/// Numbers that Python cannot write are in no event.
#[tokio::test(start_paused = true)]
async fn numbers_without_an_end_are_refused_alone() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared_in(&world, V3).await;
    let good = evil.add(&mut of_peer, message(EVE, "good"));
    let mut endless = object(&evil.next(&of_peer, message(EVE, "endless")));
    endless["content"]["n"] = serde_json::from_str("1e400").unwrap();
    let said = evil.send(&a, &[endless, object(&good)]).await;
    let refused: Vec<&Value> = said.as_object().unwrap().values().filter(|about| about["error"].is_string()).collect();
    assert_eq!((refused.len(), &said[good.event_id().as_str()]), (1, &json!({})), "{said}");
    until_outcome(&world, &a, &room, &good, Outcome::Accepted).await;
}

/// In versions 1 and 2 whether somebody may redact is decided when the redaction comes in; later when it meets its target.
#[tokio::test(start_paused = true)]
async fn redactions_follow_the_version() {
    for version in OLD {
        let world = World::new();
        let (a, evil, room, mut of_peer) = shared_in(&world, version).await;
        let alices = a.say(&room, "@alice:a.test", "words of alice").await;
        let own = evil.add(&mut of_peer, message(EVE, "own words"));
        let redaction =
            |of: &EventId| Draft { redacts: Some(of.clone()), ..draft(EVE, "m.room.redaction", None, json!({})) };
        let of_own = evil.add(&mut of_peer, redaction(own.event_id()));
        let of_alices = evil.next(&of_peer, redaction(&alices));
        evil.send(&a, &[object(&own), object(&of_own), object(&of_alices)]).await;
        until_outcome(&world, &a, &room, &of_own, Outcome::Accepted).await;
        let outcome = if matches!(version, V1 | V2) { Outcome::Rejected } else { Outcome::Accepted };
        until_outcome(&world, &a, &room, &of_alices, outcome).await;
        assert!(a.visible(&room, own.event_id()).await.unwrap().content().is_empty(), "{version}");
        assert_eq!(a.visible(&room, &alices).await.unwrap().content()["body"], "words of alice", "{version}");
    }
}

/// `PUT /v1/invite` names no version: its rooms have version 1 or 2, and we may know which.
#[tokio::test(start_paused = true)]
async fn invites_of_old_servers_are_understood() {
    for version in [V1, V2] {
        let world = World::new();
        let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
        let room = evil.make_room(EVE, version);
        let alice = "@alice:a.test";
        if version == V2 {
            // Somebody here was invited before, in words that name the version.
            let before = evil.next(&room, member("@amy:a.test", "invite"));
            let body = json!({ "room_version": "2", "event": object(&before), "invite_room_state": [] });
            put_invite(&evil, &a, "v2", &room, &before, body).await;
        }
        let invite = evil.next(&room, member(alice, "invite"));
        let mut body = object(&invite);
        body["unsigned"] = json!({ "invite_room_state": [
            { "type": "m.room.name", "state_key": "", "sender": EVE, "content": { "name": "a room" } },
        ]});
        let answer = put_invite(&evil, &a, "v1", &room, &invite, body).await;
        assert!(answer[1]["event"]["signatures"]["a.test"].is_object(), "{answer}");
        let standing = a.standing(&room.id, alice).await.unwrap();
        assert_eq!(standing.membership, "invite");
        assert!(standing.stripped.unwrap().contains("a room"));
        evil.host(&room);
        a.join(&room.id, alice, &[&evil.name]).await.unwrap();
        assert_eq!(a.standing(&room.id, alice).await.unwrap().membership, "join");
    }
}

async fn put_invite(evil: &Peer, a: &Server, endpoint: &str, room: &PeerRoom, invite: &Pdu, body: Value) -> Value {
    let path = format!("{endpoint}/invite/{}/{}", room.id, invite.event_id());
    evil.ask(a, Method::PUT, &path, Some(body)).await.unwrap()
}

fn member(user: &str, membership: &str) -> Draft {
    draft(EVE, "m.room.member", Some(user), json!({ "membership": membership }))
}

fn as_object(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

fn hash_matches(event: &Value) -> bool {
    events::hash::content_hash_matches(event.as_object().unwrap())
}

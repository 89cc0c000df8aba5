//! Events that claim another depth than they have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use events::{Pdu, RoomVersion};
use persistence::transactions::graph::Outcome;
use serde_json::json;

use crate::history::joined_late;
use crate::peer::{PeerRoom, object, objects};
use crate::receiving::until_outcome;
use crate::world::{World, message};

const V: RoomVersion = RoomVersion::V11;

/// A depth is what whoever made the event says, and what honest servers build on it is one deeper.
#[tokio::test(start_paused = true)]
async fn what_builds_on_the_room_is_news_whatever_depth_it_claims() {
    let world = World::new();
    let (a, evil, mut room, _) = joined_late(&world).await;
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    room.line.push(a.visible(&room.id, &join).await.unwrap());
    let add_at = |room: &mut PeerRoom, sender: &str, depth: i64| {
        let draft = message(sender, &format!("at depth {depth}"));
        let parent = room.line.last().unwrap().event_id().clone();
        let pdu = evil.sign(&room.id, V, &draft, vec![parent], room.auth_events(&draft), depth);
        room.line.push(pdu.clone());
        pdu
    };
    let missed = evil.add(&mut room, message("@eve:evil.test", "missed"));
    let shallow = add_at(&mut room, "@eve:evil.test", 0);
    let after = add_at(&mut room, "@eve:evil.test", 1);
    evil.host(&room);
    evil.send(&a, &[object(&after)]).await;
    until_outcome(&world, &a, &room.id, &after, Outcome::Accepted).await;
    for pdu in [&missed, &shallow] {
        assert!(a.place(&room.id, pdu.event_id()).await.is_some_and(|place| place.arrival.is_some()));
    }
    // What is rejected is in no list, and asked for by itself.
    let refused = add_at(&mut room, "@nobody:evil.test", 2);
    let refused_too = add_at(&mut room, "@nobody:evil.test", 3);
    let last = add_at(&mut room, "@eve:evil.test", 4);
    evil.host(&room);
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    evil.answers("state_ids", |_| (404, json!({ "errcode": "M_NOT_FOUND", "error": "it was rejected" })));
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room.id, &last, Outcome::Accepted).await;
    for pdu in [&refused, &refused_too] {
        assert_eq!(a.outcome(&room.id, pdu.event_id()).await, Some(Outcome::Rejected));
    }
}

/// Other servers leave it out of their lists, for its depth: it is asked for by itself, and builds on what is in them.
#[tokio::test(start_paused = true)]
async fn what_builds_on_what_was_fetched_before_is_news_whatever_depth_it_claims() {
    let world = World::new();
    let (a, evil, mut room, _) = joined_late(&world).await;
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    room.line.push(a.visible(&room.id, &join).await.unwrap());
    let missed = evil.add(&mut room, message("@eve:evil.test", "missed"));
    let mut add_at = |parents: &[&Pdu], depth: i64| {
        let draft = message("@eve:evil.test", &format!("at depth {depth}"));
        let parents = parents.iter().map(|pdu| pdu.event_id().clone()).collect();
        let pdu = evil.sign(&room.id, V, &draft, parents, room.auth_events(&draft), depth);
        room.line.push(pdu.clone());
        pdu
    };
    let shallow = add_at(&[&missed], 0);
    let last = add_at(&[&missed, &shallow], missed.depth() + 1);
    evil.host(&room);
    let listed = objects([&missed].into_iter());
    evil.answers("get_missing_events", move |_| (200, json!({ "events": listed })));
    evil.send(&a, &[object(&last)]).await;
    until_outcome(&world, &a, &room.id, &last, Outcome::Accepted).await;
    for pdu in [&missed, &shallow] {
        assert!(a.place(&room.id, pdu.event_id()).await.is_some_and(|place| place.arrival.is_some()));
    }
    assert_eq!(evil.asked("state_ids"), 0, "nothing is told that follows from what is here");
}

/// What cannot be had at first, or not be checked, is had with its state a moment later; it is not history for that.
#[tokio::test(start_paused = true)]
async fn what_is_given_late_and_builds_on_the_room_is_news_whatever_depth_it_claims() {
    let world = World::new();
    let (a, evil, mut room, _) = joined_late(&world).await;
    let join = a.current(&room.id, "m.room.member", "@alice:a.test").await.unwrap();
    room.line.push(a.visible(&room.id, &join).await.unwrap());
    for depth in 0..3 {
        let draft = message("@eve:evil.test", &format!("at depth {depth}"));
        let parent = room.line.last().unwrap().event_id().clone();
        room.line.push(evil.sign(&room.id, V, &draft, vec![parent], room.auth_events(&draft), depth));
    }
    let [.., shallow, late, last] = &room.line[..] else { panic!("three were added") };
    evil.host(&room);
    evil.answers("get_missing_events", |_| (200, json!({ "events": [] })));
    let (peer, asked) = (Arc::clone(&evil), AtomicUsize::new(0));
    evil.answers(&format!("v1/event/{}", late.event_id().as_str().replace('$', "%24")), move |request| {
        match asked.fetch_add(1, Ordering::Relaxed) {
            0 => (404, json!({ "errcode": "M_NOT_FOUND", "error": "not now" })),
            _ => peer.honest(request),
        }
    });
    evil.send(&a, &[object(last)]).await;
    until_outcome(&world, &a, &room.id, last, Outcome::Accepted).await;
    for pdu in [shallow, late] {
        let place = a.place(&room.id, pdu.event_id()).await;
        assert!(place.is_some_and(|place| place.arrival.is_some()), "{:?}", pdu.content());
    }
}

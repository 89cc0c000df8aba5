//! What other servers may read.

use std::time::Duration;

use events::{EventId, RoomVersion, Value};
use http::Method;
use persistence::transactions::graph::Outcome;
use serde_json::json;
use transport::CallError;

use crate::peer::object;
use crate::receiving::{shared, until_outcome};
use crate::world::{World, draft, message, state};

const V: RoomVersion = RoomVersion::V11;

pub(crate) fn refusal(answer: Result<Value, CallError>) -> (u16, String, String) {
    match answer {
        Err(CallError::Refused { status, errcode, error, .. }) => (status, errcode, error),
        other => panic!("it was not refused: {other:?}"),
    }
}

fn listed(answer: &Value) -> Vec<String> {
    let events = answer.get("events").or_else(|| answer.get("pdus")).or_else(|| answer.get("auth_chain")).unwrap();
    let id = |event: &Value| events::hash::event_id(event.as_object().unwrap(), V).unwrap().to_string();
    events.as_array().unwrap().iter().map(id).collect()
}

#[tokio::test(start_paused = true)]
async fn an_event_of_another_room_looks_like_none() {
    let world = World::new();
    let (a, evil, room, _) = shared(&world).await;
    let secret = a.create_room("@alice:a.test", V).await;
    let event = a.say(&secret, "@alice:a.test", "secret").await;
    let none = EventId::parse(format!("${}", "n".repeat(43))).unwrap();
    for endpoint in ["event_auth/ROOM/ID", "state/ROOM?event_id=ID", "state_ids/ROOM?event_id=ID", "event/ID"] {
        let ask = |id: &EventId| {
            let path = endpoint.replace("ROOM", room.as_str()).replace("ID", id.as_str());
            let (a, evil) = (&a, &evil);
            async move { refusal(evil.get(a, &format!("v1/{path}")).await) }
        };
        let (of_secret, of_none) = (ask(&event).await, ask(&none).await);
        assert_eq!(of_secret.0, 404, "{endpoint}");
        assert_eq!(of_secret.2.replace(event.as_str(), "ID"), of_none.2.replace(none.as_str(), "ID"), "{endpoint}");
        assert_eq!((of_secret.0, &of_secret.1), (of_none.0, &of_none.1), "{endpoint}");
    }
    for found in [
        evil.get(&a, &format!("v1/backfill/{room}?v={event}&limit=10")).await.unwrap(),
        evil.ask(
            &a,
            Method::POST,
            &format!("v1/get_missing_events/{room}"),
            Some(json!({ "earliest_events": [], "latest_events": [event] })),
        )
        .await
        .unwrap(),
    ] {
        assert_eq!(listed(&found), Vec::<String>::new());
    }
    // And a room that the asker is not in looks like one that there is not.
    let closed = refusal(evil.get(&a, &format!("v1/event_auth/{secret}/{event}")).await);
    let nowhere = refusal(evil.get(&a, &format!("v1/event_auth/!nowhere:a.test/{event}")).await);
    assert_eq!(closed.2.replace(secret.as_str(), "ROOM"), nowhere.2.replace("!nowhere:a.test", "ROOM"));
    assert_eq!((closed.0, closed.1), (403, nowhere.1));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_left_reads_nothing_more() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let event = a.say(&room, "@alice:a.test", "while it was there").await;
    assert!(evil.get(&a, &format!("v1/event/{event}")).await.is_ok());
    let leave = evil.add(
        &mut of_peer,
        draft("@eve:evil.test", "m.room.member", Some("@eve:evil.test"), json!({ "membership": "leave" })),
    );
    evil.send(&a, &[object(&leave)]).await;
    until_outcome(&world, &a, &room, &leave, Outcome::Accepted).await;
    assert_eq!(refusal(evil.get(&a, &format!("v1/event/{event}")).await).0, 404);
    assert_eq!(refusal(evil.get(&a, &format!("v1/backfill/{room}?v={event}&limit=10")).await).0, 403);
}

#[tokio::test(start_paused = true)]
async fn rejected_events_are_given_by_their_id_alone() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let rejected = evil.add(&mut of_peer, state("@eve:evil.test", "m.room.topic", json!({ "topic": "mine" })));
    let after = evil.add(&mut of_peer, message("@eve:evil.test", "after"));
    evil.send(&a, &[object(&rejected), object(&after)]).await;
    until_outcome(&world, &a, &room, &after, Outcome::Accepted).await;
    assert_eq!(a.outcome(&room, rejected.event_id()).await, Some(Outcome::Rejected));
    let id = rejected.event_id();
    let last = after.event_id();
    let backfilled = evil.get(&a, &format!("v1/backfill/{room}?v={last}&limit=10")).await.unwrap();
    assert!(listed(&backfilled).contains(&last.to_string()) && !listed(&backfilled).contains(&id.to_string()));
    assert!(listed(&backfilled).len() > 3, "the walk goes on behind it");
    let body = json!({ "earliest_events": [], "latest_events": [last], "limit": 20 });
    let missing = evil.ask(&a, Method::POST, &format!("v1/get_missing_events/{room}"), Some(body)).await.unwrap();
    assert!(!listed(&missing).contains(&id.to_string()) && !listed(&missing).is_empty());
    for path in [
        format!("event_auth/{room}/{id}"),
        format!("state/{room}?event_id={id}"),
        format!("state_ids/{room}?event_id={id}"),
    ] {
        assert_eq!(refusal(evil.get(&a, &format!("v1/{path}")).await).0, 404, "{path}");
    }
    // As Synapse does: whoever builds on it needs it, to see that it changes nothing.
    assert_eq!(listed(&evil.get(&a, &format!("v1/event/{id}")).await.unwrap()), [id.to_string()]);
    // It is in no state.
    let answer = evil.get(&a, &format!("v1/state_ids/{room}?event_id={last}")).await.unwrap();
    assert!(!answer["pdu_ids"].as_array().unwrap().contains(&json!(id)));
}

#[tokio::test(start_paused = true)]
async fn soft_failed_events_are_given_where_something_names_them() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    a.send(&room, draft("@alice:a.test", "m.room.member", Some("@eve:evil.test"), json!({ "membership": "ban" })))
        .await
        .unwrap();
    let late = evil.add(&mut of_peer, message("@eve:evil.test", "from before the ban"));
    evil.send(&a, &[object(&late)]).await;
    until_outcome(&world, &a, &room, &late, Outcome::SoftFailed).await;
    // Another server that is still in the room asks.
    let good = world.peer("good.test").await;
    good.join(&a, &room, V, "@gil:good.test").await;
    let last = a.say(&room, "@alice:a.test", "last").await;
    let backfilled = good.get(&a, &format!("v1/backfill/{room}?v={last}&limit=100")).await.unwrap();
    assert!(!listed(&backfilled).contains(&late.event_id().to_string()));
    let named = good.get(&a, &format!("v1/backfill/{room}?v={}&limit=100", late.event_id())).await.unwrap();
    assert!(listed(&named).contains(&late.event_id().to_string()));
    assert!(good.get(&a, &format!("v1/event/{}", late.event_id())).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_a_server_came_is_redacted_if_the_room_wants_that() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let room = a.create_room("@alice:a.test", V).await;
    let a_moment = || world.handles.clock.sleep(Duration::from_millis(10));
    let open = a.say(&room, "@alice:a.test", "open").await;
    a_moment().await;
    a.send(&room, state("@alice:a.test", "m.room.history_visibility", json!({ "history_visibility": "joined" })))
        .await
        .unwrap();
    a_moment().await;
    let closed = a.say(&room, "@alice:a.test", "closed").await;
    a_moment().await;
    evil.join(&a, &room, V, "@eve:evil.test").await;
    let last = a.say(&room, "@alice:a.test", "last").await;
    let body_of = |event: EventId| {
        let (a, evil) = (&a, &evil);
        async move { evil.get(a, &format!("v1/event/{event}")).await.unwrap()["pdus"][0]["content"]["body"].clone() }
    };
    assert_eq!(body_of(open.clone()).await, "open");
    assert_eq!(body_of(closed.clone()).await, Value::Null);
    assert_eq!(body_of(last.clone()).await, "last");
    // What it may not read it is not told the id of, by the time either.
    let by_time = |from: &EventId, direction: &str| {
        let (a, evil, room, from, direction) = (&a, &evil, &room, from.clone(), direction.to_owned());
        async move {
            let at = a.visible(room, &from).await.unwrap().origin_server_ts();
            let path = format!("v1/timestamp_to_event/{room}?ts={at}&dir={direction}");
            evil.get(a, &path).await.map(|found| found["event_id"].as_str().unwrap().to_owned())
        }
    };
    assert_eq!(by_time(&open, "b").await.unwrap(), open.as_str());
    assert_ne!(by_time(&closed, "f").await.unwrap(), closed.as_str());
    assert_ne!(by_time(&closed, "b").await.unwrap(), closed.as_str());
    let future = format!("v1/timestamp_to_event/{room}?ts=9000000000000&dir=f");
    assert_eq!(refusal(evil.get(&a, &future).await).0, 404);
    // The chain is unbroken.
    let backfilled = evil.get(&a, &format!("v1/backfill/{room}?v={last}&limit=100")).await.unwrap();
    let ids = listed(&backfilled);
    assert!(ids.contains(&open.to_string()) && ids.contains(&closed.to_string()));
    let closed = backfilled["pdus"].as_array().unwrap().iter().find(|event| event["content"] == json!({})).unwrap();
    assert_eq!(closed["type"], "m.room.message");
}

#[tokio::test(start_paused = true)]
async fn outliers_are_found_by_no_walk() {
    let world = World::new();
    let (a, evil) = (world.server("a.test").await, world.peer("evil.test").await);
    let mut made = evil.make_room("@eve:evil.test", V);
    let old = evil.add(&mut made, state("@eve:evil.test", "m.room.topic", json!({ "topic": "first" })));
    evil.host(&made);
    a.join(&made.id, "@alice:a.test", &[&evil.name]).await.unwrap();
    assert_eq!(a.outcome(&made.id, old.event_id()).await, None, "it is an outlier");
    let join = a.current(&made.id, "m.room.member", "@alice:a.test").await.unwrap();
    let room = &made.id;
    for (v, expected) in [(old.event_id(), 0), (&join, 1)] {
        let found = evil.get(&a, &format!("v1/backfill/{room}?v={v}&limit=100")).await.unwrap();
        assert_eq!(listed(&found).len(), expected);
    }
    let body = json!({ "earliest_events": [], "latest_events": [join, old.event_id()], "limit": 20 });
    let found = evil.ask(&a, Method::POST, &format!("v1/get_missing_events/{room}"), Some(body)).await.unwrap();
    assert_eq!(listed(&found).len(), 0);
    let id = old.event_id();
    for path in [format!("event_auth/{room}/{id}"), format!("state/{room}?event_id={id}")] {
        assert_eq!(refusal(evil.get(&a, &format!("v1/{path}")).await).0, 404, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_denied_server_is_refused_on_every_endpoint_that_the_specification_names() {
    let world = World::new();
    let (a, evil, room, mut of_peer) = shared(&world).await;
    let event = a.say(&room, "@alice:a.test", "hello").await;
    let acl = json!({ "allow": ["*"], "deny": ["evil.*"], "allow_ip_literals": false });
    a.send(&room, state("@alice:a.test", "m.room.server_acl", acl)).await.unwrap();
    let late = evil.add(&mut of_peer, message("@eve:evil.test", "late"));
    let said = evil.send(&a, &[object(&late)]).await;
    assert!(said[late.event_id().as_str()]["error"].as_str().unwrap().contains("ACL"), "{said}");
    let user = "@eve:evil.test";
    let member = |membership: &str| {
        object(&evil.next(&of_peer, draft(user, "m.room.member", Some(user), json!({ "membership": membership }))))
    };
    let id = |event: &Value| events::hash::event_id(event.as_object().unwrap(), V).unwrap();
    let (join, leave, knock) = (member("join"), member("leave"), member("knock"));
    let invite = object(
        &evil.next(&of_peer, draft(user, "m.room.member", Some("@alan:a.test"), json!({ "membership": "invite" }))),
    );
    let invited = json!({ "room_version": V.as_str(), "event": invite, "invite_room_state": [] });
    let missing = json!({ "earliest_events": [], "latest_events": [event] });
    for (method, path, body) in [
        (Method::GET, format!("v1/make_join/{room}/{user}?ver=11"), None),
        (Method::GET, format!("v1/make_leave/{room}/{user}"), None),
        (Method::GET, format!("v1/make_knock/{room}/{user}?ver=11"), None),
        (Method::PUT, format!("v1/send_join/{room}/{}", id(&join)), Some(join.clone())),
        (Method::PUT, format!("v2/send_join/{room}/{}", id(&join)), Some(join)),
        (Method::PUT, format!("v1/send_leave/{room}/{}", id(&leave)), Some(leave.clone())),
        (Method::PUT, format!("v2/send_leave/{room}/{}", id(&leave)), Some(leave)),
        (Method::PUT, format!("v1/send_knock/{room}/{}", id(&knock)), Some(knock)),
        (Method::PUT, format!("v2/invite/{room}/{}", id(&invite)), Some(invited)),
        (Method::PUT, format!("v2/invite/{room}/{}", id(&invite)), Some(json!({}))),
        (Method::GET, format!("v1/state/{room}?event_id={event}"), None),
        (Method::GET, format!("v1/state_ids/{room}?event_id={event}"), None),
        (Method::GET, format!("v1/backfill/{room}?v={event}&limit=10"), None),
        (Method::GET, format!("v1/event_auth/{room}/{event}"), None),
        (Method::GET, format!("v1/timestamp_to_event/{room}?ts=0&dir=f"), None),
        (Method::POST, format!("v1/get_missing_events/{room}"), Some(missing)),
    ] {
        let refused = refusal(evil.ask(&a, method, &path, body).await);
        assert_eq!((refused.0, refused.1.as_str()), (403, "M_FORBIDDEN"), "{path}: {}", refused.2);
    }
}

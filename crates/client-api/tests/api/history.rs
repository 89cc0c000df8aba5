//! Pages of history, what surrounds an event, members and state.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Server, server, servers};
use crate::rooms::{bodies, escaped, keys};

const ALICE: &str = "@alice:a.test";
const BOB: &str = "@bob:a.test";

#[tokio::test(start_paused = true)]
async fn a_token_of_a_sync_divides_before_from_after() {
    let server = server().await;
    let alice = server.register("alice").await;
    let room = server.room(&alice).await;
    for number in 0..3 {
        server.say(&alice, &room, &format!("before {number}")).await;
    }
    let token = server.sync(&alice, "").await["next_batch"].as_str().unwrap().to_owned();
    for number in 0..5 {
        server.say(&alice, &room, &format!("after {number}")).await;
    }
    let page = |query: String| {
        let (server, alice, room) = (&server, &alice, &room);
        async move { server.read(alice, room, &format!("messages?{query}")).await }
    };
    let before = page(format!("dir=b&from={token}&limit=3")).await;
    assert_eq!(bodies(&before["chunk"]), ["before 2", "before 1", "before 0"]);
    assert_eq!(before["start"], token.as_str());
    let after = page(format!("dir=f&from={token}&limit=2")).await;
    assert_eq!(bodies(&after["chunk"]), ["after 0", "after 1"]);
    let rest = page(format!("dir=f&from={}&limit=10", after["end"].as_str().unwrap())).await;
    assert_eq!(bodies(&rest["chunk"]), ["after 2", "after 3", "after 4"]);
    assert!(rest.get("end").is_none(), "nothing comes after");
    let newest = page("dir=b&limit=2".to_owned()).await;
    let between = page(format!("dir=b&from={}&to={token}&limit=10", newest["end"].as_str().unwrap())).await;
    assert_eq!(bodies(&between["chunk"]), ["after 2", "after 1", "after 0"]);
    let mut from = before["end"].as_str().unwrap().to_owned();
    let mut seen = Vec::new();
    loop {
        let next = page(format!("dir=b&from={from}&limit=2")).await;
        seen.extend(bodies(&next["chunk"]));
        match next.get("end") {
            Some(end) => from = end.as_str().unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.last().map(String::as_str), Some("m.room.create"), "{seen:?}");
    let path = format!("v3/rooms/{}/messages", escaped(&room));
    assert_eq!(server.get(&path, &alice).await.error(), (400, "M_MISSING_PARAM"));
    for query in ["dir=x", "dir=b&from=zzz", "dir=b&filter=7", "dir=f&to=t1", "dir=b&limit=x"] {
        assert_eq!(server.get(&format!("{path}?{query}"), &alice).await.error(), (400, "M_INVALID_PARAM"), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_and_contexts_are_filtered_and_bring_their_members() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room(&alice).await;
    server.join(&bob, &room).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(server.say(&bob, &room, &format!("{number}")).await);
        server.set(&alice, &room, "m.room.topic", json!({ "topic": number.to_string() })).await;
    }
    let filter = escaped(&json!({ "types": ["m.room.message"], "lazy_load_members": true }).to_string());
    let page = server.read(&alice, &room, &format!("messages?dir=b&limit=4&filter={filter}")).await;
    assert_eq!(bodies(&page["chunk"]), ["5", "4", "3", "2"]);
    assert_eq!(keys(&page["state"]), [format!("m.room.member {BOB}")]);

    let context = |limit: usize, filter: &str| {
        let (server, alice, room, id) = (&server, &alice, &room, escaped(&ids[2]));
        let path = format!("context/{id}?limit={limit}&filter={filter}");
        async move { server.read(alice, room, &path).await }
    };
    let around = context(3, &filter).await;
    assert_eq!(around["event"]["content"]["body"], "2");
    assert_eq!(bodies(&around["events_before"]), ["1"]);
    assert_eq!(bodies(&around["events_after"]), ["3", "4"]);
    assert_eq!(around["state"], json!([]), "only messages pass the filter");
    let alone = context(0, "%7B%7D").await;
    assert_eq!((&alone["events_before"], &alone["events_after"]), (&json!([]), &json!([])));
    let topic = alone["state"].as_array().unwrap().iter().find(|event| event["type"] == "m.room.topic").unwrap();
    assert_eq!(topic["content"]["topic"], "1", "the state is that at the event");
    let on = around["end"].as_str().unwrap();
    let next = server.read(&alice, &room, &format!("messages?dir=f&from={on}&limit=9&filter={filter}")).await;
    assert_eq!(bodies(&next["chunk"]), ["5"]);
    let back = around["start"].as_str().unwrap();
    let next = server.read(&alice, &room, &format!("messages?dir=b&from={back}&limit=1&filter={filter}")).await;
    assert_eq!(bodies(&next["chunk"]), ["0"]);
}

#[tokio::test(start_paused = true)]
async fn members_are_those_of_the_moment_asked_for() {
    let server = server().await;
    let (alice, bob, carol) =
        (server.register("alice").await, server.register("bob").await, server.register("carol").await);
    let room = server.room(&alice).await;
    server.join(&bob, &room).await;
    let early = server.sync(&alice, "").await;
    let early = early["next_batch"].as_str().unwrap();
    server.join(&carol, &room).await;
    server.act(&bob, &room, "leave", json!({})).await;
    let members = |query: &str| {
        let (server, alice, room, path) = (&server, &alice, &room, format!("members?{query}"));
        async move { keys(&server.read(alice, room, &path).await["chunk"]) }
    };
    let of = |users: &[&str]| -> Vec<String> { users.iter().map(|user| format!("m.room.member {user}")).collect() };
    let carol_id = "@carol:a.test";
    assert_eq!(members("").await, of(&[ALICE, BOB, carol_id]));
    assert_eq!(members("membership=join").await, of(&[ALICE, carol_id]));
    assert_eq!(members("not_membership=join").await, of(&[BOB]));
    assert_eq!(members("membership=join&not_membership=leave").await, of(&[ALICE, carol_id]), "either is enough");
    assert_eq!(members(&format!("at={early}&membership=join")).await, of(&[ALICE, BOB]));
    let joined = server.read(&alice, &room, "joined_members").await;
    assert_eq!(joined["joined"].as_object().unwrap().keys().collect::<Vec<_>>(), [ALICE, carol_id]);
    let room_path = |what: &str| format!("v3/rooms/{}/{what}", escaped(&room));
    assert_eq!(server.get(&room_path("members?membership=x"), &alice).await.error(), (400, "M_INVALID_PARAM"));
    assert_eq!(server.get(&room_path("joined_members"), &bob).await.error(), (403, "M_FORBIDDEN"));
    let at_leave = server.get(&room_path("members"), &bob).await.ok();
    assert_eq!(keys(&at_leave["chunk"]), of(&[ALICE, BOB, carol_id]));

    let whole = server.get(&room_path("state/m.room.create/?format=event"), &alice).await.ok();
    assert_eq!((&whole["type"], &whole["room_id"]), (&json!("m.room.create"), &json!(room)));
    assert_eq!(server.get(&room_path("state/m.room.create"), &alice).await.ok()["room_version"], "11");
    assert_eq!(server.get(&room_path("state/m.room.topic"), &alice).await.error(), (404, "M_NOT_FOUND"));
    assert_eq!(server.get(&room_path("state/m.room.create?format=x"), &alice).await.error(), (400, "M_INVALID_PARAM"));
    let dave = server.register("dave").await;
    for what in ["state", "state/m.room.create", "members", "messages?dir=b"] {
        assert_eq!(server.get(&room_path(what), &dave).await.error(), (403, "M_FORBIDDEN"), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_never_came_in_sees_nothing_of_a_shared_history() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room_with(&alice, json!({ "preset": "private_chat" })).await;
    let event = server.say(&alice, &room, "secret").await;
    let path = format!("v3/rooms/{}/event/{}", escaped(&room), escaped(&event));
    server.act(&alice, &room, "invite", json!({ "user_id": BOB })).await;
    assert_eq!(server.get(&path, &bob).await.error(), (404, "M_NOT_FOUND"));
    server.act(&bob, &room, "leave", json!({})).await;
    assert_eq!(server.get(&path, &bob).await.error(), (404, "M_NOT_FOUND"), "a refused invite opens nothing");
    server.act(&alice, &room, "invite", json!({ "user_id": BOB })).await;
    server.join(&bob, &room).await;
    assert_eq!(server.get(&path, &bob).await.ok()["content"]["body"], "secret");
    server.act(&bob, &room, "leave", json!({})).await;
    server.act(&alice, &room, "ban", json!({ "user_id": BOB })).await;
    assert_eq!(server.get(&path, &bob).await.ok()["content"]["body"], "secret", "what was seen stays");
    let later = server.say(&alice, &room, "later").await;
    let path = format!("v3/rooms/{}/event/{}", escaped(&room), escaped(&later));
    assert_eq!(server.get(&path, &bob).await.error(), (404, "M_NOT_FOUND"));
}

/// The event at that time, before it or after it.
async fn by_time(server: &Server, token: &str, room: &str, at: i64, direction: &str) -> Answer {
    let path = format!("v1/rooms/{}/timestamp_to_event?ts={at}&dir={direction}", escaped(room));
    server.get(&path, token).await
}

fn id_of(answer: Answer) -> String {
    answer.ok()["event_id"].as_str().unwrap().to_owned()
}

/// Says something each minute. Returns when, and the event's id.
async fn one_a_minute(server: &Server, token: &str, room: &str, messages: usize) -> Vec<(i64, String)> {
    let mut said = Vec::new();
    for number in 0..messages {
        server.handles.clock.sleep(Duration::from_secs(60)).await;
        said.push((server.handles.clock.now(), server.say(token, room, &format!("message {number}")).await));
    }
    said
}

#[tokio::test(start_paused = true)]
async fn events_are_found_by_their_time() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room(&alice).await;
    let said = one_a_minute(&server, &alice, &room, 3).await;
    let (at, id) = &said[1];
    let found = by_time(&server, &alice, &room, *at, "f").await.ok();
    assert_eq!(found, json!({ "event_id": id, "origin_server_ts": at }));
    assert_eq!(id_of(by_time(&server, &alice, &room, *at, "b").await), *id);
    assert_eq!(id_of(by_time(&server, &alice, &room, at + 1, "f").await), said[2].1);
    assert_eq!(id_of(by_time(&server, &alice, &room, at - 1, "b").await), said[0].1);
    assert_eq!(by_time(&server, &alice, &room, said[2].0 + 1, "f").await.error(), (404, "M_NOT_FOUND"));
    assert_eq!(by_time(&server, &alice, &room, 1, "b").await.error(), (404, "M_NOT_FOUND"));
    assert_eq!(by_time(&server, &bob, &room, *at, "f").await.error(), (403, "M_FORBIDDEN"));
    let path = format!("v1/rooms/{}/timestamp_to_event", escaped(&room));
    for (query, errcode) in [
        ("", "M_MISSING_PARAM"),
        ("?ts=1", "M_MISSING_PARAM"),
        ("?dir=f", "M_MISSING_PARAM"),
        ("?ts=1&dir=x", "M_INVALID_PARAM"),
        ("?ts=x&dir=f", "M_INVALID_PARAM"),
    ] {
        assert_eq!(server.get(&format!("{path}{query}"), &alice).await.error(), (400, errcode), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn by_its_time_nobody_finds_what_is_not_for_them() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room(&alice).await;
    server.set(&alice, &room, "m.room.history_visibility", json!({ "history_visibility": "joined" })).await;
    let before = one_a_minute(&server, &alice, &room, 2).await;
    server.handles.clock.sleep(Duration::from_secs(60)).await;
    server.join(&bob, &room).await;
    server.handles.clock.sleep(Duration::from_secs(60)).await;
    let after = [(server.handles.clock.now(), server.say(&alice, &room, "for both").await)];
    let found = id_of(by_time(&server, &bob, &room, before[0].0, "f").await);
    assert!(found != before[0].1 && found != before[1].1, "his own join is what he finds");
    assert_eq!(id_of(by_time(&server, &bob, &room, after[0].0, "f").await), after[0].1);
    let ignored = json!({ "ignored_users": { ALICE: {} } });
    server.put(&format!("v3/user/{BOB}/account_data/m.ignored_user_list"), &bob, ignored).await.ok();
    assert_eq!(by_time(&server, &bob, &room, after[0].0, "f").await.error(), (404, "M_NOT_FOUND"));
}

/// What came before the own server did is asked of others, and what lies between is fetched.
#[tokio::test(start_paused = true)]
async fn events_from_before_are_found_by_their_time() {
    let [a, b] = servers(["a.test", "b.test"]).await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = a.room(&alice).await;
    let said = one_a_minute(&a, &alice, &room, 250).await;
    b.post(&format!("v3/join/{}?via=a.test", escaped(&room)), &bob, json!({})).await.ok();
    for (number, direction, shift) in [(200, "b", 0), (3, "f", -1), (100, "b", 1)] {
        let (at, id) = &said[number];
        assert_eq!(id_of(by_time(&b, &bob, &room, at + shift, direction).await), *id, "{number}");
        let context = format!("context/{}?limit=2", escaped(id));
        assert_eq!(b.read(&bob, &room, &context).await["event"]["content"]["body"], format!("message {number}"));
    }
}

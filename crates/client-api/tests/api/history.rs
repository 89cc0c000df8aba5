//! Pages of history, what surrounds an event, members and state.

use serde_json::json;

use crate::harness::server;
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

//! `/sync`: what is new, once, and no more than was asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use events::ServerName;
use persistence::transactions::restoring;
use serde_json::{Value, json};

use crate::harness::{server, servers};
use crate::rooms::{bodies, escaped, keys};

const ALICE: &str = "@alice:a.test";
const BOB: &str = "@bob:a.test";

#[tokio::test(start_paused = true)]
async fn a_sync_waits_until_something_happens() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room(&alice).await;
    server.join(&bob, &room).await;
    let first = server.sync(&bob, "").await;
    let since = first["next_batch"].as_str().unwrap();
    let waiting = server.sync_since_for(&bob, since, 30_000);
    let saying = async {
        tokio::task::yield_now().await;
        server.say(&alice, &room, "hello").await;
    };
    let before = tokio::time::Instant::now();
    let (answer, ()) = tokio::join!(waiting, saying);
    assert_eq!(bodies(&answer["rooms"]["join"][&room]["timeline"]["events"]), ["hello"]);
    assert!(before.elapsed() < Duration::from_secs(30));

    let before = tokio::time::Instant::now();
    let answer = server.sync_since_for(&bob, answer["next_batch"].as_str().unwrap(), 30_000).await;
    assert_eq!(answer["rooms"]["join"], json!({}));
    assert!(before.elapsed() >= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token_or_no_filter_is_refused() {
    let server = server().await;
    let alice = server.register("alice").await;
    for query in [
        "since=s72594_4483_1934",
        "since=s1_1_2_3",
        "since=s1_999_0_0_0_0_0_0",
        "filter=77",
        "filter=%7B",
        "filter=%7B%22room%22%3A1%7D",
        "timeout=-1",
        "full_state=1",
        "use_state_after=x",
        "set_presence=away",
    ] {
        let answer = server.get(&format!("v3/sync?{query}"), &alice).await;
        assert_eq!(answer.error(), (400, "M_INVALID_PARAM"), "{query}");
    }
    server.sync(&alice, "set_presence=unavailable&full_state=false&timeout=0").await;
    let path = format!("v3/user/{ALICE}/filter");
    let answer = server.post(&path, &alice, json!({ "room": { "timeline": { "limit": -1 } } })).await;
    assert_eq!(answer.error(), (400, "M_BAD_JSON"));
    let stored = json!({ "room": { "timeline": { "limit": 1 } } });
    let id = server.post(&path, &alice, stored).await.ok()["filter_id"].as_str().unwrap().to_owned();
    let room = server.room(&alice).await;
    let answer = server.sync(&alice, &format!("filter={id}")).await;
    assert_eq!(answer["rooms"]["join"][&room]["timeline"]["events"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_filter_says_what_is_included() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room(&alice).await;
    server.join(&bob, &room).await;
    let since = server.sync(&alice, "").await;
    server.say(&bob, &room, "from bob").await;
    server.send_event(&alice, &room, json!({ "msgtype": "m.image", "body": "picture", "url": "mxc://a/b" })).await;
    server.set(&alice, &room, "m.room.topic", json!({ "topic": "t" })).await;
    server.act(&bob, &room, "receipt/m.read/%24x", json!({})).await;
    let data = format!("v3/user/{ALICE}/rooms/{}/account_data/org.test", escaped(&room));
    server.put(&data, &alice, json!({})).await.ok();
    let timeline = |filter: Value| json!({ "room": { "timeline": filter } });
    for (filter, expected) in [
        (timeline(json!({})), vec!["from bob", "picture", "m.room.topic"]),
        (timeline(json!({ "types": ["m.room.m*"] })), vec!["from bob", "picture"]),
        (timeline(json!({ "not_types": ["*.topic"] })), vec!["from bob", "picture"]),
        (timeline(json!({ "senders": [BOB] })), vec!["from bob"]),
        (timeline(json!({ "not_senders": [BOB] })), vec!["picture", "m.room.topic"]),
        (timeline(json!({ "contains_url": true })), vec!["picture"]),
        (timeline(json!({ "contains_url": false, "types": ["m.room.message"] })), vec!["from bob"]),
        (timeline(json!({ "limit": 1, "types": ["m.room.message"] })), vec!["picture"]),
        (timeline(json!({ "not_rooms": [room] })), vec![]),
    ] {
        let answer = server.sync_since(&alice, &since, filter.clone()).await;
        let section = &answer["rooms"]["join"][&room];
        assert_eq!(bodies(&section["timeline"]["events"]), expected, "{filter}");
        let limited = filter["room"]["timeline"]["limit"] == 1;
        assert_eq!(section["timeline"]["limited"], limited, "{filter}");
    }
    let none = server.sync_since(&alice, &since, json!({ "room": { "rooms": [] } })).await;
    assert_eq!(none["rooms"]["join"], json!({}));
    // What the timeline does not show of the state is beside it.
    let beside = server.sync_since(&alice, &since, timeline(json!({ "types": [] }))).await;
    assert_eq!(keys(&beside["rooms"]["join"][&room]["state"]["events"]), ["m.room.topic "]);

    let others = json!({ "room": { "ephemeral": { "types": [] }, "account_data": { "not_types": ["org.*"] } } });
    let answer = server.sync_since(&alice, &since, others).await;
    assert_eq!(answer["rooms"]["join"][&room]["ephemeral"]["events"], json!([]));
    assert_eq!(answer["rooms"]["join"][&room]["account_data"]["events"], json!([]));
    let all = server.sync_since(&alice, &since, json!({})).await;
    assert_eq!(all["rooms"]["join"][&room]["ephemeral"]["events"][0]["type"], "m.receipt");
    assert_eq!(all["rooms"]["join"][&room]["account_data"]["events"][0]["type"], "org.test");

    let fields = json!({ "event_fields": ["type", "content.body"], "room": { "timeline": { "senders": [BOB] } } });
    let answer = server.sync_since(&alice, &since, fields).await;
    let expected = json!([{ "type": "m.room.message", "content": { "body": "from bob" } }]);
    assert_eq!(answer["rooms"]["join"][&room]["timeline"]["events"], expected);
    let raw = json!({ "event_format": "federation", "room": { "timeline": { "senders": [BOB] } } });
    let answer = server.sync_since(&alice, &since, raw).await;
    let event = &answer["rooms"]["join"][&room]["timeline"]["events"][0];
    assert!(event["hashes"]["sha256"].is_string() && event["prev_events"].is_array(), "{event}");
}

#[tokio::test(start_paused = true)]
async fn a_limited_timeline_comes_with_the_state_it_starts_from() {
    let server = server().await;
    let alice = server.register("alice").await;
    let room = server.room(&alice).await;
    server.set(&alice, &room, "m.room.name", json!({ "name": "old" })).await;
    let since = server.sync(&alice, "").await;
    server.set(&alice, &room, "m.room.topic", json!({ "topic": "in the gap" })).await;
    server.set(&alice, &room, "m.room.name", json!({ "name": "middle" })).await;
    server.say(&alice, &room, "one").await;
    server.set(&alice, &room, "m.room.name", json!({ "name": "new" })).await;
    let filter = json!({ "room": { "timeline": { "limit": 2 } } });
    let answer = server.sync_since(&alice, &since, filter.clone()).await;
    let section = &answer["rooms"]["join"][&room];
    assert_eq!(section["timeline"]["limited"], true);
    assert_eq!(bodies(&section["timeline"]["events"]), ["one", "m.room.name"]);
    let state = section["state"]["events"].as_array().unwrap();
    let content = |event_type: &str| &state.iter().find(|event| event["type"] == event_type).unwrap()["content"];
    assert_eq!((state.len(), &content("m.room.name")["name"]), (2, &json!("middle")));
    assert_eq!(content("m.room.topic")["topic"], "in the gap");
    let replaced = &section["timeline"]["events"][1]["unsigned"];
    assert_eq!((&replaced["prev_content"]["name"], &replaced["membership"]), (&json!("middle"), &json!("join")));

    let since = since["next_batch"].as_str().unwrap();
    let query = format!("since={since}&use_state_after=true&filter={}", escaped(&filter.to_string()));
    let after = server.sync(&alice, &query).await;
    let section = &after["rooms"]["join"][&room];
    assert!(section.get("state").is_none());
    let state = section["state_after"]["events"].as_array().unwrap();
    assert!(state.iter().any(|event| event["content"]["name"] == "new"), "{state:?}");
    assert_eq!(state.len(), 2);

    // What lies before the timeline is what the sync left out.
    let prev_batch = section["timeline"]["prev_batch"].as_str().unwrap();
    let gap = server.read(&alice, &room, &format!("messages?dir=b&from={prev_batch}&to={since}")).await;
    assert_eq!(bodies(&gap["chunk"]), ["m.room.name", "m.room.topic"]);
    assert!(gap.get("end").is_none());

    let full = server.sync(&alice, &format!("since={since}&full_state=true")).await;
    let section = &full["rooms"]["join"][&room];
    assert_eq!(section["timeline"]["events"].as_array().unwrap().len(), 4);
    assert!(keys(&section["state"]["events"]).contains(&"m.room.create ".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn members_are_loaded_when_they_are_needed() {
    let server = server().await;
    let (alice, bob, carol) =
        (server.register("alice").await, server.register("bob").await, server.register("carol").await);
    let room = server.room_with(&alice, json!({ "preset": "public_chat", "name": "named" })).await;
    for token in [&bob, &carol] {
        server.join(token, &room).await;
    }
    server.say(&bob, &room, "first").await;
    let lazy = |redundant: bool| {
        json!({ "room": {
            "timeline": { "limit": 1 },
            "state": { "lazy_load_members": true, "include_redundant_members": redundant },
        } })
    };
    let members = |answer: &Value| -> Vec<String> {
        let state = keys(&answer["rooms"]["join"][&room]["state"]["events"]);
        state.iter().filter_map(|key| key.strip_prefix("m.room.member ")).map(str::to_owned).collect()
    };
    let first = server.sync(&carol, &format!("filter={}", escaped(&lazy(false).to_string()))).await;
    assert_eq!(members(&first), [BOB, "@carol:a.test"], "the sender and oneself");
    assert_eq!(first["rooms"]["join"][&room]["summary"]["m.joined_member_count"], 3);
    server.say(&bob, &room, "second").await;
    let second = server.sync_since(&carol, &first, lazy(false)).await;
    assert_eq!(members(&second), [""; 0], "bob is known");
    let again = server.sync_since(&carol, &first, lazy(true)).await;
    assert_eq!(members(&again), [BOB]);
    server.say(&alice, &room, "third").await;
    let third = server.sync_since(&carol, &second, lazy(false)).await;
    assert_eq!(members(&third), [ALICE]);
    let repeated = server.sync_since(&carol, &second, lazy(false)).await;
    assert_eq!(members(&repeated), [ALICE], "the answer may have been lost");
}

#[tokio::test(start_paused = true)]
async fn a_room_without_a_name_is_named_after_its_first_members() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room(&alice).await;
    let since = server.sync(&alice, "").await;
    server.join(&bob, &room).await;
    let answer = server.sync_since(&alice, &since, json!({})).await;
    let summary = &answer["rooms"]["join"][&room]["summary"];
    let expected = json!({ "m.heroes": [BOB], "m.joined_member_count": 2, "m.invited_member_count": 0 });
    assert_eq!(*summary, expected);
    server.act(&bob, &room, "leave", json!({})).await;
    let answer = server.sync(&alice, "").await;
    assert_eq!(answer["rooms"]["join"][&room]["summary"]["m.heroes"], json!([BOB]), "nobody else is left");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_sees_the_room_until_then_and_once() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room(&alice).await;
    server.join(&bob, &room).await;
    let since = server.sync(&bob, "").await;
    server.say(&alice, &room, "last words").await;
    server.set(&alice, &room, "m.room.topic", json!({ "topic": "before" })).await;
    server.act(&alice, &room, "kick", json!({ "user_id": BOB, "reason": "enough" })).await;
    server.say(&alice, &room, "behind his back").await;
    server.set(&alice, &room, "m.room.topic", json!({ "topic": "after" })).await;
    let answer = server.sync_since(&bob, &since, json!({})).await;
    assert_eq!(answer["rooms"]["join"], json!({}));
    let section = &answer["rooms"]["leave"][&room];
    assert_eq!(bodies(&section["timeline"]["events"]), ["last words", "m.room.topic", "m.room.member"]);
    let filter = json!({ "room": { "timeline": { "limit": 1 } } });
    let limited = server.sync_since(&bob, &since, filter).await;
    let section = &limited["rooms"]["leave"][&room];
    assert_eq!(section["timeline"]["events"][0]["content"]["reason"], "enough");
    assert_eq!(section["state"]["events"][0]["content"]["topic"], "before");
    let next = server.sync_since(&bob, &answer, json!({})).await;
    assert_eq!(next["rooms"]["leave"], json!({}));

    assert_eq!(server.read(&bob, &room, "state/m.room.topic").await["topic"], "before");
    let messages = server.read(&bob, &room, "messages?dir=b&limit=3").await;
    assert_eq!(bodies(&messages["chunk"]), ["m.room.member", "m.room.topic", "last words"]);

    let fresh = server.sync(&bob, "").await;
    let told = &fresh["rooms"]["leave"][&room]["timeline"]["events"];
    assert_eq!(bodies(told).last().map(String::as_str), Some("m.room.member"), "somebody else removed him: {fresh}");
    server.join(&bob, &room).await;
    server.act(&bob, &room, "leave", json!({})).await;
    let fresh = server.sync(&bob, "").await;
    assert_eq!(fresh["rooms"]["leave"], json!({}), "he left by himself");
    let with_left = format!("filter={}", escaped(r#"{"room":{"include_leave":true,"timeline":{"limit":1}}}"#));
    let fresh = server.sync(&bob, &with_left).await;
    let section = &fresh["rooms"]["leave"][&room];
    assert!(keys(&section["state"]["events"]).contains(&"m.room.create ".to_owned()), "{section}");
    server.act(&bob, &room, "forget", json!({})).await;
    let fresh = server.sync(&bob, &with_left).await;
    assert_eq!(fresh["rooms"]["leave"], json!({}));
}

#[tokio::test(start_paused = true)]
async fn an_invite_comes_once_and_its_refusal_once() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room_with(&alice, json!({ "name": "secret", "preset": "private_chat" })).await;
    let since = server.sync(&bob, "").await;
    server.act(&alice, &room, "invite", json!({ "user_id": BOB })).await;
    let invited = server.sync_since(&bob, &since, json!({})).await;
    let state = &invited["rooms"]["invite"][&room]["invite_state"]["events"];
    for key in ["m.room.create ", "m.room.name ", "m.room.member @bob:a.test"] {
        assert!(keys(state).contains(&key.to_owned()), "{state}");
    }
    server.say(&alice, &room, "not for him").await;
    let next = server.sync_since(&bob, &invited, json!({})).await;
    assert_eq!(next["rooms"]["invite"], json!({}));
    server.act(&bob, &room, "leave", json!({})).await;
    let refused = server.sync_since(&bob, &next, json!({})).await;
    let events = &refused["rooms"]["leave"][&room]["timeline"]["events"];
    assert_eq!((events.as_array().unwrap().len(), &events[0]["content"]["membership"]), (1, &json!("leave")));
    let path = format!("v3/rooms/{}/messages?dir=b", escaped(&room));
    assert_eq!(server.get(&path, &bob).await.error(), (403, "M_FORBIDDEN"), "he was never in");
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_gets_the_whole_state() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room(&alice).await;
    server.join(&bob, &room).await;
    let data = format!("v3/user/{BOB}/rooms/{}/account_data/org.test", escaped(&room));
    server.put(&data, &bob, json!({ "x": 1 })).await.ok();
    let since = server.sync(&bob, "").await;
    server.act(&bob, &room, "leave", json!({})).await;
    server.set(&alice, &room, "m.room.topic", json!({ "topic": "while away" })).await;
    server.join(&bob, &room).await;
    let answer = server.sync_since(&bob, &since, json!({ "room": { "timeline": { "limit": 1 } } })).await;
    let section = &answer["rooms"]["join"][&room];
    assert_eq!(section["timeline"]["limited"], true);
    let state = keys(&section["state"]["events"]);
    for key in ["m.room.create ", "m.room.topic "] {
        assert!(state.contains(&key.to_owned()), "{state:?}");
    }
    assert_eq!(section["account_data"]["events"][0]["content"], json!({ "x": 1 }));
}

#[tokio::test(start_paused = true)]
async fn ignored_users_are_not_heard() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room_with(&bob, json!({ "preset": "public_chat", "initial_state": [] })).await;
    server.join(&alice, &room).await;
    let list = format!("v3/user/{ALICE}/account_data/m.ignored_user_list");
    server.put(&list, &alice, json!({ "ignored_users": { BOB: {} } })).await.ok();
    let since = server.sync(&alice, "").await;
    server.say(&bob, &room, "spam").await;
    server.set(&bob, &room, "m.room.topic", json!({ "topic": "state is shown" })).await;
    let invite = server.room_with(&bob, json!({ "invite": [ALICE] })).await;
    let answer = server.sync_since(&alice, &since, json!({})).await;
    let section = &answer["rooms"]["join"][&room];
    assert_eq!(bodies(&section["timeline"]["events"]), ["m.room.topic"]);
    assert_eq!(section["unread_notifications"]["notification_count"], 0);
    assert!(answer["rooms"]["invite"].get(&invite).is_none());
    let page = server.read(&alice, &room, "messages?dir=b&limit=2").await;
    assert!(!bodies(&page["chunk"]).contains(&"spam".to_owned()));

    server.put(&list, &alice, json!({ "ignored_users": {} })).await.ok();
    server.say(&bob, &room, "heard again").await;
    let answer = server.sync_since(&alice, &answer, json!({})).await;
    assert_eq!(bodies(&answer["rooms"]["join"][&room]["timeline"]["events"]), ["heard again"]);
}

#[tokio::test(start_paused = true)]
async fn typing_starts_and_stops() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let room = server.room(&alice).await;
    server.join(&bob, &room).await;
    let since = server.sync(&alice, "").await;
    let path = format!("v3/rooms/{}/typing/{BOB}", escaped(&room));
    server.put(&path, &bob, json!({ "typing": true, "timeout": 30_000 })).await.ok();
    let typing = |answer: &Value| answer["rooms"]["join"][&room]["ephemeral"]["events"][0]["content"].clone();
    let started = server.sync_since(&alice, &since, json!({})).await;
    assert_eq!(typing(&started), json!({ "user_ids": [BOB] }));
    let same = server.sync_since(&alice, &started, json!({})).await;
    assert_eq!(same["rooms"]["join"], json!({}));
    // Who sends has stopped typing.
    server.say(&bob, &room, "done").await;
    let stopped = server.sync_since(&alice, &same, json!({})).await;
    assert_eq!(typing(&stopped), json!({ "user_ids": [] }));
}

#[tokio::test(start_paused = true)]
async fn device_lists_follow_who_shares_an_encrypted_room() {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let plain = server.room(&alice).await;
    let room = server.room(&alice).await;
    server.set(&alice, &room, "m.room.encryption", json!({ "algorithm": "m.megolm.v1.aes-sha2" })).await;
    let since = server.sync(&alice, "").await;
    assert!(since.get("device_lists").is_none(), "a first sync has none");
    server.join(&bob, &plain).await;
    let none = server.sync_since(&alice, &since, json!({})).await;
    assert_eq!(none["device_lists"], json!({ "changed": [], "left": [] }));
    server.join(&bob, &room).await;
    let came = server.sync_since(&alice, &none, json!({})).await;
    assert_eq!(came["device_lists"], json!({ "changed": [BOB], "left": [] }));
    server.act(&bob, &room, "leave", json!({})).await;
    let went = server.sync_since(&alice, &came, json!({})).await;
    assert_eq!(went["device_lists"], json!({ "changed": [], "left": [BOB] }));
    // Who asks apart from a sync is told the same.
    let (from, to) = (came["next_batch"].as_str().unwrap(), went["next_batch"].as_str().unwrap());
    let changes = server.get(&format!("v3/keys/changes?from={from}&to={to}"), &alice).await.ok();
    assert_eq!(changes, went["device_lists"]);
    server.join(&bob, &room).await;
    let back = server.sync_since(&alice, &went, json!({})).await;
    server.act(&alice, &room, "leave", json!({})).await;
    let left = server.sync_since(&alice, &back, json!({})).await;
    assert_eq!(left["device_lists"], json!({ "changed": [], "left": [BOB] }));
}

/// What a client holds for the state of a room after it has applied an answer.
fn apply(held: &mut BTreeMap<String, Value>, section: &Value) {
    let of = |list: &Value| list["events"].as_array().cloned().unwrap_or_default();
    for event in of(&section["state"]).into_iter().chain(of(&section["timeline"])) {
        if let Some(state_key) = event["state_key"].as_str() {
            let key = format!("{} {state_key}", event["type"].as_str().unwrap());
            held.insert(key, event["content"].clone());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn members_who_come_after_a_join_are_told_though_nothing_happens() {
    let [a, b] = servers(["a.test", "b.test"]).await;
    let (alice, carol, bob) = (a.register("alice").await, a.register("carol").await, b.register("bob").await);
    let room = a.room(&alice).await;
    a.join(&carol, &room).await;
    // Else those who name the room would be told with the join.
    a.set(&alice, &room, "m.room.name", json!({ "name": "of many" })).await;
    b.post(&format!("v3/join/{room}?via=a.test"), &bob, json!({})).await.ok();
    let mut held = BTreeMap::new();
    let first = b.sync(&bob, "").await;
    apply(&mut held, &first["rooms"]["join"][&room]);
    assert!(!held.contains_key("m.room.member @carol:a.test"), "she is known too early for this test");
    let answer = b.sync_since_for(&bob, first["next_batch"].as_str().unwrap(), 30_000).await;
    apply(&mut held, &answer["rooms"]["join"][&room]);
    assert_eq!(held["m.room.member @carol:a.test"]["membership"], "join");
}

/// An event that comes late and loses against what is there is part of the timeline all the same.
#[tokio::test(start_paused = true)]
async fn who_follows_holds_the_state_also_where_the_timeline_ends_with_what_lost() {
    let [a, b] = servers(["a.test", "b.test"]).await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let room = a.room(&alice).await;
    let levels = json!({ "users": { ALICE: 100, "@bob:b.test": 100 } });
    a.set(&alice, &room, "m.room.power_levels", levels).await;
    b.post(&format!("v3/join/{room}?via=a.test"), &bob, json!({})).await.ok();
    let [a_name, b_name] = ["a.test", "b.test"].map(|name| ServerName::parse(name).unwrap());
    a.network.cut(&a_name, &b_name);
    b.set(&bob, &room, "m.room.topic", json!({ "topic": "of Bob" })).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    a.set(&alice, &room, "m.room.topic", json!({ "topic": "of Alice" })).await;
    for use_first in [true, false] {
        let mut held = BTreeMap::new();
        let mut answer = a.sync(&alice, "").await;
        apply(&mut held, &answer["rooms"]["join"][&room]);
        if use_first {
            a.network.heal();
        }
        let since = |answer: &Value| answer["next_batch"].as_str().unwrap().to_owned();
        while use_first && held["m.room.topic "]["topic"] != "of Bob" {
            answer = a.sync_since_for(&alice, &since(&answer), 30_000).await;
            apply(&mut held, &answer["rooms"]["join"][&room]);
        }
        // In a first sync the timeline ends with it, too.
        assert_eq!(held["m.room.topic "]["topic"], "of Bob");
        answer = a.sync_since_for(&alice, &since(&answer), 30_000).await;
        apply(&mut held, &answer["rooms"]["join"][&room]);
        assert_eq!(held["m.room.topic "]["topic"], "of Alice");
        let settled = a.sync_since_for(&alice, &since(&answer), 0).await;
        assert_eq!(settled["rooms"]["join"], json!({}), "it is told once");
    }
    assert_eq!(a.read(&alice, &room, "state/m.room.topic").await["topic"], "of Alice");
}

impl crate::harness::Server {
    async fn sync_since_for(&self, token: &str, since: &str, timeout: u64) -> Value {
        self.sync(token, &format!("since={since}&timeout={timeout}")).await
    }
}

/// What was said after the backup is lost, and so is what the client was told of it.
#[tokio::test(start_paused = true)]
async fn who_has_seen_what_a_restored_backup_lacks_is_told_all_of_the_state() {
    let server = server().await;
    let alice = server.register("alice").await;
    let room = server.room(&alice).await;
    server.set(&alice, &room, "m.room.topic", json!({ "topic": "in the backup" })).await;
    let path = format!("v3/user/{ALICE}/account_data/org.test");
    server.put(&path, &alice, json!({ "in": "the backup" })).await.ok();
    let known = server.sync(&alice, "").await["next_batch"].as_str().unwrap().to_owned();
    let numbers: Vec<i64> = known.split('_').skip(1).map(|number| number.parse().unwrap()).collect();
    let later = |at: usize, more: i64| {
        let mut numbers = numbers.clone();
        numbers[at] += more;
        numbers.iter().fold("s1".to_owned(), |token, number| format!("{token}_{number}"))
    };
    let now = server.handles.clock.now();
    server.simulated.messaging().database().write(move |tx| restoring::leap(tx, now)).await.unwrap();
    for (what, lost) in [("an event", later(0, 3)), ("account data", later(1, 1)), ("a receipt", later(2, 1))] {
        let answer = server.sync_since_for(&alice, &lost, 30_000).await;
        let told = &answer["rooms"]["join"][&room];
        let topics: Vec<&Value> = told["state"]["events"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|event| event["type"] == "m.room.topic")
            .map(|event| &event["content"]["topic"])
            .collect();
        assert_eq!(topics, ["in the backup"], "{what}");
        assert_eq!(told["timeline"]["events"], json!([]), "{what}");
        let data: Vec<&Value> = answer["account_data"]["events"].as_array().unwrap().iter().collect();
        assert!(data.iter().any(|data| data["type"] == "org.test"), "{what}");
        let next = answer["next_batch"].as_str().unwrap();
        assert_eq!(server.sync_since_for(&alice, next, 0).await["rooms"]["join"], json!({}), "it is told once");
    }
    assert_eq!(
        server.sync_since_for(&alice, &known, 0).await["rooms"]["join"],
        json!({}),
        "nothing that it saw is lost"
    );
}

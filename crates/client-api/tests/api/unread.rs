//! Notification counts, receipts and read markers.

use serde_json::{Value, json};

use crate::harness::{Server, server};
use crate::rooms::escaped;

const ALICE: &str = "@alice:a.test";
const BOB: &str = "@bob:a.test";

/// Two users in a room of three, so that a message notifies and does not stand out.
struct Chat {
    server: Server,
    alice: String,
    bob: String,
    room: String,
}

async fn chat() -> Chat {
    let server = server().await;
    let (alice, bob) = (server.register("alice").await, server.register("bob").await);
    let carol = server.register("carol").await;
    let room = server.room(&alice).await;
    for token in [&bob, &carol] {
        server.join(token, &room).await;
    }
    Chat { server, alice, bob, room }
}

impl Chat {
    /// Notifications and highlights that alice has.
    async fn counts(&self) -> (u64, u64) {
        let answer = self.server.sync(&self.alice, "").await;
        numbers(&answer["rooms"]["join"][&self.room]["unread_notifications"])
    }

    async fn threads(&self) -> ((u64, u64), Value) {
        let filter = escaped(r#"{"room":{"timeline":{"unread_thread_notifications":true}}}"#);
        let answer = self.server.sync(&self.alice, &format!("filter={filter}")).await;
        let section = &answer["rooms"]["join"][&self.room];
        (numbers(&section["unread_notifications"]), section["unread_thread_notifications"].clone())
    }

    async fn bob_says(&self, text: &str) -> String {
        self.server.say(&self.bob, &self.room, text).await
    }

    async fn in_thread(&self, root: &str, text: &str) -> String {
        let relation = json!({ "rel_type": "m.thread", "event_id": root });
        let mentions = if text.starts_with("alice") { json!({ "user_ids": [ALICE] }) } else { json!({}) };
        let content = json!({ "msgtype": "m.text", "body": text, "m.relates_to": relation, "m.mentions": mentions });
        self.server.send_event(&self.bob, &self.room, content).await
    }
}

fn numbers(counts: &Value) -> (u64, u64) {
    (counts["notification_count"].as_u64().unwrap(), counts["highlight_count"].as_u64().unwrap())
}

#[tokio::test(start_paused = true)]
async fn messages_count_until_they_are_read() {
    let chat = chat().await;
    assert_eq!(chat.counts().await, (0, 0));
    let first = chat.bob_says("one").await;
    let mention = json!({ "msgtype": "m.text", "body": "hey", "m.mentions": { "user_ids": [ALICE] } });
    chat.server.send_event(&chat.bob, &chat.room, mention).await;
    assert_eq!(chat.counts().await, (2, 1), "a mention stands out");
    let since = chat.server.sync(&chat.alice, "").await;
    let last = chat.bob_says("three").await;
    let answer = chat.server.sync_since(&chat.alice, &since, json!({})).await;
    assert_eq!(numbers(&answer["rooms"]["join"][&chat.room]["unread_notifications"]), (3, 1), "with the event");
    chat.server.receipt(&chat.alice, &chat.room, "m.read", &first, json!({})).await;
    assert_eq!(chat.counts().await, (2, 1));
    chat.server.receipt(&chat.alice, &chat.room, "m.read.private", &last, json!({})).await;
    let read = chat.server.sync_since(&chat.alice, &answer, json!({})).await;
    assert_eq!(numbers(&read["rooms"]["join"][&chat.room]["unread_notifications"]), (0, 0), "the further one counts");
    // A receipt does not go back.
    chat.server.receipt(&chat.alice, &chat.room, "m.read.private", &first, json!({})).await;
    assert_eq!(chat.counts().await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_writes_has_read() {
    let chat = chat().await;
    chat.bob_says("one").await;
    chat.server.say(&chat.alice, &chat.room, "mine").await;
    assert_eq!(chat.counts().await, (0, 0));
    let redacted = chat.bob_says("two").await;
    assert_eq!(chat.counts().await, (1, 0));
    let path = format!("v3/rooms/{}/redact/{}/t", escaped(&chat.room), escaped(&redacted));
    chat.server.put(&path, &chat.bob, json!({})).await.ok();
    assert_eq!(chat.counts().await, (0, 0), "what is redacted does not count");
}

#[tokio::test(start_paused = true)]
async fn threads_are_counted_and_read_by_themselves() {
    let chat = chat().await;
    let root = chat.bob_says("root").await;
    let reply = chat.in_thread(&root, "in the thread").await;
    chat.in_thread(&root, "alice, look").await;
    assert_eq!(chat.counts().await, (3, 1));
    let expected = json!({ root.as_str(): { "notification_count": 2, "highlight_count": 1 } });
    assert_eq!(chat.threads().await, ((1, 0), expected));
    chat.server.receipt(&chat.alice, &chat.room, "m.read", &reply, json!({ "thread_id": root })).await;
    let expected = json!({ root.as_str(): { "notification_count": 1, "highlight_count": 1 } });
    assert_eq!(chat.threads().await, ((1, 0), expected.clone()));
    chat.server.receipt(&chat.alice, &chat.room, "m.read", &root, json!({ "thread_id": "main" })).await;
    assert_eq!(chat.threads().await, ((0, 0), expected));
    let last = chat.bob_says("four").await;
    chat.server.receipt(&chat.alice, &chat.room, "m.read", &last, json!({})).await;
    assert_eq!(chat.threads().await, ((0, 0), json!({})), "without a thread it is for all");
}

#[tokio::test(start_paused = true)]
async fn changed_rules_count_at_once() {
    let chat = chat().await;
    chat.bob_says("one").await;
    assert_eq!(chat.counts().await, (1, 0));
    let rule = format!("v3/pushrules/global/room/{}", escaped(&chat.room));
    chat.server.put(&rule, &chat.alice, json!({ "actions": [] })).await.ok();
    assert_eq!(chat.counts().await, (0, 0), "the room is muted");
}

#[tokio::test(start_paused = true)]
async fn private_receipts_and_markers_stay_with_their_user() {
    let chat = chat().await;
    let (alice_since, bob_since) = (chat.server.sync(&chat.alice, "").await, chat.server.sync(&chat.bob, "").await);
    let event = chat.bob_says("one").await;
    let markers = json!({ "m.fully_read": event, "m.read.private": event });
    chat.server.act(&chat.alice, &chat.room, "read_markers", markers).await;
    let own = chat.server.sync_since(&chat.alice, &alice_since, json!({})).await;
    let section = &own["rooms"]["join"][&chat.room];
    let receipt = &section["ephemeral"]["events"][0]["content"][&event]["m.read.private"];
    assert!(receipt[ALICE]["ts"].is_number(), "{section}");
    assert_eq!(section["account_data"]["events"][0]["content"], json!({ "event_id": event }));
    let others = chat.server.sync_since(&chat.bob, &bob_since, json!({})).await;
    assert_eq!(others["rooms"]["join"][&chat.room]["ephemeral"]["events"], json!([]));
    chat.server.act(&chat.bob, &chat.room, "read_markers", json!({ "m.read": event })).await;
    let seen = chat.server.sync_since(&chat.alice, &own, json!({})).await;
    let content = &seen["rooms"]["join"][&chat.room]["ephemeral"]["events"][0]["content"];
    assert!(content[&event]["m.read"][BOB]["ts"].is_number());

    let post = |what: String, body: Value| async move { (what, body) };
    for (what, body) in [
        post(format!("receipt/m.read/{}", escaped(&event)), json!({ "thread_id": "" })).await,
        post(format!("receipt/m.read/{}", escaped(&event)), json!({ "thread_id": 1 })).await,
        post(format!("receipt/m.fully_read/{}", escaped(&event)), json!({ "thread_id": "main" })).await,
        post(format!("receipt/m.other/{}", escaped(&event)), json!({})).await,
    ] {
        let path = format!("v3/rooms/{}/{what}", escaped(&chat.room));
        assert_eq!(chat.server.post(&path, &chat.alice, body).await.error(), (400, "M_INVALID_PARAM"), "{what}");
    }
    let path = format!("v3/rooms/{}/read_markers", escaped(&chat.room));
    let elsewhere = chat.server.post(&path, &chat.alice, json!({ "m.fully_read": "$elsewhere" })).await;
    assert_eq!(elsewhere.error(), (404, "M_NOT_FOUND"));
}

/// The server joins the room's forks in the name of one of its users, who has read nothing by that.
#[tokio::test(start_paused = true)]
async fn an_event_that_joins_forks_reads_nothing() {
    let chat = chat().await;
    chat.bob_says("one").await;
    assert_eq!(chat.counts().await, (1, 0));
    let path = format!("v3/rooms/{}/send/org.matrix.dummy_event/t1", chat.room);
    chat.server.put(&path, &chat.alice, json!({})).await.ok();
    assert_eq!(chat.counts().await, (1, 0));
    chat.server.say(&chat.alice, &chat.room, "and mine").await;
    assert_eq!(chat.counts().await, (0, 0), "while a message of the own does");
}

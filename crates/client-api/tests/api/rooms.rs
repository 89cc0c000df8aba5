//! Rooms as tests make and follow them.

use serde_json::{Value, json};

use crate::harness::Server;

/// The part of a path that is a value.
pub(crate) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// The texts of the events' bodies, or their types if they have none.
pub(crate) fn bodies(events: &Value) -> Vec<String> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    let body =
        |event: &Value| event["content"]["body"].as_str().or(event["type"].as_str()).unwrap_or_default().to_owned();
    events.iter().map(body).collect()
}

/// `type state_key` of each event, sorted.
pub(crate) fn keys(events: &Value) -> Vec<String> {
    let key = |event: &Value| format!("{} {}", event["type"].as_str().unwrap(), event["state_key"].as_str().unwrap());
    let mut keys: Vec<String> = events.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(key).collect();
    keys.sort();
    keys
}

impl Server {
    /// Makes a public room, and returns its id.
    pub(crate) async fn room(&self, token: &str) -> String {
        self.room_with(token, json!({ "preset": "public_chat" })).await
    }

    pub(crate) async fn room_with(&self, token: &str, body: Value) -> String {
        self.post("v3/createRoom", token, body).await.ok()["room_id"].as_str().unwrap().to_owned()
    }

    /// Posts to an endpoint of a room.
    pub(crate) async fn act(&self, token: &str, room: &str, what: &str, body: Value) -> Value {
        self.post(&format!("v3/rooms/{}/{what}", escaped(room)), token, body).await.ok()
    }

    pub(crate) async fn join(&self, token: &str, room: &str) {
        self.act(token, room, "join", json!({})).await;
    }

    /// Says something, and returns the event's id.
    pub(crate) async fn say(&self, token: &str, room: &str, text: &str) -> String {
        self.send_event(token, room, json!({ "msgtype": "m.text", "body": text })).await
    }

    /// Sends a message with this content. Its text is its transaction id, so no two may be the same.
    pub(crate) async fn send_event(&self, token: &str, room: &str, content: Value) -> String {
        let txn = escaped(&content.to_string());
        let path = format!("v3/rooms/{}/send/m.room.message/{txn}", escaped(room));
        self.put(&path, token, content).await.ok()["event_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn set(&self, token: &str, room: &str, event_type: &str, content: Value) -> String {
        let path = format!("v3/rooms/{}/state/{event_type}", escaped(room));
        self.put(&path, token, content).await.ok()["event_id"].as_str().unwrap().to_owned()
    }

    /// Reads an endpoint of a room.
    pub(crate) async fn read(&self, token: &str, room: &str, what: &str) -> Value {
        self.get(&format!("v3/rooms/{}/{what}", escaped(room)), token).await.ok()
    }

    pub(crate) async fn sync(&self, token: &str, query: &str) -> Value {
        self.get(&format!("v3/sync?{query}"), token).await.ok()
    }

    /// A sync from a token on, with a filter.
    pub(crate) async fn sync_since(&self, token: &str, since: &Value, filter: Value) -> Value {
        let since = since["next_batch"].as_str().unwrap_or_else(|| since.as_str().unwrap());
        self.sync(token, &format!("since={since}&filter={}", escaped(&filter.to_string()))).await
    }

    pub(crate) async fn receipt(&self, token: &str, room: &str, kind: &str, event: &str, body: Value) {
        self.act(token, room, &format!("receipt/{kind}/{}", escaped(event)), body).await;
    }
}

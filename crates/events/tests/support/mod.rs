//! Events for tests, made without keys: they look as if they came from a store.

#![allow(dead_code, reason = "each test uses its part")]
#![expect(clippy::unwrap_used, reason = "a test fails where its events cannot be made")]

pub(crate) mod big_room;
pub(crate) mod generated;

use std::collections::BTreeMap;

use events::auth::{self, AuthEvent};
use events::hash::{content_hash, encode_base64, event_id};
use events::{EventId, Object, Pdu, RoomId, RoomVersion, UserId, Value};
use serde_json::json;

/// An event that is to be made.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'a> {
    pub(crate) sender: &'a UserId,
    pub(crate) event_type: &'a str,
    pub(crate) state_key: Option<&'a str>,
    pub(crate) content: Value,
    pub(crate) prev_events: Vec<EventId>,
    pub(crate) auth_events: Vec<EventId>,
    pub(crate) origin_server_ts: i64,
    pub(crate) redacts: Option<&'a str>,
}

/// `alice` is a user of `a.test`, `bob:b` one of `b.test`; what starts with `@` is a user id already.
pub(crate) fn user(name: &str) -> UserId {
    let id = match name.split_once(':') {
        _ if name.starts_with('@') => name.to_owned(),
        Some((name, server)) => format!("@{name}:{server}.test"),
        None => format!("@{name}:a.test"),
    };
    UserId::parse(id).unwrap()
}

/// The id of the room with this create event.
pub(crate) fn room_id(version: RoomVersion, create: Option<&EventId>) -> RoomId {
    match create {
        Some(create) if version == RoomVersion::V12 => RoomId::of_create_event(create),
        Some(_) | None => RoomId::parse("!room:a.test").unwrap(),
    }
}

impl Draft<'_> {
    /// Makes the event, in `room` unless it is the create event of a room of version 12.
    pub(crate) fn make(&self, version: RoomVersion, room: &RoomId) -> Pdu {
        let mut object = json!({
            "sender": self.sender, "type": self.event_type, "content": self.content, "origin_server_ts": self.origin_server_ts,
            "depth": 5, "hashes": {}, "signatures": {},
        });
        let chosen = matches!(version, RoomVersion::V1 | RoomVersion::V2);
        let references = |ids: &[EventId]| -> Value {
            let reference = |id: &EventId| if chosen { json!([id, {"sha256": ""}]) } else { json!(id) };
            ids.iter().map(reference).collect()
        };
        object["prev_events"] = references(&self.prev_events);
        object["auth_events"] = references(&self.auth_events);
        let names_itself = version == RoomVersion::V12 && self.event_type == "m.room.create";
        if !names_itself {
            object["room_id"] = json!(room);
        }
        if let Some(state_key) = self.state_key {
            object["state_key"] = json!(state_key);
        }
        if let Some(redacts) = self.redacts {
            object["redacts"] = json!(redacts);
        }
        if chosen {
            // The same for the same event, like the hash that it is in later versions.
            let unique = encode_base64(content_hash(object.as_object().unwrap()));
            object["event_id"] = json!(format!("${unique}:{}", self.sender.server()));
        }
        let object: Object = object.as_object().unwrap().clone();
        let id = event_id(&object, version).unwrap();
        Pdu::from_store(object, version, id, false).unwrap()
    }
}

/// Random numbers that are the same for the same seed, on every machine. SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A state by type and key, as a naive server would keep it.
pub(crate) type State = BTreeMap<(String, String), AuthEvent>;

/// Returns the events that `draft` should cite in this state.
pub(crate) fn select_auth_events(version: RoomVersion, state: &State, draft: &Draft<'_>) -> Vec<EventId> {
    let content = draft.content.as_object().cloned().unwrap_or_default();
    let types = auth::auth_types(version.rules(), draft.event_type, draft.sender, draft.state_key, &content);
    types.iter().filter_map(|key| state.get(key)).map(|event| event.event_id().clone()).collect()
}

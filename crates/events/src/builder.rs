//! The only way to sign an event of ours: from typed values, never from JSON that a peer sent.

use crate::id::{EventId, RoomId, ServerName, UserId};
use crate::json::{Object, Value};
use crate::limits::INTEGER_MAX;
use crate::pdu::{FormatError, ParsedPdu, Pdu};
use crate::reference::Reference;
use crate::room_version::{EventIdFormat, RoomIdFormat, RoomVersion};
use crate::signature::{SigningKey, hash_and_sign};

/// An event of ours that is about to be signed.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The event's id in room versions 1 and 2, where it is chosen; in others it is a hash, and `None`.
    pub event_id: Option<EventId>,
    /// The room; `None` for the create event of a room of version 12.
    pub room_id: Option<RoomId>,
    /// One of our users.
    pub sender: UserId,
    /// The event's type.
    pub event_type: String,
    /// The state key of a state event.
    pub state_key: Option<String>,
    /// The content.
    pub content: Object,
    /// The event that a redaction is for; goes where the room version wants it.
    pub redacts: Option<EventId>,
    /// Forward extremities.
    pub prev_events: Vec<Reference>,
    /// Selected as S2S API, "Auth events selection".
    pub auth_events: Vec<Reference>,
    /// One more than the deepest parent's, at most 2^53 - 1.
    pub depth: i64,
    /// Milliseconds since 1970.
    pub origin_server_ts: i64,
}

impl NewEvent {
    /// Hashes and signs the event as `server`. S2S API, "Adding hashes and signatures to outgoing events".
    ///
    /// Fails if the event is too large or a field does not follow its grammar: what a client asked for cannot be sent.
    pub fn sign(self, version: RoomVersion, server: &ServerName, key: &SigningKey) -> Result<Pdu, FormatError> {
        let mut object = self.into_object(version);
        hash_and_sign(&mut object, version, server, key);
        let parsed = ParsedPdu::parse(object, version)?;
        Ok(parsed.into_own(server))
    }

    fn into_object(self, version: RoomVersion) -> Object {
        let rules = version.rules();
        let references =
            |all: Vec<Reference>| Value::Array(all.iter().map(|reference| reference.write(version)).collect());
        let mut object = Object::new();
        if let Some(event_id) = self.event_id.filter(|_| rules.event_id == EventIdFormat::Chosen) {
            object.insert("event_id".to_owned(), Value::String(event_id.to_string()));
        }
        let mut content = self.content;
        if let Some(target) = self.redacts {
            let place = if rules.redaction.redacts_in_content { &mut content } else { &mut object };
            place.insert("redacts".to_owned(), Value::String(target.to_string()));
        }
        let names_itself = rules.room_id == RoomIdFormat::CreateEvent && self.event_type == "m.room.create";
        if let Some(room_id) = self.room_id.filter(|_| !names_itself) {
            object.insert("room_id".to_owned(), Value::String(room_id.to_string()));
        }
        if let Some(state_key) = self.state_key {
            object.insert("state_key".to_owned(), Value::String(state_key));
        }
        object.extend([
            ("type".to_owned(), Value::String(self.event_type)),
            ("sender".to_owned(), Value::String(self.sender.to_string())),
            ("content".to_owned(), Value::Object(content)),
            ("prev_events".to_owned(), references(self.prev_events)),
            ("auth_events".to_owned(), references(self.auth_events)),
            ("depth".to_owned(), Value::from(self.depth.clamp(1, INTEGER_MAX))),
            ("origin_server_ts".to_owned(), Value::from(self.origin_server_ts)),
        ]);
        object
    }
}

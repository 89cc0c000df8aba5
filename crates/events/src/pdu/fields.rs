//! The fields that every event has. Room version specifications, "Event format".

use std::ops::RangeInclusive;

use crate::hash::event_id;
use crate::id::{EventId, InvalidId, RoomId, UserId};
use crate::json::{NotCanonical, Object, Value};
use crate::limits::{FIELD_BYTES_MAX, INTEGER_MAX, PDU_SIZE_BYTES_MAX};
use crate::reference::Reference;
use crate::room_version::{RoomIdFormat, RoomVersion};

/// The fields of an event that its layers read, with their formats checked.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    pub(super) version: RoomVersion,
    pub(super) event_id: EventId,
    pub(super) room_id: RoomId,
    pub(super) sender: UserId,
    pub(super) event_type: String,
    pub(super) state_key: Option<String>,
    pub(super) depth: i64,
    pub(super) origin_server_ts: i64,
    pub(super) prev_events: Vec<EventId>,
    pub(super) auth_events: Vec<EventId>,
    pub(super) oversized: Option<&'static str>,
}

/// What is wrong with the format of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A field that every event has is not there.
    #[error("the event has no `{0}`")]
    Missing(&'static str),
    /// A field is there with a value of the wrong type, or outside of its range.
    #[error("the event's `{field}` must be {expected}")]
    Wrong {
        /// Which field.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// An identifier does not follow its grammar.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A number that canonical JSON cannot express.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// More than [`PDU_SIZE_BYTES_MAX`] bytes.
    #[error("the event has {0} bytes as canonical JSON, more than {PDU_SIZE_BYTES_MAX}")]
    TooLarge(usize),
    /// A field with more than [`FIELD_BYTES_MAX`] code points (or bytes, from room version 11 on).
    #[error("the event's `{0}` is longer than {FIELD_BYTES_MAX}")]
    FieldTooLong(&'static str),
}

impl Fields {
    /// `known_id` is what [`event_id`] says of the object, where somebody has asked it already.
    pub(super) fn parse(object: &Object, version: RoomVersion, known_id: Option<EventId>) -> Result<Self, FormatError> {
        let rules = version.rules();
        let event_type = text(object, "type")?.to_owned();
        let state_key = match object.get("state_key") {
            None => None,
            Some(Value::String(key)) => Some(key.clone()),
            Some(_) => return Err(FormatError::Wrong { field: "state_key", expected: "a string" }),
        };
        let sender = UserId::parse(text(object, "sender")?)?;
        if !object.get("content").ok_or(FormatError::Missing("content"))?.is_object() {
            return Err(FormatError::Wrong { field: "content", expected: "an object" });
        }
        check_hashes(object)?;
        check_signatures(object)?;
        let event_id = known_id.or_else(|| event_id(object, version)).ok_or(FormatError::Missing("event_id"))?;
        let is_nameless_create = rules.room_id == RoomIdFormat::CreateEvent
            && event_type == "m.room.create"
            && !object.contains_key("room_id");
        let room_id = if is_nameless_create {
            RoomId::of_create_event(&event_id)
        } else {
            RoomId::parse(text(object, "room_id")?)?
        };
        let mut fields = Self {
            version,
            event_id,
            room_id,
            sender,
            event_type,
            state_key,
            depth: integer(object, "depth", 0..=if rules.strict_json { INTEGER_MAX } else { i64::MAX })?,
            origin_server_ts: integer(object, "origin_server_ts", i64::MIN..=i64::MAX)?,
            prev_events: references(object, "prev_events", version)?,
            auth_events: references(object, "auth_events", version)?,
            oversized: None,
        };
        fields.oversized = fields.check_sizes(rules.lenient_sizes)?;
        Ok(fields)
    }

    /// Returns the field that is too long in bytes but not in code points, where the version tells the two apart.
    fn check_sizes(&self, lenient: bool) -> Result<Option<&'static str>, FormatError> {
        let fields = [
            ("event_id", self.event_id.as_str()),
            ("room_id", self.room_id.as_str()),
            ("sender", self.sender.as_str()),
            ("type", &self.event_type),
            ("state_key", self.state_key.as_deref().unwrap_or_default()),
        ];
        let mut oversized = None;
        for (name, value) in fields.into_iter().filter(|(_, value)| value.len() > FIELD_BYTES_MAX) {
            if !lenient || value.chars().count() > FIELD_BYTES_MAX {
                return Err(FormatError::FieldTooLong(name));
            }
            oversized.get_or_insert(name);
        }
        Ok(oversized)
    }
}

fn text<'a>(object: &'a Object, field: &'static str) -> Result<&'a str, FormatError> {
    let value = object.get(field).ok_or(FormatError::Missing(field))?;
    value.as_str().ok_or(FormatError::Wrong { field, expected: "a string" })
}

fn integer(object: &Object, field: &'static str, range: RangeInclusive<i64>) -> Result<i64, FormatError> {
    let value = object.get(field).ok_or(FormatError::Missing(field))?;
    let expected = "an integer in range";
    value.as_i64().filter(|number| range.contains(number)).ok_or(FormatError::Wrong { field, expected })
}

/// A SHA-256 hash is not asked for: without it the content hash does not match, and what survives a redaction goes on.
fn check_hashes(object: &Object) -> Result<(), FormatError> {
    let expected = "an object whose values are texts";
    let hashes = object.get("hashes").ok_or(FormatError::Missing("hashes"))?.as_object();
    let valid = hashes.is_some_and(|hashes| hashes.values().all(Value::is_string));
    if valid { Ok(()) } else { Err(FormatError::Wrong { field: "hashes", expected }) }
}

fn check_signatures(object: &Object) -> Result<(), FormatError> {
    let expected = "an object of objects whose values are texts";
    let signatures = object.get("signatures").ok_or(FormatError::Missing("signatures"))?.as_object();
    let is_valid = |of_server: &Value| of_server.as_object().is_some_and(|all| all.values().all(Value::is_string));
    let valid = signatures.is_some_and(|signatures| signatures.values().all(is_valid));
    if valid { Ok(()) } else { Err(FormatError::Wrong { field: "signatures", expected }) }
}

/// Reads `prev_events` or `auth_events`.
fn references(object: &Object, field: &'static str, version: RoomVersion) -> Result<Vec<EventId>, FormatError> {
    let wrong =
        || FormatError::Wrong { field, expected: "an array of event ids, with their hashes in versions 1 and 2" };
    let entries = object.get(field).ok_or(FormatError::Missing(field))?.as_array().ok_or_else(wrong)?;
    let id_of = |entry: &Value| Reference::read(entry, version).map(|reference| reference.event_id).ok_or_else(wrong);
    entries.iter().map(id_of).collect()
}

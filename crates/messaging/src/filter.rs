//! What a client wants to see. C-S API, "Filtering".
//!
//! A filter is read and checked once, when it is stored or used; unknown keys are for newer versions and are let through.

use events::{Object, RoomId, UserId, Value};
use serde::Deserialize;

mod fields;
mod pattern;

pub use fields::FieldPath;
use pattern::matches;

/// The parts of a filter that are filters themselves.
const SECTIONS: [&str; 6] = ["room", "presence", "account_data", "ephemeral", "state", "timeline"];

/// A whole filter, as `/sync` takes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// The fields of room events to include; `None` for all.
    pub event_fields: Option<Vec<FieldPath>>,
    /// How room events are written.
    pub event_format: EventFormat,
    /// Which presence updates.
    pub presence: EventFilter,
    /// Which account data of the account itself.
    pub account_data: EventFilter,
    /// What of rooms.
    pub room: RoomFilter,
}

/// How room events are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventFormat {
    /// For clients. C-S API, "Room event format".
    #[default]
    Client,
    /// As it came over federation.
    Federation,
}

/// What of rooms to include.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RoomFilter {
    /// Only these rooms.
    pub rooms: Option<Vec<RoomId>>,
    /// Not these rooms.
    pub not_rooms: Vec<RoomId>,
    /// Which typing notices and receipts.
    pub ephemeral: RoomEventFilter,
    /// Rooms that the user has left are shown in a first sync too.
    pub include_leave: bool,
    /// Which state events.
    pub state: RoomEventFilter,
    /// Which events of the timeline.
    pub timeline: RoomEventFilter,
    /// Which account data of rooms.
    pub account_data: RoomEventFilter,
}

/// Which events of rooms to include.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RoomEventFilter {
    /// By type and sender.
    #[serde(flatten)]
    pub events: EventFilter,
    /// Only these rooms.
    pub rooms: Option<Vec<RoomId>>,
    /// Not these rooms.
    pub not_rooms: Vec<RoomId>,
    /// Only events with a `url`, or only those without.
    pub contains_url: Option<bool>,
    /// Only the members that the events shown need.
    pub lazy_load_members: bool,
    /// Those members too that the client has been sent before.
    pub include_redundant_members: bool,
    /// Threads have notification counts of their own.
    pub unread_thread_notifications: bool,
}

/// Which events to include.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct EventFilter {
    /// How many events at most. Counts where a client can ask for the rest: in timelines and pages of history. A part of a
    /// state or of the account data that was left out could never be asked for.
    pub limit: Option<u64>,
    /// Only these senders.
    pub senders: Option<Vec<UserId>>,
    /// Not these senders.
    pub not_senders: Vec<UserId>,
    /// Only these types; `*` stands for any characters.
    pub types: Option<Vec<String>>,
    /// Not these types.
    pub not_types: Vec<String>,
}

/// Why a filter cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("it is no filter: {0}")]
pub struct FilterError(String);

impl Filter {
    /// Reads a filter.
    pub fn parse(object: &Object) -> Result<Self, FilterError> {
        parse(object)
    }
}

impl RoomFilter {
    /// Says whether anything of a room is to be included.
    pub fn allows_room(&self, room: &RoomId) -> bool {
        is_wanted(self.rooms.as_deref(), &self.not_rooms, room)
    }
}

impl RoomEventFilter {
    /// Reads a filter as `/messages` and `/context` take it.
    pub fn parse(object: &Object) -> Result<Self, FilterError> {
        parse(object)
    }

    /// Says whether events of a room are to be included.
    pub fn allows_room(&self, room: &RoomId) -> bool {
        is_wanted(self.rooms.as_deref(), &self.not_rooms, room)
    }

    /// Says whether an event of an included room is to be included.
    pub fn allows(&self, event_type: &str, sender: &UserId, content: &Object) -> bool {
        self.events.allows_type(event_type)
            && self.events.allows_sender(sender)
            && self.contains_url.is_none_or(|wanted| content.contains_key("url") == wanted)
    }
}

impl EventFilter {
    /// Says whether events of a type are to be included.
    pub fn allows_type(&self, event_type: &str) -> bool {
        let is_named = |types: &[String]| types.iter().any(|pattern| matches(pattern, event_type));
        !is_named(&self.not_types) && self.types.as_deref().is_none_or(is_named)
    }

    /// Says whether what comes from a user is to be included.
    pub fn allows_sender(&self, sender: &UserId) -> bool {
        is_wanted(self.senders.as_deref(), &self.not_senders, sender)
    }
}

fn is_wanted<T: PartialEq>(only: Option<&[T]>, not: &[T], one: &T) -> bool {
    !not.contains(one) && only.is_none_or(|only| only.contains(one))
}

fn parse<T: for<'de> Deserialize<'de>>(object: &Object) -> Result<T, FilterError> {
    // A key that is null counts as absent, as clients write what they leave out.
    let object = without_nulls(object);
    check_sections(&object)?;
    serde_json::from_value(Value::Object(object)).map_err(|error| FilterError(error.to_string()))
}

/// An array would be read as the fields of a section in their order.
fn check_sections(object: &Object) -> Result<(), FilterError> {
    for (key, section) in object.iter().filter(|(key, _)| SECTIONS.contains(&key.as_str())) {
        match section.as_object() {
            Some(section) => check_sections(section)?,
            None => return Err(FilterError(format!("`{key}` must be an object"))),
        }
    }
    Ok(())
}

fn without_nulls(object: &Object) -> Object {
    let kept = object.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| {
        let value = match value {
            Value::Object(inner) => Value::Object(without_nulls(inner)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value.clone(),
        };
        (key.clone(), value)
    })
    .collect()
}

#[cfg(test)]
mod tests;

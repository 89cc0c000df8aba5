//! How events name each other. Room version specifications, "Event format".

use serde_json::json;

use crate::hash::{encode_base64, reference_hash};
use crate::id::EventId;
use crate::json::{Object, Value};
use crate::room_version::{EventIdFormat, RoomVersion};

/// An event as another one names it among its parents or its permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The event's id.
    pub event_id: EventId,
    /// Its reference hash in base64, which stands beside an id that is chosen (versions 1 and 2). Where the id is the hash,
    /// there is none.
    pub sha256: Option<Box<str>>,
}

impl Reference {
    /// Names an event by its id alone: enough where that is its hash.
    pub fn by_id(event_id: EventId) -> Self {
        Self { event_id, sha256: None }
    }

    /// Names `event`, whose id is known.
    pub(crate) fn to(event_id: &EventId, event: &Object, version: RoomVersion) -> Self {
        let sha256 = match version.rules().event_id {
            EventIdFormat::Chosen => Some(encode_base64(reference_hash(event, version)).into()),
            EventIdFormat::ReferenceHash | EventIdFormat::UrlSafeReferenceHash => None,
        };
        Self { event_id: event_id.clone(), sha256 }
    }

    /// Reads an entry of `prev_events` or `auth_events`: an id, or in versions 1 and 2 a pair of id and hashes.
    ///
    /// The hashes are not looked at: no server does, and there are rooms in which they are wrong.
    pub fn read(entry: &Value, version: RoomVersion) -> Option<Self> {
        let (id, hashes) = match version.rules().event_id {
            EventIdFormat::Chosen => (entry.get(0)?, entry.get(1)),
            EventIdFormat::ReferenceHash | EventIdFormat::UrlSafeReferenceHash => (entry, None),
        };
        let sha256 = hashes.and_then(|hashes| hashes.get("sha256")).and_then(Value::as_str);
        Some(Self { event_id: EventId::parse(id.as_str()?).ok()?, sha256: sha256.map(Into::into) })
    }

    /// Writes an entry of `prev_events` or `auth_events`.
    pub fn write(&self, version: RoomVersion) -> Value {
        match version.rules().event_id {
            EventIdFormat::Chosen => {
                let hashes = self.sha256.iter().map(|sha256| ("sha256".to_owned(), json!(sha256)));
                json!([self.event_id, hashes.collect::<Object>()])
            }
            EventIdFormat::ReferenceHash | EventIdFormat::UrlSafeReferenceHash => json!(self.event_id),
        }
    }
}

//! Rooms that the user is invited to or has knocked on.

use events::Value;
use persistence::StoreError;
use persistence::transactions::{events as event_rows, rooms as room_rows};
use serde_json::json;

use super::RoomSync;
use crate::reading::format::strip;

impl RoomSync<'_, '_> {
    pub(super) fn invited(&self) -> Result<Value, StoreError> {
        Ok(json!({ "invite_state": { "events": self.stripped()? } }))
    }

    pub(super) fn knocked(&self) -> Result<Value, StoreError> {
        Ok(json!({ "knock_state": { "events": self.stripped()? } }))
    }

    /// Invites of ignored users are not shown. C-S API, "Ignoring Users".
    pub(super) fn is_ignored_invite(&self) -> Result<bool, StoreError> {
        let invite = event_rows::load(self.tx, self.room.version, self.standing.event)?;
        Ok(invite.is_some_and(|invite| self.ignored.contains(invite.pdu.sender())))
    }

    /// What an invited or knocking user is told of the room.
    fn stripped(&self) -> Result<Vec<Value>, StoreError> {
        let mut events = match &self.standing.stripped {
            Some(stripped) => match serde_json::from_str(stripped) {
                Ok(Value::Array(events)) => events,
                // A row that cannot be read costs this room its name, and no sync.
                Ok(_) | Err(_) => Vec::new(),
            },
            None => self.stripped_current()?,
        };
        if let Some(stored) = event_rows::load(self.tx, self.room.version, self.standing.event)? {
            let own = strip(&stored.visible());
            events.retain(|event| event["type"] != own["type"] || event["state_key"] != own["state_key"]);
            events.push(own);
        }
        Ok(events)
    }

    fn stripped_current(&self) -> Result<Vec<Value>, StoreError> {
        let mut events = Vec::new();
        for event_type in pdu::STRIPPED_TYPES.into_iter().filter(|event_type| *event_type != "m.room.member") {
            if let Some(event) = room_rows::current(self.tx, self.room.number, event_type, "")?
                && let Some(stored) = event_rows::load(self.tx, self.room.version, event)?
            {
                events.push(strip(&stored.visible()));
            }
        }
        Ok(events)
    }
}

//! Who is in a room, in short. C-S API, "Syncing", `RoomSummary`.

use std::sync::{Arc, OnceLock};

use events::{UserId, Value};
use pdu::limits::HEROES_MAX;
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, members as member_rows};
use persistence::{ReadTx, SnapshotNumber, StoreError};
use serde_json::json;

use crate::memory::Memory;

/// Who is in a room by one of its states. To count a large room costs time, so it is done once for each state.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) joined: i64,
    pub(crate) invited: i64,
    /// Those who came first, one more than are named, as nobody names themselves. Looked up when a room has no name.
    first: OnceLock<Vec<UserId>>,
}

impl Summary {
    /// The summary of the room's current state.
    pub(crate) fn of(
        tx: &ReadTx<'_>,
        memory: &Memory,
        room: &RoomRow,
        state: SnapshotNumber,
    ) -> Result<Arc<Self>, StoreError> {
        if let Some(known) = memory.summaries.get(&state) {
            return Ok(known);
        }
        let summary = Arc::new(Self {
            joined: room_rows::count_members(tx, room.number, "join")?,
            invited: room_rows::count_members(tx, room.number, "invite")?,
            first: OnceLock::new(),
        });
        memory.summaries.insert(state, Arc::clone(&summary));
        Ok(summary)
    }

    /// The users that name the room to `reader`; `None` if it has a name of its own.
    pub(crate) fn heroes(
        &self,
        tx: &ReadTx<'_>,
        room: &RoomRow,
        reader: &UserId,
    ) -> Result<Option<Vec<UserId>>, StoreError> {
        if is_named(tx, room)? {
            return Ok(None);
        }
        let first = match self.first.get() {
            Some(first) => first.clone(),
            None => {
                let first = first_members(tx, room)?;
                self.first.get_or_init(|| first).clone()
            }
        };
        Ok(Some(first.into_iter().filter(|user| user != reader).take(HEROES_MAX).collect()))
    }

    pub(crate) fn to_json(&self, heroes: Option<&[UserId]>) -> Value {
        let mut summary = json!({ "m.joined_member_count": self.joined, "m.invited_member_count": self.invited });
        if let Some(heroes) = heroes {
            summary["m.heroes"] = json!(heroes);
        }
        summary
    }
}

fn first_members(tx: &ReadTx<'_>, room: &RoomRow) -> Result<Vec<UserId>, StoreError> {
    let limit = u32::try_from(HEROES_MAX + 1).unwrap_or(u32::MAX);
    let mut first = member_rows::first_present(tx, room.number, limit)?;
    if first.len() <= 1 {
        first.extend(member_rows::first_gone(tx, room.number, limit)?);
    }
    Ok(first)
}

fn is_named(tx: &ReadTx<'_>, room: &RoomRow) -> Result<bool, StoreError> {
    for (event_type, key) in [("m.room.name", "name"), ("m.room.canonical_alias", "alias")] {
        if let Some(event) = room_rows::current(tx, room.number, event_type, "")?
            && let Some(stored) = event_rows::load(tx, room.version, event)?
            && stored.visible().content().get(key).and_then(Value::as_str).is_some_and(|name| !name.is_empty())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

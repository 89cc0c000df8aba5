//! What is new for a user since some positions. C-S API, "Syncing".

use events::UserId;

use super::rooms::{Standing, standing};
use crate::numbers::{EventNumber, Position, RoomNumber};
use crate::tx::{ReadTx, StoreError};

/// A change of one entry of the current state.
#[derive(Debug, Clone)]
pub struct StateChange {
    /// When: the position in the events stream of the last event of the step that made the change.
    pub position: Position,
    /// The event type.
    pub event_type: String,
    /// The state key.
    pub state_key: String,
    /// The event that is there afterwards.
    pub event: Option<EventNumber>,
}

/// Returns how `user` stands to those rooms in which that changed, or in which they are and something happened or the state changed
/// (members may become known long after a join), after the positions given. Costs a few looks into indexes for each room of the
/// user, whatever happened in it.
pub fn rooms_with_news(
    tx: &ReadTx<'_>,
    user: &UserId,
    events: Position,
    receipts: Position,
) -> Result<Vec<Standing>, StoreError> {
    tx.query_all(
        "SELECT standings.room, rooms.room_id, membership, event, position, stripped, via, forgotten
           FROM standings
           JOIN rooms ON rooms.number = standings.room
          WHERE user_id = ?1
            AND (position > ?2
                 OR (membership = 'join'
                     AND (EXISTS (SELECT 1 FROM graph WHERE graph.room = standings.room AND graph.arrival > ?2)
                          OR EXISTS (SELECT 1
                                       FROM state_changes
                                      WHERE state_changes.room = standings.room AND state_changes.position > ?2)
                          OR EXISTS (SELECT 1
                                       FROM receipts
                                      WHERE receipts.room = standings.room AND receipts.position > ?3))))
          ORDER BY standings.room",
        &[user, &events, &receipts],
        standing,
    )
}

/// Returns the changes of the current state after `from` and up to `to`, in their order. An entry may be there several times.
pub fn state_changes(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    from: Position,
    to: Position,
) -> Result<Vec<StateChange>, StoreError> {
    tx.query_all(
        "SELECT position, type, state_key, event
           FROM state_changes
          WHERE room = ?1 AND position > ?2 AND position <= ?3
          ORDER BY position, type, state_key",
        &[&room, &from, &to],
        |row| {
            Ok(StateChange {
                position: row.get(0)?,
                event_type: row.get(1)?,
                state_key: row.get(2)?,
                event: row.get(3)?,
            })
        },
    )
}

/// Returns the whole current state but for members: type, state key, event.
pub fn state_without_members(
    tx: &ReadTx<'_>,
    room: RoomNumber,
) -> Result<Vec<(String, String, EventNumber)>, StoreError> {
    // Two ranges of the primary key: what lies between is not touched, however many members there are.
    tx.query_all(
        "SELECT type, state_key, event FROM current_state WHERE room = ?1 AND type < 'm.room.member'
         UNION ALL
         SELECT type, state_key, event FROM current_state WHERE room = ?1 AND type > 'm.room.member'",
        &[&room],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

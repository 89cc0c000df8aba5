//! History that was missed: parents behind which lies what happened in a room while we were in it and did not hear.

use crate::numbers::{EventNumber, RoomNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// A parent of a placed event that has no place itself, and is to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The room.
    pub room: RoomNumber,
    /// The parent.
    pub event: EventNumber,
    /// When the gap was found, in milliseconds since 1970.
    pub since: i64,
    /// How often it was tried.
    pub attempts: i64,
    /// So many generations of ancestors may still be fetched.
    pub generations: i64,
}

/// Remembers a parent, unless `room_max` of the room are remembered already. It is due at once.
pub fn note(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    event: EventNumber,
    since: i64,
    generations: i64,
    room_max: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO missed (room, event, since, retry_at, generations)
         SELECT ?1, ?2, ?3, ?3, ?4
          WHERE (SELECT COUNT(*) FROM missed WHERE room = ?1) < ?5
         ON CONFLICT (room, event) DO NOTHING",
        &[&room, &event, &since, &generations, &room_max],
    )?;
    Ok(())
}

/// Returns the parent that has been due for longest.
pub fn due(tx: &ReadTx<'_>, now: i64) -> Result<Option<Missed>, StoreError> {
    tx.query_optional(
        "SELECT room, event, since, attempts, generations
           FROM missed
          WHERE retry_at <= ?1
          ORDER BY retry_at
          LIMIT 1",
        &[&now],
        missed_row,
    )
}

/// Returns when the next parent is due.
pub fn next_due(tx: &ReadTx<'_>) -> Result<Option<i64>, StoreError> {
    tx.query_one("SELECT MIN(retry_at) FROM missed", &[], |row| row.get(0))
}

/// Returns what is remembered of a room.
pub fn of_room(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Vec<Missed>, StoreError> {
    tx.query_all(
        "SELECT room, event, since, attempts, generations FROM missed WHERE room = ?1 ORDER BY event",
        &[&room],
        missed_row,
    )
}

/// Forgets a parent, and returns what was remembered.
pub fn take(tx: &mut WriteTx<'_>, room: RoomNumber, event: EventNumber) -> Result<Option<Missed>, StoreError> {
    tx.query_optional(
        "DELETE FROM missed WHERE room = ?1 AND event = ?2
         RETURNING room, event, since, attempts, generations",
        &[&room, &event],
        missed_row,
    )
}

/// Tries a parent again at `retry_at`, and not before then.
pub fn postpone(tx: &mut WriteTx<'_>, missed: &Missed, retry_at: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE missed SET retry_at = ?3, attempts = attempts + 1 WHERE room = ?1 AND event = ?2",
        &[&missed.room, &missed.event, &retry_at],
    )?;
    Ok(())
}

fn missed_row(row: &Row<'_>) -> Result<Missed, StoreError> {
    Ok(Missed {
        room: row.get(0)?,
        event: row.get(1)?,
        since: row.get(2)?,
        attempts: row.get(3)?,
        generations: row.get(4)?,
    })
}

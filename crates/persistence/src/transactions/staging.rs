//! Events that are checked and acknowledged, and wait for their room's turn.

use events::{EventId, Object, Pdu, RoomVersion, ServerName};

use crate::numbers::RoomNumber;
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

#[cfg(test)]
mod tests;

/// A staged event.
#[derive(Debug, Clone)]
pub struct Staged {
    /// The order of staging.
    pub number: i64,
    /// Who sent it to us.
    pub origin: ServerName,
    /// When, in milliseconds since 1970.
    pub received: i64,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried again.
    pub retry_at: i64,
    /// The event.
    pub pdu: Pdu,
}

/// Stages an event. It is staged once, whoever sends it; a full copy takes the place of a mangled one.
pub fn insert(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    origin: &ServerName,
    pdu: &Pdu,
    now: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO staged (room, event_id, origin, received, retry_at, mangled, json)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)
         ON CONFLICT (room, event_id) DO UPDATE
            SET json = excluded.json, mangled = excluded.mangled
          WHERE staged.mangled = 1 AND excluded.mangled = 0",
        &[&room, pdu.event_id(), origin, &now, &pdu.is_mangled(), &pdu.to_json()],
    )?;
    Ok(())
}

/// Returns the staged events of a room from an origin that are due, oldest first.
pub fn due(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    version: RoomVersion,
    origin: &ServerName,
    now: i64,
    limit: u32,
) -> Result<Vec<Staged>, StoreError> {
    tx.query_all(
        "SELECT number, event_id, origin, received, attempts, mangled, json, retry_at
           FROM staged
          WHERE origin = ?1 AND room = ?2 AND retry_at <= ?3
          ORDER BY number
          LIMIT ?4",
        &[origin, &room, &now, &limit],
        |row| staged(row, version),
    )
}

/// Returns a staged event, whoever sent it.
pub fn find(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    version: RoomVersion,
    event_id: &EventId,
) -> Result<Option<Staged>, StoreError> {
    tx.query_optional(
        "SELECT number, event_id, origin, received, attempts, mangled, json, retry_at
           FROM staged
          WHERE room = ?1 AND event_id = ?2",
        &[&room, event_id],
        |row| staged(row, version),
    )
}

/// Returns the rooms in which an event id is staged: one, but for room versions 1 and 2.
pub fn rooms_of_id(tx: &ReadTx<'_>, event_id: &EventId) -> Result<Vec<RoomNumber>, StoreError> {
    tx.query_all(
        "SELECT room FROM staged WHERE room IN (SELECT number FROM rooms) AND event_id = ?1 ORDER BY room",
        &[event_id],
        |row| row.get(0),
    )
}

fn staged(row: &Row<'_>, version: RoomVersion) -> Result<Staged, StoreError> {
    let event_id: EventId = row.get(1)?;
    let object: Object = serde_json::from_str(&row.get::<String>(6)?)
        .map_err(|error| StoreError::Inconsistent(format!("{event_id} in table staged: {error}")))?;
    let pdu = Pdu::from_store(object, version, event_id, row.get(5)?)
        .map_err(|error| StoreError::Inconsistent(format!("a row in table staged: {error}")))?;
    Ok(Staged {
        number: row.get(0)?,
        origin: row.get(2)?,
        received: row.get(3)?,
        attempts: row.get(4)?,
        retry_at: row.get(7)?,
        pdu,
    })
}

/// Returns the rooms that have staged events, with the origins of these.
pub fn queues(tx: &ReadTx<'_>) -> Result<Vec<(RoomNumber, ServerName)>, StoreError> {
    tx.query_all("SELECT DISTINCT room, origin FROM staged ORDER BY room, origin", &[], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Returns when the next staged event of a room from an origin is due.
pub fn next_due(tx: &ReadTx<'_>, room: RoomNumber, origin: &ServerName) -> Result<Option<i64>, StoreError> {
    tx.query_one("SELECT MIN(retry_at) FROM staged WHERE origin = ?1 AND room = ?2", &[origin, &room], |row| row.get(0))
}

/// Returns how many events of an origin are staged.
pub fn count_of(tx: &ReadTx<'_>, origin: &ServerName) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM staged WHERE origin = ?1", &[origin], |row| row.get(0))
}

/// Whether any event of a room is staged.
pub fn holds_any(tx: &ReadTx<'_>, room: RoomNumber) -> Result<bool, StoreError> {
    let found = tx.query_optional("SELECT 1 FROM staged WHERE room = ?1 LIMIT 1", &[&room], |row| row.get::<i64>(0))?;
    Ok(found.is_some())
}

/// Removes an event that was decided about, or whose horizon has passed.
pub fn remove(tx: &mut WriteTx<'_>, room: RoomNumber, event_id: &EventId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM staged WHERE room = ?1 AND event_id = ?2", &[&room, event_id])?;
    Ok(())
}

/// Says whether a staged event is still there.
pub fn waits(tx: &ReadTx<'_>, number: i64) -> Result<bool, StoreError> {
    let found = tx.query_optional("SELECT 1 FROM staged WHERE number = ?1", &[&number], |row| row.get::<i64>(0))?;
    Ok(found.is_some())
}

/// Tries an event again at `retry_at`.
pub fn postpone(tx: &mut WriteTx<'_>, number: i64, retry_at: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE staged SET retry_at = ?2, attempts = attempts + 1 WHERE number = ?1", &[&number, &retry_at])?;
    Ok(())
}

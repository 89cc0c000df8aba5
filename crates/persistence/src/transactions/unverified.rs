//! Events that wait for keys with which their signatures can be checked. They come out as they went in: unchecked.

use events::{EventId, Object, ParsedPdu, ServerName, json};

use crate::numbers::RoomNumber;
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// An event that waits for keys.
#[derive(Debug, Clone)]
pub struct Unverified {
    /// The order of arrival.
    pub number: i64,
    /// The room that it claims to be in.
    pub room: RoomNumber,
    /// Who sent it to us.
    pub origin: ServerName,
    /// When, in milliseconds since 1970.
    pub received: i64,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried again.
    pub retry_at: i64,
    /// The event. Nothing about it is proved.
    pub object: Object,
}

/// Keeps an event until `retry_at`. Each origin's copy is a row of its own: one may be forged, the other not.
pub fn insert(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    origin: &ServerName,
    pdu: &ParsedPdu,
    now: i64,
    retry_at: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO unverified (room, event_id, origin, received, retry_at, json)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (room, event_id, origin) DO NOTHING",
        &[&room, pdu.event_id(), origin, &now, &retry_at, &json::canonical(pdu.object())],
    )?;
    Ok(())
}

/// Returns the events that are due, oldest first.
pub fn due(tx: &ReadTx<'_>, now: i64, limit: u32) -> Result<Vec<Unverified>, StoreError> {
    tx.query_all(
        "SELECT number, room, origin, received, attempts, json, retry_at
           FROM unverified
          WHERE retry_at <= ?1
          ORDER BY number
          LIMIT ?2",
        &[&now, &limit],
        unverified,
    )
}

/// Returns the copies of an event that wait, whatever room they claim to be in, oldest first.
pub fn find(tx: &ReadTx<'_>, event_id: &EventId) -> Result<Vec<Unverified>, StoreError> {
    tx.query_all(
        "SELECT number, room, origin, received, attempts, json, retry_at
           FROM unverified
          WHERE room IN (SELECT number FROM rooms) AND event_id = ?1
          ORDER BY number",
        &[event_id],
        unverified,
    )
}

fn unverified(row: &Row<'_>) -> Result<Unverified, StoreError> {
    let number: i64 = row.get(0)?;
    let object: Object = serde_json::from_str(&row.get::<String>(5)?)
        .map_err(|error| StoreError::Inconsistent(format!("row {number} in table unverified: {error}")))?;
    Ok(Unverified {
        number,
        room: row.get(1)?,
        origin: row.get(2)?,
        received: row.get(3)?,
        attempts: row.get(4)?,
        retry_at: row.get(6)?,
        object,
    })
}

/// Returns when the next event is due.
pub fn next_due(tx: &ReadTx<'_>) -> Result<Option<i64>, StoreError> {
    tx.query_one("SELECT MIN(retry_at) FROM unverified", &[], |row| row.get(0))
}

/// Returns how many events wait.
pub fn count(tx: &ReadTx<'_>) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM unverified", &[], |row| row.get(0))
}

/// Returns how many events of an origin wait.
pub fn count_of(tx: &ReadTx<'_>, origin: &ServerName) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM unverified WHERE origin = ?1", &[origin], |row| row.get(0))
}

/// Tries an event again at `retry_at`, and not before then.
pub fn postpone(tx: &mut WriteTx<'_>, number: i64, retry_at: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE unverified SET retry_at = ?2, attempts = attempts + 1 WHERE number = ?1",
        &[&number, &retry_at],
    )?;
    Ok(())
}

/// Removes an event that was checked, or whose horizon has passed.
pub fn remove(tx: &mut WriteTx<'_>, number: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM unverified WHERE number = ?1", &[&number])?;
    Ok(())
}

//! Removes a room completely: first it is out of sight, in one transaction, then its rows go, a few in each transaction.

use events::RoomId;

use super::{partial, state};
use crate::numbers::{EventNumber, RoomNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};

#[cfg(test)]
mod tests;

/// Rows of one table that are deleted in one transaction.
const ROWS_MAX: i64 = 2_000;

/// A room that is being purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purge {
    /// Which.
    pub room: RoomNumber,
    /// When it began, in milliseconds since 1970.
    pub since: i64,
    /// Events with numbers up to this one have been looked at.
    pub looked_at: i64,
    /// How many of the room were found, since the events were looked at from the beginning.
    pub found: i64,
}

/// Takes a room out of everybody's sight: its id leads nowhere from now on, or to a new room. Whoever works on it finds that it has
/// advanced. Returns whether there was such a room.
pub fn begin(tx: &mut WriteTx<'_>, room_id: &RoomId, now: i64) -> Result<bool, StoreError> {
    let room: Option<(RoomNumber, bool)> =
        tx.query_optional("SELECT number, state IS NULL FROM rooms WHERE room_id = ?1", &[room_id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let Some((room, is_outside)) = room else { return Ok(false) };
    tx.execute("DELETE FROM standings WHERE room = ?1", &[&room])?;
    tx.execute("DELETE FROM members WHERE room = ?1", &[&room])?;
    partial::end(tx, room)?;
    tx.execute("DELETE FROM aliases WHERE room_id = ?1", &[room_id])?;
    tx.execute("DELETE FROM published_rooms WHERE room_id = ?1", &[room_id])?;
    tx.execute("DELETE FROM account_data WHERE room_id = ?1", &[room_id])?;
    tx.execute(
        "UPDATE rooms SET room_id = '!purged-' || number, turn = turn + 1, state = NULL WHERE number = ?1",
        &[&room],
    )?;
    tx.execute("INSERT INTO purges (room, since) VALUES (?1, ?2)", &[&room, &now])?;
    if is_outside {
        delete_outside(tx, room)?
    }
    Ok(true)
}

/// Deletes the events of a room that nobody here has been in: what invited our users or let them out again, and what that cites. They
/// are found by the room, so that not all events of the database need be looked at, unless there are many.
fn delete_outside(tx: &mut WriteTx<'_>, room: RoomNumber) -> Result<(), StoreError> {
    let mut events: Vec<EventNumber> = tx.query_all(
        "SELECT event FROM bodies WHERE room = ?1 AND state_key IS NOT NULL LIMIT ?2",
        &[&room, &ROWS_MAX],
        |row| row.get(0),
    )?;
    let mut cited = Vec::new();
    for event in &events {
        cited.extend(super::events::auth_events(tx, *event)?);
    }
    events.append(&mut cited);
    events.sort_unstable();
    events.dedup();
    delete_numbered(tx, &events)?;
    if i64::try_from(events.len()).is_ok_and(|count| count < ROWS_MAX) {
        let newest = newest_event(tx)?;
        tx.execute("UPDATE purges SET looked_at = ?2 WHERE room = ?1", &[&room, &newest])?;
    }
    Ok(())
}

/// Returns the rooms that are being purged.
pub fn begun(tx: &ReadTx<'_>) -> Result<Vec<Purge>, StoreError> {
    tx.query_all("SELECT room, since, looked_at, found FROM purges ORDER BY room", &[], |row| {
        Ok(Purge { room: row.get(0)?, since: row.get(1)?, looked_at: row.get(2)?, found: row.get(3)? })
    })
}

/// Says whether something of the room waits for other servers.
pub fn is_awaited(tx: &ReadTx<'_>, room: RoomNumber) -> Result<bool, StoreError> {
    tx.query_one("SELECT EXISTS (SELECT 1 FROM outbound_pdus WHERE room = ?1)", &[&room], |row| row.get(0))
}

/// Deletes some of the rows that are found by the room's number. Returns how many; 0 when none are left.
pub fn delete_rows(tx: &mut WriteTx<'_>, room: RoomNumber) -> Result<usize, StoreError> {
    let statements = [
        "DELETE FROM outbound_pdus WHERE (destination, position) IN
            (SELECT destination, position FROM outbound_pdus WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM staged WHERE number IN (SELECT number FROM staged WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM unverified WHERE number IN (SELECT number FROM unverified WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM missed WHERE (room, event) IN (SELECT room, event FROM missed WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM gaps WHERE (room, prev, event) IN (SELECT room, prev, event FROM gaps WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM extremities WHERE (room, event) IN
            (SELECT room, event FROM extremities WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM receipts WHERE (room, user_id, receipt_type, thread) IN
            (SELECT room, user_id, receipt_type, thread FROM receipts WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM current_state WHERE (room, type, state_key) IN
            (SELECT room, type, state_key FROM current_state WHERE room = ?1 LIMIT ?2)",
        "DELETE FROM state_changes WHERE (room, position, type, state_key) IN
            (SELECT room, position, type, state_key FROM state_changes WHERE room = ?1 LIMIT ?2)",
    ];
    let mut deleted = 0;
    for statement in statements {
        deleted += tx.execute(statement, &[&room, &ROWS_MAX])?;
        if deleted > 0 {
            return Ok(deleted);
        }
    }
    state::purge_room(tx, room, ROWS_MAX)
}

/// Returns the numbers of the room's events among the `window` numbers that follow those looked at.
pub fn events(tx: &ReadTx<'_>, purge: &Purge, window: i64) -> Result<Vec<EventNumber>, StoreError> {
    tx.query_all(
        "SELECT number FROM events WHERE number > ?1 AND number <= ?2 AND room = ?3",
        &[&purge.looked_at, &(purge.looked_at + window), &purge.room],
        |row| row.get(0),
    )
}

/// Deletes events, and remembers that the numbers up to `looked_at` have been looked at.
pub fn delete_events(
    tx: &mut WriteTx<'_>,
    purge: &Purge,
    events: &[EventNumber],
    looked_at: i64,
) -> Result<(), StoreError> {
    delete_numbered(tx, events)?;
    let found = i64::try_from(events.len()).unwrap_or(i64::MAX);
    tx.execute(
        "UPDATE purges SET looked_at = ?2, found = found + ?3 WHERE room = ?1",
        &[&purge.room, &looked_at, &found],
    )?;
    Ok(())
}

fn delete_numbered(tx: &mut WriteTx<'_>, events: &[EventNumber]) -> Result<(), StoreError> {
    let numbers: Vec<i64> = events.iter().map(|event| event.0).collect();
    let numbers = serde_json::json!(numbers).to_string();
    for statement in [
        "DELETE FROM auth_edges WHERE event IN (SELECT value FROM json_each(?1))",
        "DELETE FROM edges WHERE event IN (SELECT value FROM json_each(?1))",
        "DELETE FROM verdicts WHERE event IN (SELECT value FROM json_each(?1))",
        "DELETE FROM redactions WHERE redaction IN (SELECT value FROM json_each(?1))",
        "DELETE FROM graph WHERE event IN (SELECT value FROM json_each(?1))",
        "DELETE FROM bodies WHERE event IN (SELECT value FROM json_each(?1))",
        "DELETE FROM events WHERE number IN (SELECT value FROM json_each(?1)) AND number < (SELECT MAX(number) FROM events)",
    ] {
        tx.execute(statement, &[&numbers])?;
    }
    // Numbers are never given twice: the newest row stays, as that of no event, until there is a newer one.
    tx.execute(
        "DELETE FROM events WHERE event_id = '' AND room = 0 AND number < (SELECT MAX(number) FROM events)",
        &[],
    )?;
    tx.execute(
        "UPDATE events SET room = 0, event_id = '' WHERE number IN (SELECT value FROM json_each(?1))",
        &[&numbers],
    )?;
    Ok(())
}

/// The highest number of an event.
pub fn newest_event(tx: &ReadTx<'_>) -> Result<i64, StoreError> {
    tx.query_one("SELECT COALESCE(MAX(number), 0) FROM events", &[], |row| row.get(0))
}

/// Has the events be looked at from the beginning: some were found, and more may have come meanwhile.
pub fn look_again(tx: &mut WriteTx<'_>, purge: &Purge) -> Result<(), StoreError> {
    tx.execute("UPDATE purges SET looked_at = 0, found = 0 WHERE room = ?1", &[&purge.room])?;
    Ok(())
}

/// Nothing of the room is left: its row goes, too; as with events, unless it is the newest.
pub fn finish(tx: &mut WriteTx<'_>, purge: &Purge) -> Result<(), StoreError> {
    tx.execute("DELETE FROM purges WHERE room = ?1", &[&purge.room])?;
    tx.execute(
        "DELETE FROM rooms
          WHERE room_id LIKE '!purged-%' AND room_id = '!purged-' || number
            AND number < (SELECT MAX(number) FROM rooms)
            AND number NOT IN (SELECT room FROM purges)",
        &[],
    )?;
    Ok(())
}

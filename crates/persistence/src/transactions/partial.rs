//! Rooms that we joined without being told most of their members, while these are being fetched.

use events::ServerName;

use crate::numbers::{EventNumber, RoomNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

#[cfg(test)]
mod tests;

/// How far the members of a room have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialRoom {
    /// The room.
    pub room: RoomNumber,
    /// Our join: the state before it is wanted.
    pub event: EventNumber,
    /// Who let us in.
    pub given_by: ServerName,
    /// When we joined, in milliseconds since 1970.
    pub since: i64,
    /// When the next attempt is due, in milliseconds since 1970.
    pub retry_at: i64,
    /// How many attempts have failed.
    pub attempts: i64,
    /// How many events the state has with its auth chain, once a server has named them.
    pub wanted: Option<i64>,
    /// How many of these are not here yet.
    pub lacking: Option<i64>,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// All is here but for what was signed with keys that could not be had.
    pub whole: bool,
    /// These keys, as JSON; as long as members are unknown, those that lacked for what was told at the join.
    pub keys: Option<String>,
}

/// Marks a room as partial: it was joined by `event`, and had users of `servers` then.
pub fn begin(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    event: EventNumber,
    given_by: &ServerName,
    servers: &[ServerName],
    now: i64,
) -> Result<(), StoreError> {
    end(tx, room)?;
    tx.execute(
        "INSERT INTO partial_rooms (room, event, given_by, since, retry_at) VALUES (?1, ?2, ?3, ?4, ?4)",
        &[&room, &event, given_by, &now],
    )?;
    for server in servers {
        tx.execute(
            "INSERT INTO partial_servers (room, server) VALUES (?1, ?2) ON CONFLICT (room, server) DO NOTHING",
            &[&room, server],
        )?;
    }
    Ok(())
}

/// The room is partial no more, but for entries of its state that were signed with `keys`, which could not be had: they are tried
/// again from `retry_at` on, after so many `attempts`. Those of the servers that were in the room when we joined it whose `servers`
/// they are count as joined until then.
pub fn become_whole(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    keys: &str,
    servers: &[ServerName],
    attempts: i64,
    retry_at: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE partial_rooms SET whole = 1, keys = ?2, attempts = ?3, retry_at = ?4, problem = NULL WHERE room = ?1",
        &[&room, &keys, &attempts, &retry_at],
    )?;
    for server in self::servers(tx, room)?.iter().filter(|server| !servers.contains(server)) {
        tx.execute("DELETE FROM partial_servers WHERE room = ?1 AND server = ?2", &[&room, server])?;
    }
    Ok(())
}

/// The room is partial no more, and nothing is tried again.
pub fn end(tx: &mut WriteTx<'_>, room: RoomNumber) -> Result<(), StoreError> {
    tx.execute("DELETE FROM partial_rooms WHERE room = ?1", &[&room])?;
    tx.execute("DELETE FROM partial_servers WHERE room = ?1", &[&room])?;
    Ok(())
}

/// Returns how far a room has come; `None` if it is not partial.
pub fn find(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Option<PartialRoom>, StoreError> {
    Ok(pending(tx, room)?.filter(|found| !found.whole))
}

/// Returns what is still tried for a room: to make it whole, or to have the keys of what is lacking in one that is.
pub fn pending(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Option<PartialRoom>, StoreError> {
    tx.query_optional(
        "SELECT room, event, given_by, since, retry_at, attempts, wanted, lacking, problem, whole, keys
           FROM partial_rooms
          WHERE room = ?1",
        &[&room],
        partial_room,
    )
}

/// Returns all rooms for which something is still tried, those that wait longest first.
pub fn all(tx: &ReadTx<'_>) -> Result<Vec<PartialRoom>, StoreError> {
    tx.query_all(
        "SELECT room, event, given_by, since, retry_at, attempts, wanted, lacking, problem, whole, keys
           FROM partial_rooms
          ORDER BY retry_at, room",
        &[],
        partial_room,
    )
}

fn partial_room(row: &Row<'_>) -> Result<PartialRoom, StoreError> {
    Ok(PartialRoom {
        room: row.get(0)?,
        event: row.get(1)?,
        given_by: row.get(2)?,
        since: row.get(3)?,
        retry_at: row.get(4)?,
        attempts: row.get(5)?,
        wanted: row.get(6)?,
        lacking: row.get(7)?,
        problem: row.get(8)?,
        whole: row.get(9)?,
        keys: row.get(10)?,
    })
}

/// Returns the servers that were in a partial room when we joined it.
pub fn servers(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Vec<ServerName>, StoreError> {
    tx.query_all("SELECT server FROM partial_servers WHERE room = ?1 ORDER BY server", &[&room], |row| row.get(0))
}

/// Notes which keys could not be had for what was told when the room was joined, as JSON.
pub fn note_keys(tx: &mut WriteTx<'_>, room: RoomNumber, keys: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE partial_rooms SET keys = ?2 WHERE room = ?1", &[&room, &keys])?;
    Ok(())
}

/// Notes how many events are wanted, and how many of them are not here.
pub fn note_progress(tx: &mut WriteTx<'_>, room: RoomNumber, wanted: usize, lacking: usize) -> Result<(), StoreError> {
    let [wanted, lacking] = [wanted, lacking].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    tx.execute("UPDATE partial_rooms SET wanted = ?2, lacking = ?3 WHERE room = ?1", &[&room, &wanted, &lacking])?;
    Ok(())
}

/// Makes all of them due.
pub fn retry_all(tx: &mut WriteTx<'_>, now: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE partial_rooms SET retry_at = ?1", &[&now])?;
    Ok(())
}

/// An attempt has failed; the next is due later.
pub fn postpone(tx: &mut WriteTx<'_>, room: RoomNumber, retry_at: i64, problem: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE partial_rooms SET attempts = attempts + 1, retry_at = ?2, problem = ?3 WHERE room = ?1",
        &[&room, &retry_at, &problem],
    )?;
    Ok(())
}

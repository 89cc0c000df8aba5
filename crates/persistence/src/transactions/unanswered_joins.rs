//! Joins that were sent to a server of which we do not know whether it let us in.

use events::{EventId, RoomId, UserId};

use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// Such a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnansweredJoin {
    /// Its id.
    pub event_id: EventId,
    /// The room.
    pub room_id: RoomId,
    /// Who wants to be in it.
    pub user: UserId,
    /// Who may know of it, as a JSON array.
    pub servers: String,
    /// The version of the room.
    pub room_version: String,
    /// The event, as it was sent, as JSON.
    pub event: String,
    /// When it was sent first, in milliseconds since 1970.
    pub since: i64,
    /// How often was looked what became of it.
    pub attempts: i64,
}

/// Remembers one before it is sent. Its answer is waited for until `retry_at`.
pub fn note(tx: &mut WriteTx<'_>, join: &UnansweredJoin, retry_at: i64) -> Result<(), StoreError> {
    let UnansweredJoin { event_id, room_id, user, servers, room_version, event, since, attempts } = join;
    tx.execute(
        "INSERT INTO unanswered_joins
             (event_id, room_id, user_id, servers, room_version, event, since, retry_at, attempts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (event_id) DO NOTHING",
        &[event_id, room_id, user, servers, room_version, event, since, &retry_at, attempts],
    )?;
    Ok(())
}

/// Returns the one that has been due for longest.
pub fn due(tx: &ReadTx<'_>, now: i64) -> Result<Option<UnansweredJoin>, StoreError> {
    tx.query_optional(
        "SELECT event_id, room_id, user_id, servers, room_version, event, since, attempts
           FROM unanswered_joins
          WHERE retry_at <= ?1
          ORDER BY retry_at
          LIMIT 1",
        &[&now],
        read,
    )
}

/// Returns all, the oldest first, and when each is looked at again.
pub fn all(tx: &ReadTx<'_>) -> Result<Vec<(UnansweredJoin, i64)>, StoreError> {
    tx.query_all(
        "SELECT event_id, room_id, user_id, servers, room_version, event, since, attempts, retry_at
           FROM unanswered_joins
          ORDER BY since, event_id",
        &[],
        |row| Ok((read(row)?, row.get(8)?)),
    )
}

fn read(row: &Row<'_>) -> Result<UnansweredJoin, StoreError> {
    Ok(UnansweredJoin {
        event_id: row.get(0)?,
        room_id: row.get(1)?,
        user: row.get(2)?,
        servers: row.get(3)?,
        room_version: row.get(4)?,
        event: row.get(5)?,
        since: row.get(6)?,
        attempts: row.get(7)?,
    })
}

/// Returns when the next one is due.
pub fn next_due(tx: &ReadTx<'_>) -> Result<Option<i64>, StoreError> {
    tx.query_one("SELECT MIN(retry_at) FROM unanswered_joins", &[], |row| row.get(0))
}

/// Makes all due that are due later: whoever waited for their answers does so no longer.
pub fn make_due(tx: &mut WriteTx<'_>, now: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE unanswered_joins SET retry_at = ?1 WHERE retry_at > ?1", &[&now])?;
    Ok(())
}

/// Looks again at `retry_at`, and not before then.
pub fn postpone(tx: &mut WriteTx<'_>, event: &EventId, retry_at: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE unanswered_joins SET retry_at = ?2, attempts = attempts + 1 WHERE event_id = ?1",
        &[event, &retry_at],
    )?;
    Ok(())
}

/// Asks these servers, now if it was to be later.
pub fn ask_now(tx: &mut WriteTx<'_>, event: &EventId, servers: &str, now: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE unanswered_joins SET servers = ?2, retry_at = MIN(retry_at, ?3) WHERE event_id = ?1",
        &[event, &servers, &now],
    )?;
    Ok(())
}

/// It is known what became of it, or never will be.
pub fn remove(tx: &mut WriteTx<'_>, event: &EventId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM unanswered_joins WHERE event_id = ?1", &[event])?;
    Ok(())
}

/// The user is in the room: whatever was sent before is no question any more.
pub fn remove_all(tx: &mut WriteTx<'_>, user: &UserId, room: &RoomId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM unanswered_joins WHERE user_id = ?1 AND room_id = ?2", &[user, room])?;
    Ok(())
}

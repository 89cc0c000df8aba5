//! The devices of users of other servers: lists that are kept up to date while we share a room with the user.

use events::{ServerName, UserId};

use super::companions;
use super::devices::DeviceId;
use crate::numbers::RoomNumber;
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// Updates that wait for one user; what comes beyond is not kept, and the list has to be asked for again.
pub const STAGED_PER_USER_MAX: i64 = 100;

/// What is known about a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteList {
    /// Every update up to this one is in the list; -1 if nobody said.
    pub base: i64,
    /// Updates after that are in it too.
    pub seen: Vec<i64>,
    /// Changes with every update that was missed.
    pub generation: i64,
    /// Whether the devices that are stored are not all, or no longer what they were.
    pub is_stale: bool,
    /// How often in a row the user's server could not be asked.
    pub failures: i64,
    /// When we ask it by ourselves, in ms.
    pub next_try_at: Option<i64>,
}

/// A device of a user of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDevice {
    /// Its id.
    pub device_id: DeviceId,
    /// Its identity keys, as JSON.
    pub keys: String,
    /// What its user calls it, if their server says.
    pub display_name: Option<String>,
}

/// An update that waits for its signatures to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedUpdate {
    /// Its place in the queue.
    pub number: i64,
    /// Whom it is about.
    pub user_id: UserId,
    /// `m.device_list_update` or `m.signing_key_update`.
    pub edu_type: String,
    /// Its content, as JSON.
    pub content: String,
}

/// Returns what is known about the list of `user`, if it is kept.
pub fn list(tx: &ReadTx<'_>, user: &UserId) -> Result<Option<RemoteList>, StoreError> {
    tx.query_optional(
        "SELECT base, seen, generation, is_stale, failures, next_try_at FROM remote_device_lists WHERE user_id = ?1",
        &[user],
        |row| {
            let seen: String = row.get(1)?;
            let seen = serde_json::from_str(&seen)
                .map_err(|_| StoreError::Inconsistent(format!("remote_device_lists.seen of {user} is no list")))?;
            Ok(RemoteList {
                base: row.get(0)?,
                seen,
                generation: row.get(2)?,
                is_stale: row.get(3)?,
                failures: row.get(4)?,
                next_try_at: row.get(5)?,
            })
        },
    )
}

/// Stores what is known about the list of `user`.
pub fn put_list(tx: &mut WriteTx<'_>, user: &UserId, list: &RemoteList) -> Result<(), StoreError> {
    let seen = serde_json::json!(list.seen).to_string();
    tx.execute(
        "INSERT INTO remote_device_lists (user_id, base, seen, generation, is_stale, failures, next_try_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (user_id)
         DO UPDATE SET base = excluded.base, seen = excluded.seen, generation = excluded.generation,
                       is_stale = excluded.is_stale, failures = excluded.failures, next_try_at = excluded.next_try_at",
        &[user, &list.base, &seen, &list.generation, &list.is_stale, &list.failures, &list.next_try_at],
    )?;
    Ok(())
}

/// Returns up to `limit` users whose servers are to be asked by now, the longest due first.
pub fn due(tx: &ReadTx<'_>, now: i64, limit: i64) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT user_id
           FROM remote_device_lists
          WHERE next_try_at <= ?1
          ORDER BY next_try_at
          LIMIT ?2",
        &[&now, &limit],
        |row| row.get(0),
    )
}

/// Returns when the next list is due.
pub fn next_due(tx: &ReadTx<'_>) -> Result<Option<i64>, StoreError> {
    tx.query_one("SELECT MIN(next_try_at) FROM remote_device_lists WHERE next_try_at IS NOT NULL", &[], |row| {
        row.get(0)
    })
}

/// Returns the devices that are stored for `user`, by their ids.
pub fn all_of(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<RemoteDevice>, StoreError> {
    tx.query_all(
        "SELECT device_id, keys, display_name FROM remote_devices WHERE user_id = ?1 ORDER BY device_id",
        &[user],
        |row| Ok(RemoteDevice { device_id: row.get(0)?, keys: row.get(1)?, display_name: row.get(2)? }),
    )
}

/// Stores a device.
pub fn put(tx: &mut WriteTx<'_>, user: &UserId, device: &RemoteDevice) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO remote_devices (user_id, device_id, keys, display_name)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys, display_name = excluded.display_name",
        &[user, &device.device_id, &device.keys, &device.display_name],
    )?;
    Ok(())
}

/// Deletes a device, if it is there.
pub fn delete(tx: &mut WriteTx<'_>, user: &UserId, device: &DeviceId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM remote_devices WHERE user_id = ?1 AND device_id = ?2", &[user, device])?;
    Ok(())
}

/// Stores these devices in place of all that were there.
pub fn replace(tx: &mut WriteTx<'_>, user: &UserId, devices: &[RemoteDevice]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM remote_devices WHERE user_id = ?1", &[user])?;
    devices.iter().try_for_each(|device| put(tx, user, device))
}

/// Forgets the list of `user`.
pub fn forget(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM remote_devices WHERE user_id = ?1",
        "DELETE FROM remote_device_lists WHERE user_id = ?1",
        "DELETE FROM cross_signing_keys WHERE user_id = ?1",
    ] {
        tx.execute(statement, &[user])?;
    }
    Ok(())
}

/// Forgets the lists that nobody tells us the changes of any more because `user` has left `room`: their own, or if they are one
/// of `us`, those of the users in the room whom we share no other room with.
pub fn forget_apart(tx: &mut WriteTx<'_>, room: RoomNumber, user: &UserId, us: &ServerName) -> Result<(), StoreError> {
    if user.server() == *us {
        return apart_in_room(tx, room, us)?.iter().try_for_each(|apart| forget(tx, apart));
    }
    if list(tx, user)?.is_some() && !companions::shares_room_with_server(tx, user, us)? {
        forget(tx, user)?;
    }
    Ok(())
}

/// Returns the users whose lists are kept, who are or were in `room`, and who share no room with a user of `us`: nobody tells us of
/// their changes.
fn apart_in_room(tx: &ReadTx<'_>, room: RoomNumber, us: &ServerName) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT list.user_id
           FROM members AS member
           JOIN remote_device_lists AS list ON list.user_id = member.user_id
          WHERE member.room = ?1
            AND NOT EXISTS (
                SELECT 1
                  FROM members AS own
                  JOIN members AS ours ON ours.room = own.room AND ours.membership = 'join' AND ours.server = ?2
                 WHERE own.user_id = list.user_id AND own.membership = 'join')",
        &[&room, us],
        |row| row.get(0),
    )
}

/// Keeps an update until it is checked. Returns `false` if too many wait: then it is not kept.
pub fn stage(tx: &mut WriteTx<'_>, user: &UserId, edu_type: &str, content: &str) -> Result<bool, StoreError> {
    let waiting: i64 =
        tx.query_one("SELECT COUNT(*) FROM remote_key_updates WHERE user_id = ?1", &[user], |row| row.get(0))?;
    if waiting >= STAGED_PER_USER_MAX {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO remote_key_updates (user_id, edu_type, content) VALUES (?1, ?2, ?3)",
        &[user, &edu_type, &content],
    )?;
    Ok(true)
}

/// Returns the first `limit` updates that wait, oldest first.
pub fn staged(tx: &ReadTx<'_>, limit: i64) -> Result<Vec<StagedUpdate>, StoreError> {
    tx.query_all(
        "SELECT number, user_id, edu_type, content FROM remote_key_updates ORDER BY number LIMIT ?1",
        &[&limit],
        read_staged,
    )
}

/// Takes an update out of the queue.
pub fn unstage(tx: &mut WriteTx<'_>, number: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM remote_key_updates WHERE number = ?1", &[&number])?;
    Ok(())
}

fn read_staged(row: &Row<'_>) -> Result<StagedUpdate, StoreError> {
    Ok(StagedUpdate { number: row.get(0)?, user_id: row.get(1)?, edu_type: row.get(2)?, content: row.get(3)? })
}

//! Who shares a room with whom, by the current state.

use events::{ServerName, UserId};

use crate::numbers::{EventNumber, RoomNumber};
use crate::tx::{ReadTx, StoreError};

/// Returns the servers that share a room with `user`.
pub fn servers_sharing_room(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<ServerName>, StoreError> {
    tx.query_all(
        "SELECT DISTINCT other.server
           FROM members AS own
           JOIN members AS other ON other.room = own.room AND other.membership = 'join'
          WHERE own.user_id = ?1 AND own.membership = 'join'
          ORDER BY other.server",
        &[user],
        |row| row.get(0),
    )
}

/// Returns the servers that share a room with `user`, other than `room`.
pub fn servers_sharing_another_room(
    tx: &ReadTx<'_>,
    user: &UserId,
    room: RoomNumber,
) -> Result<Vec<ServerName>, StoreError> {
    tx.query_all(
        "SELECT DISTINCT other.server
           FROM members AS own
           JOIN members AS other ON other.room = own.room AND other.membership = 'join'
          WHERE own.user_id = ?1 AND own.membership = 'join' AND own.room <> ?2
          ORDER BY other.server",
        &[user, &room],
        |row| row.get(0),
    )
}

/// Returns the users of `server` that share a room with `user`, and `user` themself if they are one of them.
pub fn companions_of_server(tx: &ReadTx<'_>, user: &UserId, server: &ServerName) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT DISTINCT other.user_id
           FROM members AS own
           JOIN members AS other ON other.room = own.room AND other.membership = 'join' AND other.server = ?2
          WHERE own.user_id = ?1 AND own.membership = 'join'
          ORDER BY other.user_id",
        &[user, server],
        |row| row.get(0),
    )
}

/// Returns users of other servers than `us` that share a room with `user`, and their member
/// events, by user and the newest first; at most `limit` of them.
pub fn companions_elsewhere(
    tx: &ReadTx<'_>,
    user: &UserId,
    us: &ServerName,
    limit: i64,
) -> Result<Vec<(UserId, RoomNumber, EventNumber)>, StoreError> {
    tx.query_all(
        "SELECT other.user_id, other.room, other.event
           FROM members AS own
           JOIN members AS other ON other.room = own.room AND other.membership = 'join' AND other.server <> ?2
          WHERE own.user_id = ?1 AND own.membership = 'join'
          ORDER BY other.user_id, other.event DESC
          LIMIT ?3",
        &[user, us, &limit],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Says whether `user` shares a room with a user of `server`.
pub fn shares_room_with_server(tx: &ReadTx<'_>, user: &UserId, server: &ServerName) -> Result<bool, StoreError> {
    let found = tx.query_optional(
        "SELECT 1
           FROM members AS own
           JOIN members AS other ON other.room = own.room AND other.membership = 'join' AND other.server = ?2
          WHERE own.user_id = ?1 AND own.membership = 'join'
          LIMIT 1",
        &[user, server],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Says whether two users share a room.
pub fn share_room(tx: &ReadTx<'_>, one: &UserId, other: &UserId) -> Result<bool, StoreError> {
    let found = tx.query_optional(
        "SELECT 1
           FROM members AS own
           JOIN members AS theirs ON theirs.room = own.room AND theirs.membership = 'join' AND theirs.user_id = ?2
          WHERE own.user_id = ?1 AND own.membership = 'join'
          LIMIT 1",
        &[one, other],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

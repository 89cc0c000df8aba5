//! Who is in a room, read in bulk.

use events::{Object, UserId};

use crate::numbers::{EventNumber, RoomNumber};
use crate::tx::{ReadTx, StoreError};

/// A user's membership in the current state.
#[derive(Debug, Clone)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// `join`, `invite`, `knock`, `leave` or `ban`.
    pub membership: String,
    /// The membership event.
    pub event: EventNumber,
}

/// Returns everybody who has a membership in the current state, in the order of their ids.
pub fn all(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Vec<Member>, StoreError> {
    tx.query_all(
        "SELECT user_id, membership, event
           FROM members
          WHERE room = ?1
          ORDER BY user_id",
        &[&room],
        |row| Ok(Member { user: row.get(0)?, membership: row.get(1)?, event: row.get(2)? }),
    )
}

/// Returns the joined users with the content of their membership events, in the order of their ids.
pub fn joined_with_content(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Vec<(UserId, Object)>, StoreError> {
    let mut joined = Vec::new();
    tx.query_each(
        "SELECT members.user_id, bodies.json
           FROM members
           JOIN bodies ON bodies.event = members.event
          WHERE members.room = ?1 AND members.membership = 'join'
          ORDER BY members.user_id",
        &[&room],
        |row| {
            let user: UserId = row.get(0)?;
            let event: Object = serde_json::from_str(&row.get::<String>(1)?)
                .map_err(|error| StoreError::Inconsistent(format!("the membership of {user} in bodies: {error}")))?;
            let content = event.get("content").and_then(events::Value::as_object).cloned().unwrap_or_default();
            joined.push((user, content));
            Ok(())
        },
    )?;
    Ok(joined)
}

/// Returns the first `limit` users who are joined or invited, in the order in which their memberships came.
pub fn first_present(tx: &ReadTx<'_>, room: RoomNumber, limit: u32) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT user_id
           FROM members
          WHERE room = ?1 AND membership IN ('join', 'invite')
          ORDER BY event
          LIMIT ?2",
        &[&room, &limit],
        |row| row.get(0),
    )
}

/// Returns the first `limit` users who have left or are banned, in the order in which their memberships came.
pub fn first_gone(tx: &ReadTx<'_>, room: RoomNumber, limit: u32) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT user_id
           FROM members
          WHERE room = ?1 AND membership IN ('leave', 'ban')
          ORDER BY event
          LIMIT ?2",
        &[&room, &limit],
        |row| row.get(0),
    )
}

/// Says whether two users are joined to an encrypted room in common.
pub fn share_encrypted_room(tx: &ReadTx<'_>, one: &UserId, other: &UserId) -> Result<bool, StoreError> {
    let found = tx.query_optional(
        "SELECT 1
           FROM members AS own
           JOIN members AS others ON others.room = own.room
           JOIN current_state AS encryption
             ON encryption.room = own.room AND encryption.type = 'm.room.encryption' AND encryption.state_key = ''
          WHERE own.user_id = ?1 AND own.membership = 'join'
            AND others.user_id = ?2 AND others.membership = 'join'
          LIMIT 1",
        &[one, other],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

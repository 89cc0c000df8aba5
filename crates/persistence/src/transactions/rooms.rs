//! Rooms, their current state, and who is in them.

use events::{EventId, RoomId, RoomVersion, ServerName, UserId};

use crate::numbers::{EventNumber, Position, RoomNumber, SnapshotNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

mod standings;
#[cfg(test)]
mod tests;

pub(super) use standings::standing;
pub use standings::{
    Standing, WaitingInvites, ended_outside, forget, is_seen, lost_joins, lost_leaves, remove_ended_outside,
    set_standing, set_via, standing_in, standings, users_concerned, waiting_invites,
};

/// What is stored of a room itself.
#[derive(Debug, Clone)]
pub struct RoomRow {
    /// Its number.
    pub number: RoomNumber,
    /// Its id.
    pub room_id: RoomId,
    /// Its version.
    pub version: RoomVersion,
    /// How often it advanced.
    pub turn: i64,
    /// Its current state; `None` while nobody here has been in it.
    pub state: Option<SnapshotNumber>,
}

/// Returns the room with this id.
pub fn by_id(tx: &ReadTx<'_>, room_id: &RoomId) -> Result<Option<RoomRow>, StoreError> {
    tx.query_optional(
        "SELECT number, room_id, version, turn, state
           FROM rooms
          WHERE room_id = ?1",
        &[room_id],
        room_row,
    )
}

/// Returns the room with this number.
pub fn by_number(tx: &ReadTx<'_>, room: RoomNumber) -> Result<RoomRow, StoreError> {
    tx.query_one(
        "SELECT number, room_id, version, turn, state
           FROM rooms
          WHERE number = ?1",
        &[&room],
        room_row,
    )
}

/// Notes that another server let us into the room by this join: what came before it is history.
pub fn enter(tx: &mut WriteTx<'_>, room: RoomNumber, join: EventNumber) -> Result<(), StoreError> {
    tx.execute("UPDATE rooms SET entered = ?2 WHERE number = ?1", &[&room, &join])?;
    Ok(())
}

/// Returns the join by which another server let us into the room, the last time; `None` if the room was made here.
pub fn entered_by(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Option<EventNumber>, StoreError> {
    tx.query_one("SELECT entered FROM rooms WHERE number = ?1", &[&room], |row| row.get(0))
}

fn room_row(row: &Row<'_>) -> Result<RoomRow, StoreError> {
    let version: String = row.get(2)?;
    let version = RoomVersion::parse(&version)
        .ok_or_else(|| StoreError::Inconsistent(format!("a room has the unknown version {version}")))?;
    Ok(RoomRow { number: row.get(0)?, room_id: row.get(1)?, version, turn: row.get(3)?, state: row.get(4)? })
}

/// Returns the room's number; makes the room if it is new.
pub fn intern(tx: &mut WriteTx<'_>, room_id: &RoomId, version: RoomVersion) -> Result<RoomNumber, StoreError> {
    tx.execute(
        "INSERT INTO rooms (room_id, version) VALUES (?1, ?2)
         ON CONFLICT (room_id) DO NOTHING",
        &[room_id, &version.as_str()],
    )?;
    tx.query_one("SELECT number FROM rooms WHERE room_id = ?1", &[room_id], |row| row.get(0))
}

/// Gives a room that nobody here has ever been in another version. What was told about it under the old one is forgotten: an
/// event reads differently in another version.
pub fn begin_again(tx: &mut WriteTx<'_>, room: RoomNumber, version: RoomVersion) -> Result<(), StoreError> {
    let changed =
        tx.execute("UPDATE rooms SET version = ?2 WHERE number = ?1 AND state IS NULL", &[&room, &version.as_str()])?;
    if changed != 1 {
        return Err(StoreError::Inconsistent(format!("room {} has a state, so its version stays", room.0)));
    }
    tx.execute(
        "DELETE FROM auth_edges
          WHERE event IN (SELECT event FROM bodies WHERE room = ?1 AND state_key IS NOT NULL)",
        &[&room],
    )?;
    tx.execute(
        "DELETE FROM verdicts
          WHERE event IN (SELECT event FROM bodies WHERE room = ?1 AND state_key IS NOT NULL)",
        &[&room],
    )?;
    tx.execute("DELETE FROM bodies WHERE room = ?1 AND state_key IS NOT NULL", &[&room])?;
    Ok(())
}

/// Moves the room from `turn` to the next, with a new current state. Returns false if somebody else was faster.
pub fn advance(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    turn: i64,
    state: Option<SnapshotNumber>,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE rooms SET turn = ?2 + 1, state = ?3
          WHERE number = ?1 AND turn = ?2",
        &[&room, &turn, &state],
    )?;
    Ok(changed == 1)
}

/// Returns one entry of the current state.
pub fn current(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    event_type: &str,
    state_key: &str,
) -> Result<Option<EventNumber>, StoreError> {
    tx.query_optional(
        "SELECT event
           FROM current_state
          WHERE room = ?1 AND type = ?2 AND state_key = ?3",
        &[&room, &event_type, &state_key],
        |row| row.get(0),
    )
}

/// Returns the whole current state: type, state key, event.
pub fn current_state(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Vec<(String, String, EventNumber)>, StoreError> {
    tx.query_all(
        "SELECT type, state_key, event
           FROM current_state
          WHERE room = ?1
          ORDER BY type, state_key",
        &[&room],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Changes one entry of the current state and remembers the change under `position`.
pub fn set_current(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    position: Position,
    event_type: &str,
    state_key: &str,
    event: Option<EventNumber>,
) -> Result<(), StoreError> {
    match event {
        Some(event) => tx.execute(
            "INSERT INTO current_state (room, type, state_key, event) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (room, type, state_key) DO UPDATE SET event = excluded.event",
            &[&room, &event_type, &state_key, &event],
        )?,
        None => tx.execute(
            "DELETE FROM current_state WHERE room = ?1 AND type = ?2 AND state_key = ?3",
            &[&room, &event_type, &state_key],
        )?,
    };
    tx.execute(
        "INSERT INTO state_changes (position, room, type, state_key, event) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (room, position, type, state_key) DO UPDATE SET event = excluded.event",
        &[&position, &room, &event_type, &state_key, &event],
    )?;
    Ok(())
}

/// Sets a membership of the current state; `None` removes the member.
pub fn set_member(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    user: &UserId,
    membership: Option<(&str, EventNumber)>,
) -> Result<(), StoreError> {
    match membership {
        Some((membership, event)) => tx.execute(
            "INSERT INTO members (room, user_id, server, membership, event) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (room, user_id) DO UPDATE SET membership = excluded.membership, event = excluded.event",
            &[&room, user, &user.server(), &membership, &event],
        )?,
        None => tx.execute("DELETE FROM members WHERE room = ?1 AND user_id = ?2", &[&room, user])?,
    };
    Ok(())
}

/// Returns a user's membership in the current state.
pub fn membership(tx: &ReadTx<'_>, room: RoomNumber, user: &UserId) -> Result<Option<String>, StoreError> {
    tx.query_optional("SELECT membership FROM members WHERE room = ?1 AND user_id = ?2", &[&room, user], |row| {
        row.get(0)
    })
}

/// Returns the users with `membership` in the current state, in their order.
pub fn members(tx: &ReadTx<'_>, room: RoomNumber, membership: &str) -> Result<Vec<(UserId, EventNumber)>, StoreError> {
    tx.query_all(
        "SELECT user_id, event
           FROM members
          WHERE room = ?1 AND membership = ?2
          ORDER BY user_id",
        &[&room, &membership],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Counts the users with `membership` in the current state.
pub fn count_members(tx: &ReadTx<'_>, room: RoomNumber, membership: &str) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM members WHERE room = ?1 AND membership = ?2", &[&room, &membership], |row| {
        row.get(0)
    })
}

const MEMBERS_OF_SERVER: &str = "SELECT user_id
   FROM members
  WHERE room = ?1 AND membership = ?2 AND server = ?3
  ORDER BY user_id";

/// Returns the users of `server` with `membership` in the current state.
pub fn members_of_server(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    membership: &str,
    server: &ServerName,
) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(MEMBERS_OF_SERVER, &[&room, &membership, server], |row| row.get(0))
}

/// Says whether `server` has a user joined to the room, by the current state; in a partial room also by the word of who let us in.
pub fn is_server_joined(tx: &ReadTx<'_>, room: RoomNumber, server: &ServerName) -> Result<bool, StoreError> {
    let found = tx.query_optional(
        "SELECT 1
           FROM members
          WHERE room = ?1 AND membership = 'join' AND server = ?2
          UNION ALL
         SELECT 1 FROM partial_servers WHERE room = ?1 AND server = ?2
          LIMIT 1",
        &[&room, server],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Returns the servers with a user joined to the room, by the current state; in a partial room also by the word of who let us in.
pub fn servers(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Vec<ServerName>, StoreError> {
    tx.query_all(
        "SELECT server
           FROM members
          WHERE room = ?1 AND membership = 'join'
          UNION
         SELECT server FROM partial_servers WHERE room = ?1
          ORDER BY server",
        &[&room],
        |row| row.get(0),
    )
}

/// Returns the rooms that `user` has `membership` in, by the current state.
pub fn rooms_of_member(tx: &ReadTx<'_>, user: &UserId, membership: &str) -> Result<Vec<RoomNumber>, StoreError> {
    tx.query_all(
        "SELECT room
           FROM members
          WHERE user_id = ?1 AND membership = ?2
          ORDER BY room",
        &[user, &membership],
        |row| row.get(0),
    )
}

/// Returns the event that a client's transaction made, if it was seen before.
pub fn client_transaction(
    tx: &ReadTx<'_>,
    user: &UserId,
    device: &str,
    scope: &str,
    transaction: &str,
) -> Result<Option<EventId>, StoreError> {
    tx.query_optional(
        "SELECT event_id
           FROM client_transactions
          WHERE user_id = ?1 AND device_id = ?2 AND scope = ?3 AND transaction_id = ?4",
        &[user, &device, &scope, &transaction],
        |row| row.get(0),
    )
}

/// Returns the transaction id by which `device` of `user` made an event; its own /sync shows it.
pub fn transaction_of_event(
    tx: &ReadTx<'_>,
    user: &UserId,
    device: &str,
    event: &EventId,
) -> Result<Option<String>, StoreError> {
    tx.query_optional(
        "SELECT transaction_id
           FROM client_transactions
          WHERE user_id = ?1 AND device_id = ?2 AND event_id = ?3",
        &[user, &device, event],
        |row| row.get(0),
    )
}

/// Remembers the event that a client's transaction made, and forgets all those, of all clients, made before `horizon`.
#[expect(clippy::too_many_arguments, reason = "each is a column")]
pub fn remember_client_transaction(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &str,
    scope: &str,
    transaction: &str,
    event: &EventId,
    now: i64,
    horizon: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO client_transactions (user_id, device_id, scope, transaction_id, event_id, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (user_id, device_id, scope, transaction_id) DO NOTHING",
        &[user, &device, &scope, &transaction, event, &now],
    )?;
    tx.execute("DELETE FROM client_transactions WHERE at < ?1", &[&horizon])?;
    Ok(())
}

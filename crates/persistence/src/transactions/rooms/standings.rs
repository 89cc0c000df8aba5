//! How users of ours stand to rooms, also to those that nobody here is in.

use events::{RoomId, ServerName, UserId};

use super::{RoomRow, by_number};
use crate::numbers::{EventNumber, Position, RoomNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// How a user of ours stands to a room.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The room's number.
    pub room: RoomNumber,
    /// The room's id.
    pub room_id: RoomId,
    /// `join`, `invite`, `knock`, `leave` or `ban`.
    pub membership: String,
    /// The membership event.
    pub event: EventNumber,
    /// When it became so, in the events stream.
    pub position: Position,
    /// What an invite or knock told about a room that we are not in: a JSON array of stripped state events.
    pub stripped: Option<String>,
    /// The server that a knock went through.
    pub via: Option<ServerName>,
    /// The user does not want to see the room any more.
    pub forgotten: bool,
}

/// Says how a user of ours stands to a room from `position` on.
pub fn set_standing(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    room: RoomNumber,
    membership: &str,
    event: EventNumber,
    position: Position,
    stripped: Option<&str>,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO standings (user_id, room, membership, event, position, stripped) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (user_id, room) DO UPDATE
            SET membership = excluded.membership, event = excluded.event, position = excluded.position,
                stripped = excluded.stripped, via = NULL, forgotten = 0",
        &[user, &room, &membership, &event, &position, &stripped],
    )?;
    Ok(())
}

/// Remembers the server that the knock of a user of ours went through, or that invited them.
pub fn set_via(tx: &mut WriteTx<'_>, user: &UserId, room: RoomNumber, via: &ServerName) -> Result<(), StoreError> {
    tx.execute("UPDATE standings SET via = ?3 WHERE user_id = ?1 AND room = ?2", &[user, &room, via])?;
    Ok(())
}

/// Marks a room as forgotten by a user of ours.
pub fn forget(tx: &mut WriteTx<'_>, user: &UserId, room: RoomNumber) -> Result<(), StoreError> {
    tx.execute("UPDATE standings SET forgotten = 1 WHERE user_id = ?1 AND room = ?2", &[user, &room])?;
    Ok(())
}

/// Returns our users who are in a room, are invited to it, or have knocked.
pub fn users_concerned(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT user_id FROM standings WHERE room = ?1 AND membership IN ('join', 'invite', 'knock') ORDER BY user_id",
        &[&room],
        |row| row.get(0),
    )
}

/// Returns the joins of our users who are in a room as far as anybody said, and of whom the current state knows nothing: where forks
/// met, it was resolved against their joins.
pub fn lost_joins(tx: &ReadTx<'_>, room: RoomNumber, limit: u32) -> Result<Vec<EventNumber>, StoreError> {
    tx.query_all(
        "SELECT standings.event
           FROM standings
          WHERE standings.room = ?1 AND standings.membership = 'join'
            AND NOT EXISTS (SELECT 1 FROM members WHERE members.room = standings.room AND members.user_id = standings.user_id)
          LIMIT ?2",
        &[&room, &limit],
        |row| row.get(0),
    )
}

/// Returns our users who have left a room, or were removed, as far as anybody said, and of whom the current state knows nothing: where
/// forks met, it was resolved against that, too.
pub fn lost_leaves(tx: &ReadTx<'_>, room: RoomNumber, limit: u32) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT standings.user_id
           FROM standings
          WHERE standings.room = ?1 AND standings.membership IN ('leave', 'ban')
            AND NOT EXISTS (SELECT 1 FROM members WHERE members.room = standings.room AND members.user_id = standings.user_id)
          LIMIT ?2",
        &[&room, &limit],
        |row| row.get(0),
    )
}

/// Returns whether a user of ours still sees a room, if only as one that they have left.
pub fn is_seen(tx: &ReadTx<'_>, room: RoomNumber) -> Result<bool, StoreError> {
    tx.query_one("SELECT EXISTS (SELECT 1 FROM standings WHERE room = ?1 AND forgotten = 0)", &[&room], |row| {
        row.get(0)
    })
}

/// Returns the rooms that nobody here has been in and that a user of ours was invited to, or had knocked at, where that has ended; but for
/// the `kept` of them where it ended last.
pub fn ended_outside(tx: &ReadTx<'_>, user: &UserId, kept: u32) -> Result<Vec<RoomRow>, StoreError> {
    let rooms: Vec<RoomNumber> = tx.query_all(
        "SELECT standings.room
           FROM standings
           JOIN rooms ON rooms.number = standings.room
          WHERE user_id = ?1 AND membership IN ('leave', 'ban') AND rooms.state IS NULL
          ORDER BY position DESC
          LIMIT -1 OFFSET ?2",
        &[user, &i64::from(kept)],
        |row| row.get(0),
    )?;
    rooms.into_iter().map(|room| by_number(tx, room)).collect()
}

/// Forgets how a user of ours stood to a room that nobody here has been in, unless it no longer is as [`ended_outside`] said. Returns
/// whether somebody else is known to stand to it.
pub fn remove_ended_outside(tx: &mut WriteTx<'_>, user: &UserId, room: RoomNumber) -> Result<bool, StoreError> {
    tx.execute(
        "DELETE FROM standings
          WHERE user_id = ?1 AND room = ?2 AND membership IN ('leave', 'ban')
            AND EXISTS (SELECT 1 FROM rooms WHERE rooms.number = standings.room AND rooms.state IS NULL)",
        &[user, &room],
    )?;
    tx.query_one("SELECT EXISTS (SELECT 1 FROM standings WHERE room = ?1)", &[&room], |row| row.get(0))
}

/// Invites that nobody has answered yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingInvites {
    /// From one server.
    pub from: i64,
    /// From that server to one user.
    pub from_to: i64,
    /// To that user, from anywhere.
    pub to: i64,
}

/// Counts the invites from outside that wait for an answer.
pub fn waiting_invites(tx: &ReadTx<'_>, from: &ServerName, to: &UserId) -> Result<WaitingInvites, StoreError> {
    let (from, from_to) = tx.query_one(
        "SELECT COUNT(*), COUNT(CASE WHEN user_id = ?2 THEN 1 END) FROM standings WHERE via = ?1 AND membership = 'invite'",
        &[from, to],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let to = tx.query_one(
        "SELECT COUNT(*) FROM standings WHERE user_id = ?1 AND membership = 'invite' AND via IS NOT NULL",
        &[to],
        |row| row.get(0),
    )?;
    Ok(WaitingInvites { from, from_to, to })
}

/// Returns how `user` stands to every room that concerns them.
pub fn standings(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<Standing>, StoreError> {
    tx.query_all(
        "SELECT standings.room, rooms.room_id, membership, event, position, stripped, via, forgotten
           FROM standings
           JOIN rooms ON rooms.number = standings.room
          WHERE user_id = ?1
          ORDER BY standings.room",
        &[user],
        standing,
    )
}

/// Returns how `user` stands to one room.
pub fn standing_in(tx: &ReadTx<'_>, user: &UserId, room: RoomNumber) -> Result<Option<Standing>, StoreError> {
    tx.query_optional(
        "SELECT standings.room, rooms.room_id, membership, event, position, stripped, via, forgotten
           FROM standings
           JOIN rooms ON rooms.number = standings.room
          WHERE user_id = ?1 AND standings.room = ?2",
        &[user, &room],
        standing,
    )
}

pub(crate) fn standing(row: &Row<'_>) -> Result<Standing, StoreError> {
    Ok(Standing {
        room: row.get(0)?,
        room_id: row.get(1)?,
        membership: row.get(2)?,
        event: row.get(3)?,
        position: row.get(4)?,
        stripped: row.get(5)?,
        via: row.get(6)?,
        forgotten: row.get(7)?,
    })
}

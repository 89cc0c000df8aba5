//! Account data. Contents are JSON objects as texts.

use events::{RoomId, UserId};

use super::streams::{self, Stream};
use crate::numbers::Position;
use crate::tx::{ReadTx, StoreError, WriteTx};

/// Stands in the column `room_id` for data of the account itself. No room id is empty.
const ACCOUNT: &str = "";

/// A piece of account data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountDatum {
    /// For which room; `None` for the account itself.
    pub room_id: Option<RoomId>,
    /// `m.direct` and the like.
    pub data_type: String,
    /// The JSON object.
    pub content: String,
}

/// Returns one piece of account data.
pub fn get(
    tx: &ReadTx<'_>,
    user: &UserId,
    room: Option<&RoomId>,
    data_type: &str,
) -> Result<Option<String>, StoreError> {
    tx.query_optional(
        "SELECT content FROM account_data WHERE user_id = ?1 AND room_id = ?2 AND data_type = ?3",
        &[user, &column(room), &data_type],
        |row| row.get(0),
    )
}

/// Returns when one piece of account data of the account itself was last stored, 0 if never.
pub fn position(tx: &ReadTx<'_>, user: &UserId, data_type: &str) -> Result<Position, StoreError> {
    let position = tx.query_optional(
        "SELECT position FROM account_data WHERE user_id = ?1 AND room_id = ?2 AND data_type = ?3",
        &[user, &ACCOUNT, &data_type],
        |row| row.get(0),
    )?;
    Ok(position.unwrap_or_default())
}

/// Stores a piece of account data, in place of what was there.
pub fn put(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    room: Option<&RoomId>,
    data_type: &str,
    content: &str,
) -> Result<Position, StoreError> {
    let position = streams::next(tx, Stream::AccountData)?;
    tx.execute(
        "INSERT INTO account_data (user_id, room_id, data_type, content, position)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id, room_id, data_type)
         DO UPDATE SET content = excluded.content, position = excluded.position",
        &[user, &column(room), &data_type, &content, &position],
    )?;
    Ok(position)
}

/// Returns how many pieces of account data `user` has, in all rooms.
pub fn count(tx: &ReadTx<'_>, user: &UserId) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM account_data WHERE user_id = ?1", &[user], |row| row.get(0))
}

/// Returns what `user` stored after `from`, in that order; everything with position 0. For /sync: the account's and all rooms'.
///
/// Ask on the snapshot whose positions become the next token.
pub fn changed_since(tx: &ReadTx<'_>, user: &UserId, from: Position) -> Result<Vec<AccountDatum>, StoreError> {
    tx.query_all(
        "SELECT room_id, data_type, content
           FROM account_data
          WHERE user_id = ?1 AND position > ?2
          ORDER BY position",
        &[user, &from],
        |row| {
            let room_id: String = row.get(0)?;
            let room_id = (room_id != ACCOUNT).then(|| RoomId::parse(&room_id)).transpose();
            let room_id =
                room_id.map_err(|_| StoreError::Inconsistent("account_data.room_id is no room id".to_owned()))?;
            Ok(AccountDatum { room_id, data_type: row.get(1)?, content: row.get(2)? })
        },
    )
}

/// Returns everything that `user` stored for one room: type and content. For a room that the user has just joined.
pub fn all_of_room(tx: &ReadTx<'_>, user: &UserId, room: &RoomId) -> Result<Vec<(String, String)>, StoreError> {
    tx.query_all(
        "SELECT data_type, content FROM account_data WHERE user_id = ?1 AND room_id = ?2 ORDER BY data_type",
        &[user, room],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Deletes all account data of `user`.
pub fn delete_all(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM account_data WHERE user_id = ?1", &[user])?;
    Ok(())
}

fn column(room: Option<&RoomId>) -> &str {
    room.map_or(ACCOUNT, RoomId::as_str)
}

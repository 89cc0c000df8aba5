//! Room aliases of this server, and the rooms it publishes.

use events::{RoomAlias, RoomId, UserId};

use crate::tx::{ReadTx, StoreError, WriteTx};

/// Returns the room of an alias.
pub fn room_of(tx: &ReadTx<'_>, alias: &RoomAlias) -> Result<Option<RoomId>, StoreError> {
    tx.query_optional("SELECT room_id FROM aliases WHERE alias = ?1", &[alias], |row| row.get(0))
}

/// Returns the room of an alias and who made it.
pub fn find(tx: &ReadTx<'_>, alias: &RoomAlias) -> Result<Option<(RoomId, UserId)>, StoreError> {
    tx.query_optional("SELECT room_id, creator FROM aliases WHERE alias = ?1", &[alias], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Makes an alias. Returns false if it is taken.
pub fn insert(tx: &mut WriteTx<'_>, alias: &RoomAlias, room_id: &RoomId, creator: &UserId) -> Result<bool, StoreError> {
    let made = tx.execute(
        "INSERT INTO aliases (alias, room_id, creator) VALUES (?1, ?2, ?3) ON CONFLICT (alias) DO NOTHING",
        &[alias, room_id, creator],
    )?;
    Ok(made == 1)
}

/// Removes an alias.
pub fn remove(tx: &mut WriteTx<'_>, alias: &RoomAlias) -> Result<(), StoreError> {
    tx.execute("DELETE FROM aliases WHERE alias = ?1", &[alias])?;
    Ok(())
}

/// Returns the aliases of a room.
pub fn of_room(tx: &ReadTx<'_>, room_id: &RoomId) -> Result<Vec<RoomAlias>, StoreError> {
    tx.query_all("SELECT alias FROM aliases WHERE room_id = ?1 ORDER BY alias", &[room_id], |row| row.get(0))
}

/// Publishes a room.
pub fn publish(tx: &mut WriteTx<'_>, room_id: &RoomId) -> Result<(), StoreError> {
    tx.execute("INSERT INTO published_rooms (room_id) VALUES (?1) ON CONFLICT (room_id) DO NOTHING", &[room_id])?;
    Ok(())
}

/// Takes a room out of the directory.
pub fn unpublish(tx: &mut WriteTx<'_>, room_id: &RoomId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM published_rooms WHERE room_id = ?1", &[room_id])?;
    Ok(())
}

/// Says whether a room is published.
pub fn is_published(tx: &ReadTx<'_>, room_id: &RoomId) -> Result<bool, StoreError> {
    let found =
        tx.query_optional("SELECT 1 FROM published_rooms WHERE room_id = ?1", &[room_id], |row| row.get::<i64>(0))?;
    Ok(found.is_some())
}

/// Returns the rooms that are published.
pub fn published(tx: &ReadTx<'_>) -> Result<Vec<RoomId>, StoreError> {
    tx.query_all("SELECT room_id FROM published_rooms ORDER BY room_id", &[], |row| row.get(0))
}

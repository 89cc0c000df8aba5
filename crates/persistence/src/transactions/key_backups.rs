//! Backups of room keys, as clients encrypted them. C-S API, "Server-side key backups".

use events::{RoomId, UserId};

use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Counts up for each user, also past deleted ones.
    pub version: i64,
    /// How the keys are encrypted.
    pub algorithm: String,
    /// The JSON object that belongs to the algorithm.
    pub auth_data: String,
    /// Changes whenever the keys do.
    pub etag: i64,
    /// How many keys there are.
    pub count: i64,
}

/// A key in a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUpKey {
    /// The room whose messages it decrypts.
    pub room_id: RoomId,
    /// The session.
    pub session_id: String,
    /// Whether the device that made the backup verified where the key came from.
    pub is_verified: bool,
    /// The first message that it decrypts.
    pub first_message_index: i64,
    /// How often it was forwarded.
    pub forwarded_count: i64,
    /// The whole entry as JSON.
    pub content: String,
}

/// Starts a backup and returns its version.
pub fn create(tx: &mut WriteTx<'_>, user: &UserId, algorithm: &str, auth_data: &str) -> Result<i64, StoreError> {
    tx.query_one(
        "INSERT INTO key_backups (user_id, version, algorithm, auth_data, etag, is_deleted)
         VALUES (?1, (SELECT COALESCE(MAX(version), 0) + 1 FROM key_backups WHERE user_id = ?1), ?2, ?3, 0, 0)
         RETURNING version",
        &[user, &algorithm, &auth_data],
        |row| row.get(0),
    )
}

/// Returns a backup.
pub fn get(tx: &ReadTx<'_>, user: &UserId, version: i64) -> Result<Option<Backup>, StoreError> {
    tx.query_optional(
        "SELECT version, algorithm, auth_data, etag,
                (SELECT COUNT(*) FROM backed_up_keys AS key
                  WHERE key.user_id = key_backups.user_id AND key.version = key_backups.version)
           FROM key_backups
          WHERE user_id = ?1 AND version = ?2 AND is_deleted = 0",
        &[user, &version],
        read_backup,
    )
}

/// Returns the version of the latest backup that is there.
pub fn latest(tx: &ReadTx<'_>, user: &UserId) -> Result<Option<i64>, StoreError> {
    tx.query_one("SELECT MAX(version) FROM key_backups WHERE user_id = ?1 AND is_deleted = 0", &[user], |row| {
        row.get(0)
    })
}

/// Changes the data that belongs to the algorithm.
pub fn set_auth_data(tx: &mut WriteTx<'_>, user: &UserId, version: i64, auth_data: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE key_backups SET auth_data = ?3 WHERE user_id = ?1 AND version = ?2 AND is_deleted = 0",
        &[user, &version, &auth_data],
    )?;
    Ok(())
}

/// Deletes a backup with its keys, if that was not done before. Its version is not given out again. Returns how many there ever
/// were: 0 or 1.
pub fn delete(tx: &mut WriteTx<'_>, user: &UserId, version: i64) -> Result<usize, StoreError> {
    tx.execute("DELETE FROM backed_up_keys WHERE user_id = ?1 AND version = ?2", &[user, &version])?;
    tx.execute(
        "UPDATE key_backups SET is_deleted = 1, auth_data = '{}' WHERE user_id = ?1 AND version = ?2",
        &[user, &version],
    )
}

/// Deletes all backups of `user`.
pub fn delete_all(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM backed_up_keys WHERE user_id = ?1", &[user])?;
    tx.execute("DELETE FROM key_backups WHERE user_id = ?1", &[user])?;
    Ok(())
}

/// Notes that the keys of a backup changed.
pub fn bump_etag(tx: &mut WriteTx<'_>, user: &UserId, version: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE key_backups SET etag = etag + 1 WHERE user_id = ?1 AND version = ?2", &[user, &version])?;
    Ok(())
}

/// Returns the keys of a backup: all, those of a room, or one.
pub fn keys(
    tx: &ReadTx<'_>,
    user: &UserId,
    version: i64,
    room: Option<&RoomId>,
    session: Option<&str>,
) -> Result<Vec<BackedUpKey>, StoreError> {
    tx.query_all(
        "SELECT room_id, session_id, is_verified, first_message_index, forwarded_count, content
           FROM backed_up_keys
          WHERE user_id = ?1 AND version = ?2
            AND room_id = COALESCE(?3, room_id) AND session_id = COALESCE(?4, session_id)
          ORDER BY room_id, session_id",
        &[user, &version, &room, &session],
        |row| {
            Ok(BackedUpKey {
                room_id: row.get(0)?,
                session_id: row.get(1)?,
                is_verified: row.get(2)?,
                first_message_index: row.get(3)?,
                forwarded_count: row.get(4)?,
                content: row.get(5)?,
            })
        },
    )
}

/// Stores a key, in place of what was there.
pub fn put_key(tx: &mut WriteTx<'_>, user: &UserId, version: i64, key: &BackedUpKey) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO backed_up_keys
                (user_id, version, room_id, session_id, is_verified, first_message_index, forwarded_count, content)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (user_id, version, room_id, session_id)
         DO UPDATE SET is_verified = excluded.is_verified,
                       first_message_index = excluded.first_message_index,
                       forwarded_count = excluded.forwarded_count,
                       content = excluded.content",
        &[
            user,
            &version,
            &key.room_id,
            &key.session_id,
            &key.is_verified,
            &key.first_message_index,
            &key.forwarded_count,
            &key.content,
        ],
    )?;
    Ok(())
}

/// Deletes keys of a backup: all, those of a room, or one. Returns how many.
pub fn delete_keys(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    version: i64,
    room: Option<&RoomId>,
    session: Option<&str>,
) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM backed_up_keys
          WHERE user_id = ?1 AND version = ?2
            AND room_id = COALESCE(?3, room_id) AND session_id = COALESCE(?4, session_id)",
        &[user, &version, &room, &session],
    )
}

fn read_backup(row: &Row<'_>) -> Result<Backup, StoreError> {
    Ok(Backup {
        version: row.get(0)?,
        algorithm: row.get(1)?,
        auth_data: row.get(2)?,
        etag: row.get(3)?,
        count: row.get(4)?,
    })
}

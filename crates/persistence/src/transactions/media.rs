//! What is in the content repository.

use events::UserId;

use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// What is known of a piece of media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaRow {
    /// Who uploaded it, or may.
    pub user_id: UserId,
    /// When its id was given out, in ms.
    pub created_at: i64,
    /// The bytes; `None` as long as the id is only reserved.
    pub file: Option<MediaFile>,
}

/// The file behind a piece of media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// SHA-256 in hexadecimal: its name on disk.
    pub content_hash: String,
    /// As the uploader said.
    pub content_type: Option<String>,
    /// As the uploader said.
    pub file_name: Option<String>,
    /// How large it is.
    pub size_bytes: i64,
}

/// Whether an id could be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// It was reserved and has its bytes.
    Filled,
    /// It has bytes already, or is not there.
    Refused,
}

/// Gives out an id. Fails if it is taken: ids are random.
pub fn reserve(tx: &mut WriteTx<'_>, media_id: &str, user: &UserId, now: i64) -> Result<(), StoreError> {
    tx.execute("INSERT INTO media (media_id, user_id, created_at) VALUES (?1, ?2, ?3)", &[&media_id, user, &now])?;
    Ok(())
}

/// Returns how many ids `user` has reserved and not filled.
pub fn count_reserved(tx: &ReadTx<'_>, user: &UserId) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM media WHERE user_id = ?1 AND content_hash IS NULL", &[user], |row| row.get(0))
}

/// Deletes the ids that `user` reserved before `time` and did not fill.
pub fn delete_reserved_before(tx: &mut WriteTx<'_>, user: &UserId, time: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM media WHERE user_id = ?1 AND created_at < ?2 AND content_hash IS NULL", &[user, &time])?;
    Ok(())
}

/// Connects a reserved id with its bytes.
pub fn fill(tx: &mut WriteTx<'_>, media_id: &str, file: &MediaFile) -> Result<Filling, StoreError> {
    let filled = tx.execute(
        "UPDATE media SET content_hash = ?2, content_type = ?3, file_name = ?4, size_bytes = ?5
          WHERE media_id = ?1 AND content_hash IS NULL",
        &[&media_id, &file.content_hash, &file.content_type, &file.file_name, &file.size_bytes],
    )?;
    Ok(if filled == 1 { Filling::Filled } else { Filling::Refused })
}

/// Returns what is known of a piece of media.
pub fn get(tx: &ReadTx<'_>, media_id: &str) -> Result<Option<MediaRow>, StoreError> {
    tx.query_optional(
        "SELECT user_id, created_at, content_hash, content_type, file_name, size_bytes FROM media WHERE media_id = ?1",
        &[&media_id],
        read_media,
    )
}

fn read_media(row: &Row<'_>) -> Result<MediaRow, StoreError> {
    let content_hash: Option<String> = row.get(2)?;
    let file = match content_hash {
        Some(content_hash) => {
            Some(MediaFile { content_hash, content_type: row.get(3)?, file_name: row.get(4)?, size_bytes: row.get(5)? })
        }
        None => None,
    };
    Ok(MediaRow { user_id: row.get(0)?, created_at: row.get(1)?, file })
}

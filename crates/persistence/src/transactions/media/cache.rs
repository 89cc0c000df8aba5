//! Files of other servers: a cache.

use super::{Content, RemoteId, content, is_referenced, thumbnails};
use crate::tx::{ReadTx, StoreError, WriteTx};

/// A file of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    /// What leads to it.
    pub id: RemoteId,
    /// Its size.
    pub bytes: i64,
    /// When somebody asked for it last, to the day.
    pub last_used_at: i64,
}

/// Returns the copy of a file of another server, and when somebody asked for it last.
pub fn remote(tx: &ReadTx<'_>, id: &RemoteId) -> Result<Option<(Content, i64)>, StoreError> {
    tx.query_optional(
        "SELECT hash, bytes, content_type, file_name, last_used_at
           FROM remote_media WHERE origin = ?1 AND media_id = ?2",
        &[&id.origin, &id.media_id],
        |row| Ok((content(row)?, row.get(4)?)),
    )
}

/// Stores the copy of a file of another server, in place of an older one.
pub fn put_remote(tx: &mut WriteTx<'_>, id: &RemoteId, now: i64, content: &Content) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO remote_media (origin, media_id, hash, bytes, content_type, file_name, last_used_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (origin, media_id) DO UPDATE
            SET hash = excluded.hash, bytes = excluded.bytes, content_type = excluded.content_type,
                file_name = excluded.file_name, last_used_at = excluded.last_used_at",
        &[&id.origin, &id.media_id, &content.hash, &content.bytes, &content.content_type, &content.file_name, &now],
    )?;
    Ok(())
}

/// Takes note that somebody asked for a file of another server.
pub fn touch(tx: &mut WriteTx<'_>, id: &RemoteId, now: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE remote_media SET last_used_at = ?3 WHERE origin = ?1 AND media_id = ?2",
        &[&id.origin, &id.media_id, &now],
    )?;
    Ok(())
}

/// Returns how large the cache is. Files that several ids lead to count several times.
pub fn cached_bytes(tx: &ReadTx<'_>) -> Result<i64, StoreError> {
    tx.query_one("SELECT COALESCE(CAST(SUM(bytes) AS BIGINT), 0) FROM remote_media", &[], |row| row.get(0))
}

/// Returns the `limit` entries that have been asked for the longest ago.
pub fn least_used(tx: &ReadTx<'_>, limit: u32) -> Result<Vec<CacheEntry>, StoreError> {
    tx.query_all(
        "SELECT origin, media_id, bytes, last_used_at FROM remote_media
          ORDER BY last_used_at, origin, media_id LIMIT ?1",
        &[&limit],
        |row| {
            let id = RemoteId { origin: row.get(0)?, media_id: row.get(1)? };
            Ok(CacheEntry { id, bytes: row.get(2)?, last_used_at: row.get(3)? })
        },
    )
}

/// Forgets a file of another server, and returns the hashes of files that nothing leads to any longer.
pub fn delete_remote(tx: &mut WriteTx<'_>, id: &RemoteId) -> Result<Vec<String>, StoreError> {
    let hash: Option<String> = tx.query_optional(
        "DELETE FROM remote_media WHERE origin = ?1 AND media_id = ?2 RETURNING hash",
        &[&id.origin, &id.media_id],
        |row| row.get(0),
    )?;
    let Some(hash) = hash else { return Ok(Vec::new()) };
    let mut freed = Vec::new();
    if !thumbnails::has_original(tx, &hash)? {
        freed = thumbnails::delete_of(tx, &hash)?;
    }
    if !is_referenced(tx, &hash)? {
        freed.push(hash);
    }
    Ok(freed)
}

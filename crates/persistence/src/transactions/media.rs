//! The content repository. A hash names a file; several ids may lead to the same one.

mod cache;
mod thumbnails;

use events::{ServerName, UserId};

use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

pub use cache::{CacheEntry, cached_bytes, delete_remote, least_used, put_remote, remote, touch};
pub use thumbnails::{Thumbnail, put_thumbnail, thumbnail};

/// A file, and how it is to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Where the file lies.
    pub hash: String,
    /// Its size.
    pub bytes: i64,
    /// What the uploader says it is.
    pub content_type: String,
    /// How the uploader calls it.
    pub file_name: Option<String>,
}

/// An id of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Who made the id, and alone may upload to it.
    pub uploader: UserId,
    /// When the id is forgotten if nothing is uploaded to it; `None` once something was.
    pub expires_at: Option<i64>,
    /// What was uploaded.
    pub content: Option<Content>,
}

/// Returns what is known of an id of ours.
pub fn local(tx: &ReadTx<'_>, media_id: &str) -> Result<Option<Local>, StoreError> {
    tx.query_optional(
        "SELECT hash, bytes, content_type, file_name, uploader, expires_at FROM local_media WHERE media_id = ?1",
        &[&media_id],
        |row| {
            let content = match row.get::<Option<String>>(0)? {
                Some(_) => Some(content(row)?),
                None => None,
            };
            Ok(Local { uploader: row.get(4)?, expires_at: row.get(5)?, content })
        },
    )
}

/// The columns `hash, bytes, content_type, file_name` from the first on.
fn content(row: &Row<'_>) -> Result<Content, StoreError> {
    Ok(Content { hash: row.get(0)?, bytes: row.get(1)?, content_type: row.get(2)?, file_name: row.get(3)? })
}

/// Stores an id whose content will come until `expires_at`.
pub fn put_pending(
    tx: &mut WriteTx<'_>,
    media_id: &str,
    uploader: &UserId,
    now: i64,
    expires_at: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO local_media (media_id, uploader, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)",
        &[&media_id, uploader, &now, &expires_at],
    )?;
    Ok(())
}

/// Returns how many ids of `uploader` wait for their content, and when the first of them expires.
pub fn pending_of(tx: &ReadTx<'_>, uploader: &UserId, now: i64) -> Result<(i64, Option<i64>), StoreError> {
    tx.query_one(
        "SELECT COUNT(*), MIN(expires_at) FROM local_media WHERE uploader = ?1 AND expires_at > ?2",
        &[uploader, &now],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Stores what was uploaded to a new id.
pub fn put_local(
    tx: &mut WriteTx<'_>,
    media_id: &str,
    uploader: &UserId,
    now: i64,
    content: &Content,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO local_media (media_id, uploader, created_at, hash, bytes, content_type, file_name)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[&media_id, uploader, &now, &content.hash, &content.bytes, &content.content_type, &content.file_name],
    )?;
    Ok(())
}

/// Stores what was uploaded to an id that waited for it, and says whether it still did.
pub fn complete(tx: &mut WriteTx<'_>, media_id: &str, content: &Content) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE local_media SET hash = ?2, bytes = ?3, content_type = ?4, file_name = ?5, expires_at = NULL
          WHERE media_id = ?1 AND hash IS NULL",
        &[&media_id, &content.hash, &content.bytes, &content.content_type, &content.file_name],
    )?;
    Ok(changed > 0)
}

/// Forgets ids that nothing was uploaded to in time.
pub fn delete_expired(tx: &mut WriteTx<'_>, now: i64) -> Result<usize, StoreError> {
    tx.execute("DELETE FROM local_media WHERE expires_at <= ?1", &[&now])
}

/// Returns the hashes from `from` up to but not with `to` that anything leads to, in order, each once.
pub fn hashes_between(tx: &ReadTx<'_>, from: &str, to: &str) -> Result<Vec<String>, StoreError> {
    tx.query_all(
        "SELECT hash FROM local_media WHERE hash >= ?1 AND hash < ?2
         UNION
         SELECT hash FROM remote_media WHERE hash >= ?1 AND hash < ?2
         UNION
         SELECT thumbnail_hash FROM media_thumbnails WHERE thumbnail_hash >= ?1 AND thumbnail_hash < ?2
         ORDER BY 1",
        &[&from, &to],
        |row| row.get(0),
    )
}

/// Keeps those of `hashes` that nothing leads to, each once.
pub fn retain_unreferenced(tx: &ReadTx<'_>, hashes: &mut Vec<String>) -> Result<(), StoreError> {
    hashes.sort_unstable();
    hashes.dedup();
    let mut unreferenced = Vec::new();
    for hash in hashes.drain(..) {
        if !is_referenced(tx, &hash)? {
            unreferenced.push(hash);
        }
    }
    *hashes = unreferenced;
    Ok(())
}

/// Says whether anything leads to a file.
fn is_referenced(tx: &ReadTx<'_>, hash: &str) -> Result<bool, StoreError> {
    tx.query_one(
        "SELECT EXISTS (SELECT 1 FROM local_media WHERE hash = ?1)
             OR EXISTS (SELECT 1 FROM remote_media WHERE hash = ?1)
             OR EXISTS (SELECT 1 FROM media_thumbnails WHERE thumbnail_hash = ?1)",
        &[&hash],
        |row| row.get(0),
    )
}

/// Identifies an id of another server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemoteId {
    /// Whose it is.
    pub origin: ServerName,
    /// Its id there.
    pub media_id: String,
}

#[cfg(test)]
mod tests;

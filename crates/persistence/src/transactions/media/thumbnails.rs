//! Thumbnails that have been made, by the file that they show.

use super::{is_referenced, retain_unreferenced};
use crate::tx::{ReadTx, StoreError, WriteTx};

/// A thumbnail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// Of which file.
    pub of: String,
    /// The size it was made for, not the size it has.
    pub width: u32,
    /// The size it was made for, not the size it has.
    pub height: u32,
    /// How it was made.
    pub variant: String,
    /// Where it lies.
    pub hash: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// What it is.
    pub content_type: String,
}

/// Returns the thumbnail of the file `of` that was made for a size.
pub fn thumbnail(
    tx: &ReadTx<'_>,
    of: &str,
    width: u32,
    height: u32,
    variant: &str,
) -> Result<Option<Thumbnail>, StoreError> {
    tx.query_optional(
        "SELECT thumbnail_hash, bytes, content_type FROM media_thumbnails
          WHERE hash = ?1 AND width = ?2 AND height = ?3 AND variant = ?4",
        &[&of, &width, &height, &variant],
        |row| {
            let (of, variant) = (of.to_owned(), variant.to_owned());
            Ok(Thumbnail {
                of,
                width,
                height,
                variant,
                hash: row.get(0)?,
                bytes: row.get(1)?,
                content_type: row.get(2)?,
            })
        },
    )
}

/// Stores a thumbnail, if the file that it shows is still there. Of each file the latest `keep` stay: returns the hashes of
/// files that nothing leads to any longer.
pub fn put_thumbnail(
    tx: &mut WriteTx<'_>,
    thumbnail: &Thumbnail,
    now: i64,
    keep: u32,
) -> Result<Vec<String>, StoreError> {
    if !has_original(tx, &thumbnail.of)? {
        return if is_referenced(tx, &thumbnail.hash)? { Ok(Vec::new()) } else { Ok(vec![thumbnail.hash.clone()]) };
    }
    tx.execute(
        "INSERT INTO media_thumbnails (hash, width, height, variant, thumbnail_hash, bytes, content_type, made_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (hash, width, height, variant) DO UPDATE
            SET thumbnail_hash = excluded.thumbnail_hash, bytes = excluded.bytes,
                content_type = excluded.content_type, made_at = excluded.made_at",
        &[
            &thumbnail.of,
            &thumbnail.width,
            &thumbnail.height,
            &thumbnail.variant,
            &thumbnail.hash,
            &thumbnail.bytes,
            &thumbnail.content_type,
            &now,
        ],
    )?;
    let mut dropped = tx.query_all(
        "DELETE FROM media_thumbnails
          WHERE hash = ?1
            AND (width, height, variant) NOT IN (
                SELECT width, height, variant FROM media_thumbnails
                 WHERE hash = ?1 ORDER BY made_at DESC, width DESC, height DESC, variant LIMIT ?2)
         RETURNING thumbnail_hash",
        &[&thumbnail.of, &keep],
        |row| row.get::<String>(0),
    )?;
    retain_unreferenced(tx, &mut dropped)?;
    Ok(dropped)
}

/// Forgets the thumbnails of the file `of`, and returns the hashes of files that nothing leads to any longer.
pub(super) fn delete_of(tx: &mut WriteTx<'_>, of: &str) -> Result<Vec<String>, StoreError> {
    let mut dropped =
        tx.query_all("DELETE FROM media_thumbnails WHERE hash = ?1 RETURNING thumbnail_hash", &[&of], |row| {
            row.get::<String>(0)
        })?;
    retain_unreferenced(tx, &mut dropped)?;
    Ok(dropped)
}

/// Says whether an id leads to the file.
pub(super) fn has_original(tx: &ReadTx<'_>, hash: &str) -> Result<bool, StoreError> {
    tx.query_one(
        "SELECT EXISTS (SELECT 1 FROM local_media WHERE hash = ?1)
             OR EXISTS (SELECT 1 FROM remote_media WHERE hash = ?1)",
        &[&hash],
        |row| row.get(0),
    )
}

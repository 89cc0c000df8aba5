//! Filters that clients have stored. Contents are JSON objects as texts.

use events::UserId;

use crate::tx::{ReadTx, StoreError, WriteTx};

/// Stores a filter and returns its number; the same filter again has the same number. Of each user the latest `keep` stay.
pub fn put(tx: &mut WriteTx<'_>, user: &UserId, content: &str, keep: i64) -> Result<i64, StoreError> {
    let known = tx.query_optional(
        "SELECT filter_id FROM filters WHERE user_id = ?1 AND content = ?2",
        &[user, &content],
        |row| row.get(0),
    )?;
    if let Some(filter_id) = known {
        return Ok(filter_id);
    }
    let filter_id = tx.query_one(
        "INSERT INTO filters (user_id, filter_id, content)
         VALUES (?1, (SELECT COALESCE(MAX(filter_id), 0) + 1 FROM filters WHERE user_id = ?1), ?2)
         RETURNING filter_id",
        &[user, &content],
        |row| row.get::<i64>(0),
    )?;
    tx.execute("DELETE FROM filters WHERE user_id = ?1 AND filter_id <= ?2", &[user, &(filter_id - keep)])?;
    Ok(filter_id)
}

/// Returns a filter.
pub fn get(tx: &ReadTx<'_>, user: &UserId, filter_id: i64) -> Result<Option<String>, StoreError> {
    tx.query_optional("SELECT content FROM filters WHERE user_id = ?1 AND filter_id = ?2", &[user, &filter_id], |row| {
        row.get(0)
    })
}

/// Deletes the filters of `user`.
pub fn delete_all(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM filters WHERE user_id = ?1", &[user])?;
    Ok(())
}

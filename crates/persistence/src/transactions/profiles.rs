//! The profiles of our users. Values are JSON texts.

use events::UserId;

use crate::tx::{ReadTx, StoreError, WriteTx};

/// Returns the fields of a profile with their values.
pub fn all_of(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<(String, String)>, StoreError> {
    tx.query_all("SELECT field, value FROM profile_fields WHERE user_id = ?1 ORDER BY field", &[user], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// Stores a field of a profile.
pub fn put(tx: &mut WriteTx<'_>, user: &UserId, field: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO profile_fields (user_id, field, value)
         VALUES (?1, ?2, ?3)
         ON CONFLICT (user_id, field) DO UPDATE SET value = excluded.value",
        &[user, &field, &value],
    )?;
    Ok(())
}

/// Deletes a field of a profile, if it is there.
pub fn delete(tx: &mut WriteTx<'_>, user: &UserId, field: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM profile_fields WHERE user_id = ?1 AND field = ?2", &[user, &field])?;
    Ok(())
}

/// Deletes a whole profile.
pub fn delete_all(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM profile_fields WHERE user_id = ?1", &[user])?;
    Ok(())
}

//! The profiles of our users. Values are JSON texts.

use events::UserId;

use crate::tx::{ReadTx, StoreError, WriteTx};

/// Returns the fields of a profile with their values.
pub fn all_of(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<(String, String)>, StoreError> {
    tx.query_all("SELECT field, value FROM profile_fields WHERE user_id = ?1 ORDER BY field", &[user], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// How a user of ours is shown to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appearance {
    /// Who.
    pub user_id: UserId,
    /// The display name, as JSON.
    pub display_name: Option<String>,
    /// The avatar, as JSON.
    pub avatar_url: Option<String>,
}

/// Returns the users of ours that can be found, by their ids, at most `limit`.
pub fn page(tx: &ReadTx<'_>, limit: i64) -> Result<Vec<Appearance>, StoreError> {
    tx.query_all(
        "SELECT account.user_id, name.value, avatar.value
           FROM accounts AS account
           LEFT JOIN profile_fields AS name ON name.user_id = account.user_id AND name.field = 'displayname'
           LEFT JOIN profile_fields AS avatar ON avatar.user_id = account.user_id AND avatar.field = 'avatar_url'
          WHERE account.deactivated_at IS NULL
          ORDER BY account.user_id
          LIMIT ?1",
        &[&limit],
        |row| Ok(Appearance { user_id: row.get(0)?, display_name: row.get(1)?, avatar_url: row.get(2)? }),
    )
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

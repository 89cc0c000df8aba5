//! The identity keys, one-time keys and fallback keys of our users' devices. Values are JSON texts that `users` has checked.

use events::UserId;

use super::devices::DeviceId;
use crate::tx::{ReadTx, StoreError, WriteTx};

/// A one-time or fallback key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// `signed_curve25519` and the like.
    pub algorithm: String,
    /// What follows the algorithm and the colon in its name.
    pub key_id: String,
    /// The key as JSON.
    pub content: String,
}

/// Stores the identity keys of a device.
pub fn put(tx: &mut WriteTx<'_>, user: &UserId, device: &DeviceId, keys: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO device_keys (user_id, device_id, keys)
         VALUES (?1, ?2, ?3)
         ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys",
        &[user, device, &keys],
    )?;
    Ok(())
}

/// Returns the identity keys of a device, if it has any.
pub fn get(tx: &ReadTx<'_>, user: &UserId, device: &DeviceId) -> Result<Option<String>, StoreError> {
    tx.query_optional("SELECT keys FROM device_keys WHERE user_id = ?1 AND device_id = ?2", &[user, device], |row| {
        row.get(0)
    })
}

/// Returns the devices of `user` that have keys: id, keys, display name.
pub fn all_of(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<(DeviceId, String, Option<String>)>, StoreError> {
    tx.query_all(
        "SELECT device.device_id, key.keys, device.display_name
           FROM device_keys AS key
           JOIN devices AS device ON device.user_id = key.user_id AND device.device_id = key.device_id
          WHERE key.user_id = ?1
          ORDER BY device.device_id",
        &[user],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}

/// Returns a one-time key that has been uploaded and not claimed.
pub fn one_time_key(
    tx: &ReadTx<'_>,
    user: &UserId,
    device: &DeviceId,
    algorithm: &str,
    key_id: &str,
) -> Result<Option<String>, StoreError> {
    tx.query_optional(
        "SELECT content FROM one_time_keys WHERE user_id = ?1 AND device_id = ?2 AND algorithm = ?3 AND key_id = ?4",
        &[user, device, &algorithm, &key_id],
        |row| row.get(0),
    )
}

/// Adds a one-time key.
pub fn insert_one_time_key(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &DeviceId,
    key: &StoredKey,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, content) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[user, device, &key.algorithm, &key.key_id, &key.content],
    )?;
    Ok(())
}

/// Returns how many one-time keys of each algorithm a device has left. For /sync: `device_one_time_keys_count`.
pub fn one_time_key_counts(
    tx: &ReadTx<'_>,
    user: &UserId,
    device: &DeviceId,
) -> Result<Vec<(String, i64)>, StoreError> {
    tx.query_all(
        "SELECT algorithm, COUNT(*)
           FROM one_time_keys
          WHERE user_id = ?1 AND device_id = ?2
          GROUP BY algorithm
          ORDER BY algorithm",
        &[user, device],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Takes the oldest one-time key of a device away and returns it. Nobody else gets it.
pub fn claim_one_time_key(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &DeviceId,
    algorithm: &str,
) -> Result<Option<StoredKey>, StoreError> {
    tx.query_optional(
        "DELETE FROM one_time_keys
          WHERE number = (SELECT MIN(number)
                            FROM one_time_keys
                           WHERE user_id = ?1 AND device_id = ?2 AND algorithm = ?3)
         RETURNING algorithm, key_id, content",
        &[user, device, &algorithm],
        |row| Ok(StoredKey { algorithm: row.get(0)?, key_id: row.get(1)?, content: row.get(2)? }),
    )
}

/// Stores the fallback key of a device for its algorithm. The same key again stays used if it was; another one is unused.
pub fn put_fallback_key(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &DeviceId,
    key: &StoredKey,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, content, is_used)
         VALUES (?1, ?2, ?3, ?4, ?5, 0)
         ON CONFLICT (user_id, device_id, algorithm)
         DO UPDATE SET key_id = excluded.key_id,
                       content = excluded.content,
                       is_used = CASE WHEN fallback_keys.key_id = excluded.key_id
                                       AND fallback_keys.content = excluded.content
                                      THEN fallback_keys.is_used ELSE 0 END",
        &[user, device, &key.algorithm, &key.key_id, &key.content],
    )?;
    Ok(())
}

/// Returns the fallback key of a device and notes that it has been used. It can be had again.
pub fn claim_fallback_key(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &DeviceId,
    algorithm: &str,
) -> Result<Option<StoredKey>, StoreError> {
    tx.query_optional(
        "UPDATE fallback_keys SET is_used = 1
          WHERE user_id = ?1 AND device_id = ?2 AND algorithm = ?3
         RETURNING algorithm, key_id, content",
        &[user, device, &algorithm],
        |row| Ok(StoredKey { algorithm: row.get(0)?, key_id: row.get(1)?, content: row.get(2)? }),
    )
}

/// Returns the algorithms for which a device has a fallback key that nobody got yet. For /sync:
/// `device_unused_fallback_key_types`.
pub fn unused_fallback_key_types(tx: &ReadTx<'_>, user: &UserId, device: &DeviceId) -> Result<Vec<String>, StoreError> {
    tx.query_all(
        "SELECT algorithm FROM fallback_keys WHERE user_id = ?1 AND device_id = ?2 AND is_used = 0 ORDER BY algorithm",
        &[user, device],
        |row| row.get(0),
    )
}

//! Cross-signing keys, and the signatures that users gave to keys. Values are JSON texts that `users` has checked.

use events::UserId;

use super::streams::{self, Stream};
use crate::numbers::Position;
use crate::tx::{ReadTx, StoreError, WriteTx};

/// A signature by a key of `signer` on a key of some user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySignature {
    /// What is signed: a device id, or the base64 of a cross-signing key.
    pub target: String,
    /// Who signed.
    pub signer: UserId,
    /// With which key: `ed25519:…`
    pub key_id: String,
    /// Base64.
    pub signature: String,
}

/// Stores a cross-signing key. `usage` is `master`, `self_signing` or `user_signing`.
pub fn put(tx: &mut WriteTx<'_>, user: &UserId, usage: &str, content: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO cross_signing_keys (user_id, usage, content)
         VALUES (?1, ?2, ?3)
         ON CONFLICT (user_id, usage) DO UPDATE SET content = excluded.content",
        &[user, &usage, &content],
    )?;
    Ok(())
}

/// Returns a cross-signing key of `user`.
pub fn get(tx: &ReadTx<'_>, user: &UserId, usage: &str) -> Result<Option<String>, StoreError> {
    tx.query_optional(
        "SELECT content FROM cross_signing_keys WHERE user_id = ?1 AND usage = ?2",
        &[user, &usage],
        |row| row.get(0),
    )
}

/// Stores a signature on a key of `user`.
pub fn put_signature(tx: &mut WriteTx<'_>, user: &UserId, signature: &KeySignature) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO key_signatures (user_id, target, signer, key_id, signature)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id, target, signer, key_id) DO UPDATE SET signature = excluded.signature",
        &[user, &signature.target, &signature.signer, &signature.key_id, &signature.signature],
    )?;
    Ok(())
}

/// Returns the signatures on keys of `user` by `user` and by `asker`: those of others are theirs to know.
pub fn signatures(tx: &ReadTx<'_>, user: &UserId, asker: Option<&UserId>) -> Result<Vec<KeySignature>, StoreError> {
    tx.query_all(
        "SELECT target, signer, key_id, signature
           FROM key_signatures
          WHERE user_id = ?1 AND (signer = ?1 OR signer = ?2)
          ORDER BY target, signer, key_id",
        &[user, &asker],
        |row| {
            Ok(KeySignature { target: row.get(0)?, signer: row.get(1)?, key_id: row.get(2)?, signature: row.get(3)? })
        },
    )
}

/// Notes that `signer` signed a key of `user`, another one, in the stream of device lists: for the signer's own devices.
pub fn note_signed(tx: &mut WriteTx<'_>, signer: &UserId, user: &UserId) -> Result<Position, StoreError> {
    let position = streams::next(tx, Stream::DeviceLists)?;
    tx.execute(
        "INSERT INTO signed_users (signer, user_id, position)
         VALUES (?1, ?2, ?3)
         ON CONFLICT (signer, user_id) DO UPDATE SET position = excluded.position",
        &[signer, user, &position],
    )?;
    Ok(position)
}

/// Returns the users whose keys `signer` signed after `from`. For /sync: they are among `device_lists.changed` of the signer.
pub fn signed_since(tx: &ReadTx<'_>, signer: &UserId, from: Position) -> Result<Vec<UserId>, StoreError> {
    tx.query_all(
        "SELECT user_id FROM signed_users WHERE signer = ?1 AND position > ?2 ORDER BY position",
        &[signer, &from],
        |row| row.get(0),
    )
}

/// Returns how many signatures `signer` has given.
pub fn count_signatures_by(tx: &ReadTx<'_>, signer: &UserId) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM key_signatures WHERE signer = ?1", &[signer], |row| row.get(0))
}

/// Forgets the signatures on one key of `user`.
pub fn delete_signatures(tx: &mut WriteTx<'_>, user: &UserId, target: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM key_signatures WHERE user_id = ?1 AND target = ?2", &[user, &target])?;
    Ok(())
}

/// Forgets the cross-signing keys of `user`, but no signature on them: a user of another server.
pub fn delete_keys(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM cross_signing_keys WHERE user_id = ?1", &[user])?;
    Ok(())
}

/// Forgets the cross-signing keys of `user` and every signature by or on them.
pub fn delete_all(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM cross_signing_keys WHERE user_id = ?1", &[user])?;
    tx.execute("DELETE FROM key_signatures WHERE user_id = ?1 OR signer = ?1", &[user])?;
    tx.execute("DELETE FROM signed_users WHERE signer = ?1", &[user])?;
    Ok(())
}

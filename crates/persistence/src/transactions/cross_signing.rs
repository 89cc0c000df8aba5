//! Cross-signing keys, and the signatures that users gave to keys. Values are JSON texts that `users` has checked.

use events::UserId;

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

/// Returns how many signatures `signer` has given.
pub fn count_signatures_by(tx: &ReadTx<'_>, signer: &UserId) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM key_signatures WHERE signer = ?1", &[signer], |row| row.get(0))
}

/// Forgets the signatures on one key of `user`.
pub fn delete_signatures(tx: &mut WriteTx<'_>, user: &UserId, target: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM key_signatures WHERE user_id = ?1 AND target = ?2", &[user, &target])?;
    Ok(())
}

/// Forgets the cross-signing keys of `user` and every signature by or on them.
pub fn delete_all(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM cross_signing_keys WHERE user_id = ?1", &[user])?;
    tx.execute("DELETE FROM key_signatures WHERE user_id = ?1 OR signer = ?1", &[user])?;
    Ok(())
}

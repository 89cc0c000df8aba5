//! Who this server is: its name, and the signing keys that it has used.

use events::{KeyId, ServerName};

use crate::tx::{ReadTx, StoreError, WriteTx};

/// A key of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnKey {
    /// Its name.
    pub key_id: KeyId,
    /// The public half in base64.
    pub public_key: String,
    /// When we stopped to use it, in milliseconds since 1970; `None` if it is in use.
    pub expired: Option<i64>,
}

/// Returns the name that this database belongs to; `None` if it belongs to nobody yet.
pub fn name(tx: &ReadTx<'_>) -> Result<Option<ServerName>, StoreError> {
    tx.query_optional("SELECT server_name FROM own_name WHERE only = 1", &[], |row| row.get(0))
}

/// Returns the name that this database belongs to, `name` from now on if it belonged to nobody.
pub fn claim_name(tx: &mut WriteTx<'_>, name: &ServerName) -> Result<ServerName, StoreError> {
    tx.execute("INSERT INTO own_name (only, server_name) VALUES (1, ?1) ON CONFLICT (only) DO NOTHING", &[name])?;
    tx.query_one("SELECT server_name FROM own_name WHERE only = 1", &[], |row| row.get(0))
}

/// Returns all keys that this server has used.
pub fn keys(tx: &ReadTx<'_>) -> Result<Vec<OwnKey>, StoreError> {
    tx.query_all("SELECT key_id, public_key, expired FROM own_keys ORDER BY key_id", &[], |row| {
        Ok(OwnKey { key_id: row.get(0)?, public_key: row.get(1)?, expired: row.get(2)? })
    })
}

/// Stores a key, or what has changed about it.
pub fn put_key(tx: &mut WriteTx<'_>, key: &OwnKey) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO own_keys (key_id, public_key, expired)
         VALUES (?1, ?2, ?3)
         ON CONFLICT (key_id) DO UPDATE SET public_key = excluded.public_key, expired = excluded.expired",
        &[&key.key_id, &key.public_key, &key.expired],
    )?;
    Ok(())
}

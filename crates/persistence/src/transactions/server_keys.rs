//! The signing keys of other servers.

use events::{KeyId, ServerName};

use crate::tx::{ReadTx, StoreError, WriteTx};

/// A key. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Its name.
    pub key_id: KeyId,
    /// In base64.
    pub public_key: String,
    /// Until when it signs requests and events.
    pub valid_until: i64,
    /// When its server stopped to use it. Such a key verifies older events only.
    pub expired: Option<i64>,
}

/// What a server published, as it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// JSON, with the server's signatures only.
    pub document: String,
    /// What it says, not shortened.
    pub valid_until: i64,
    /// When we got it.
    pub fetched: i64,
}

/// Returns the keys that are stored of `server`.
pub fn keys(tx: &ReadTx<'_>, server: &ServerName) -> Result<Vec<StoredKey>, StoreError> {
    tx.query_all(
        "SELECT key_id, public_key, valid_until, expired
           FROM server_keys
          WHERE server_name = ?1
          ORDER BY key_id",
        &[server],
        |row| {
            Ok(StoredKey {
                key_id: row.get(0)?,
                public_key: row.get(1)?,
                valid_until: row.get(2)?,
                expired: row.get(3)?,
            })
        },
    )
}

/// Puts `keys` in the place of all that is stored of `server`.
pub fn replace_keys(tx: &mut WriteTx<'_>, server: &ServerName, keys: &[StoredKey]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM server_keys WHERE server_name = ?1", &[server])?;
    for key in keys {
        tx.execute(
            "INSERT INTO server_keys (server_name, key_id, public_key, valid_until, expired)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            &[server, &key.key_id, &key.public_key, &key.valid_until, &key.expired],
        )?;
    }
    Ok(())
}

/// Returns what `server` published last, as far as we know.
pub fn document(tx: &ReadTx<'_>, server: &ServerName) -> Result<Option<StoredDocument>, StoreError> {
    tx.query_optional(
        "SELECT document, valid_until, fetched FROM server_key_documents WHERE server_name = ?1",
        &[server],
        |row| Ok(StoredDocument { document: row.get(0)?, valid_until: row.get(1)?, fetched: row.get(2)? }),
    )
}

/// Stores what `server` published.
pub fn put_document(tx: &mut WriteTx<'_>, server: &ServerName, document: &StoredDocument) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO server_key_documents (server_name, document, valid_until, fetched)
         VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (server_name) DO UPDATE
            SET document = excluded.document, valid_until = excluded.valid_until, fetched = excluded.fetched",
        &[server, &document.document, &document.valid_until, &document.fetched],
    )?;
    Ok(())
}

/// Forgets all but the `keep` servers whose documents are the youngest.
pub fn prune(tx: &mut WriteTx<'_>, keep: u32) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM server_key_documents
          WHERE server_name NOT IN
                (SELECT server_name FROM server_key_documents ORDER BY fetched DESC, server_name LIMIT ?1)",
        &[&keep],
    )?;
    tx.execute("DELETE FROM server_keys WHERE server_name NOT IN (SELECT server_name FROM server_key_documents)", &[])?;
    Ok(())
}

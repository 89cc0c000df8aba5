//! Servers that are asked again for what they sent us.

use events::ServerName;

use crate::tx::{ReadTx, StoreError, WriteTx};

/// A server that is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// Which.
    pub origin: ServerName,
    /// The last of its transactions that we are sure to have.
    pub after_transaction: String,
    /// Where its next page begins, if it has told.
    pub number: Option<i64>,
    /// When the asking began, in milliseconds since 1970.
    pub since: i64,
    /// How often it was tried.
    pub attempts: i64,
}

/// Begins to ask all servers that sent a transaction since `heard_since`, each for what came after its last before `started`.
/// Who is being asked already goes on where it was.
pub fn begin_all(tx: &mut WriteTx<'_>, heard_since: i64, started: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO pulls (origin, after_transaction, since, retry_at)
         SELECT origin, transaction_id, ?2, ?2
           FROM received_transactions AS last
          WHERE received_at >= ?1 AND received_at < ?2
            AND NOT EXISTS (
                SELECT 1 FROM received_transactions AS later
                 WHERE later.origin = last.origin AND later.sequence > last.sequence AND later.received_at < ?2)
         ON CONFLICT (origin) DO NOTHING",
        &[&heard_since, &started],
    )?;
    Ok(())
}

/// Begins to ask one server for what came after its last transaction before `started`; if there was none, after `first`.
pub fn begin(tx: &mut WriteTx<'_>, origin: &ServerName, started: i64, first: &str, now: i64) -> Result<(), StoreError> {
    let last: Option<String> = tx.query_optional(
        "SELECT transaction_id
           FROM received_transactions
          WHERE origin = ?1 AND received_at < ?2
          ORDER BY sequence DESC
          LIMIT 1",
        &[origin, &started],
        |row| row.get(0),
    )?;
    let after = last.as_deref().unwrap_or(first);
    tx.execute(
        "INSERT INTO pulls (origin, after_transaction, since, retry_at) VALUES (?1, ?2, ?3, ?3)
         ON CONFLICT (origin) DO NOTHING",
        &[origin, &after, &now],
    )?;
    Ok(())
}

/// Returns up to `limit` servers that are due.
pub fn due(tx: &ReadTx<'_>, now: i64, limit: i64) -> Result<Vec<Pull>, StoreError> {
    tx.query_all(
        "SELECT origin, after_transaction, number, since, attempts
           FROM pulls
          WHERE retry_at <= ?1
          ORDER BY retry_at
          LIMIT ?2",
        &[&now, &limit],
        |row| {
            Ok(Pull {
                origin: row.get(0)?,
                after_transaction: row.get(1)?,
                number: row.get(2)?,
                since: row.get(3)?,
                attempts: row.get(4)?,
            })
        },
    )
}

/// Returns since when `origin` is being asked, in milliseconds since 1970. `None`: it has told all that it will.
pub fn asked_since(tx: &ReadTx<'_>, origin: &ServerName) -> Result<Option<i64>, StoreError> {
    tx.query_optional("SELECT since FROM pulls WHERE origin = ?1", &[origin], |row| row.get(0))
}

/// Returns when the next server is due.
pub fn next_due(tx: &ReadTx<'_>) -> Result<Option<i64>, StoreError> {
    tx.query_one("SELECT MIN(retry_at) FROM pulls", &[], |row| row.get(0))
}

/// Goes on with the page that begins at `number`.
pub fn advance(tx: &mut WriteTx<'_>, origin: &ServerName, number: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE pulls SET number = ?2, attempts = 0 WHERE origin = ?1", &[origin, &number])?;
    Ok(())
}

/// Asks again at `retry_at`, and not before then.
pub fn postpone(tx: &mut WriteTx<'_>, origin: &ServerName, retry_at: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE pulls SET retry_at = ?2, attempts = attempts + 1 WHERE origin = ?1", &[origin, &retry_at])?;
    Ok(())
}

/// Everything was told, or nothing ever will be.
pub fn remove(tx: &mut WriteTx<'_>, origin: &ServerName) -> Result<(), StoreError> {
    tx.execute("DELETE FROM pulls WHERE origin = ?1", &[origin])?;
    Ok(())
}

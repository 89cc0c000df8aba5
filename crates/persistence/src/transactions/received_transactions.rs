//! The answers given to other servers' transactions, so that a repeat gets the same one.

use events::ServerName;

use crate::tx::{ReadTx, StoreError, WriteTx};

/// Returns the answer given to the transaction `id` of `origin`, or `None` if it is new.
pub fn answer(tx: &ReadTx<'_>, origin: &ServerName, id: &str) -> Result<Option<String>, StoreError> {
    tx.query_optional(
        "SELECT answer
           FROM received_transactions
          WHERE origin = ?1 AND transaction_id = ?2",
        &[origin, &id],
        |row| row.get(0),
    )
}

/// Whether an answer was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It was.
    Now,
    /// The transaction has this answer already; nothing was changed.
    Before(String),
}

/// Stores the answer given to a transaction, unless it has one, and forgets all but the latest `keep` of this origin.
pub fn store(
    tx: &mut WriteTx<'_>,
    origin: &ServerName,
    id: &str,
    answer_text: &str,
    now: i64,
    keep: i64,
) -> Result<Stored, StoreError> {
    if let Some(before) = answer(tx, origin, id)? {
        return Ok(Stored::Before(before));
    }
    let sequence: i64 = tx.query_one(
        "INSERT INTO received_transactions (origin, transaction_id, sequence, received_at, answer)
         VALUES (?1, ?2,
                 (SELECT COALESCE(MAX(sequence), 0) + 1 FROM received_transactions WHERE origin = ?1),
                 ?3, ?4)
         RETURNING sequence",
        &[origin, &id, &now, &answer_text],
        |row| row.get(0),
    )?;
    tx.execute(
        "DELETE FROM received_transactions
          WHERE origin = ?1 AND sequence <= ?2",
        &[origin, &(sequence - keep)],
    )?;
    Ok(Stored::Now)
}

/// Returns up to `limit` servers, in the order of their names from behind `after` on, that sent a transaction since `since`.
pub fn origins(tx: &ReadTx<'_>, since: i64, after: &str, limit: i64) -> Result<Vec<ServerName>, StoreError> {
    tx.query_all(
        "SELECT DISTINCT origin
           FROM received_transactions
          WHERE origin > ?2 AND received_at >= ?1
          ORDER BY origin
          LIMIT ?3",
        &[&since, &after, &limit],
        |row| row.get(0),
    )
}

/// Forgets up to `limit` answers given before `horizon`, and returns how many it forgot.
pub fn purge(tx: &mut WriteTx<'_>, horizon: i64, limit: i64) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM received_transactions
          WHERE (origin, transaction_id) IN (
                SELECT origin, transaction_id
                  FROM received_transactions
                 WHERE received_at < ?1
                 ORDER BY received_at
                 LIMIT ?2)",
        &[&horizon, &limit],
    )
}

/// Returns how many answers are kept.
pub fn count(tx: &ReadTx<'_>) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM received_transactions", &[], |row| row.get(0))
}

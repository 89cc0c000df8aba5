//! How it goes with each server that we send to.

use events::ServerName;

use crate::tx::{ReadTx, StoreError, WriteTx};

/// A row. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHealth {
    /// When it last answered.
    pub last_success: Option<i64>,
    /// When it last failed to.
    pub last_failure: Option<i64>,
    /// How, in words. Empty if never.
    pub last_error: String,
    /// Failures since the last success.
    pub failures: u32,
    /// When to try again. In the past if at once.
    pub resting_until: i64,
}

/// Stores what is known of `server` at the time `now`.
pub fn put(tx: &mut WriteTx<'_>, server: &ServerName, health: &StoredHealth, now: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO destination_health
                (server_name, last_success, last_failure, last_error, failures, resting_until, changed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (server_name) DO UPDATE
            SET last_success = excluded.last_success, last_failure = excluded.last_failure,
                last_error = excluded.last_error, failures = excluded.failures,
                resting_until = excluded.resting_until, changed = excluded.changed",
        &[
            server,
            &health.last_success,
            &health.last_failure,
            &health.last_error,
            &health.failures,
            &health.resting_until,
            &now,
        ],
    )?;
    Ok(())
}

/// Returns the `limit` rows that changed last, and the servers they are about.
pub fn latest(tx: &ReadTx<'_>, limit: u32) -> Result<Vec<(ServerName, StoredHealth)>, StoreError> {
    tx.query_all(
        "SELECT server_name, last_success, last_failure, last_error, failures, resting_until
           FROM destination_health
          ORDER BY changed DESC, server_name
          LIMIT ?1",
        &[&limit],
        |row| {
            let health = StoredHealth {
                last_success: row.get(1)?,
                last_failure: row.get(2)?,
                last_error: row.get(3)?,
                failures: row.get(4)?,
                resting_until: row.get(5)?,
            };
            Ok((row.get(0)?, health))
        },
    )
}

/// Removes all but the `keep` rows that changed last.
pub fn prune(tx: &mut WriteTx<'_>, keep: u32) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM destination_health
          WHERE server_name NOT IN
                (SELECT server_name FROM destination_health ORDER BY changed DESC, server_name LIMIT ?1)",
        &[&keep],
    )?;
    Ok(())
}

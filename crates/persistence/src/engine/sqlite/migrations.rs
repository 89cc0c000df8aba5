//! Brings the schema up to date, one version a transaction.

use std::path::Path;

use rusqlite::Connection;

use super::connection::refused;
use crate::database::OpenError;
use crate::tables;

/// Each entry takes the schema from its index to the next version. Entries are never changed once released.
const MIGRATIONS: &[&[&str]] = &[tables::ALL];

pub(super) fn run(connection: &mut Connection, path: Option<&Path>) -> Result<(), OpenError> {
    let found: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|error| refused(path, &error))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    for (version, statements) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        migrate(connection, statements, version + 1).map_err(|error| refused(path, &error))?;
    }
    Ok(())
}

fn migrate(connection: &mut Connection, statements: &[&str], version: usize) -> rusqlite::Result<()> {
    let tx = connection.transaction()?;
    for batch in statements {
        tx.execute_batch(batch)?;
    }
    tx.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(i64::MAX))?;
    tx.commit()
}

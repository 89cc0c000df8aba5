//! Brings the schema up to date, one version a transaction.

use std::path::Path;

use rusqlite::Connection;

use super::connection::refused;
use crate::database::OpenError;
use crate::tables;

/// Marks the file as Althing's: "Alth".
const APPLICATION_ID: i64 = 0x416c_7468;

/// Refuses the database of another program, and one of a newer Althing, before anything is changed.
pub(super) fn refuse_foreign(connection: &Connection, path: Option<&Path>) -> Result<(), OpenError> {
    let answer =
        |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| refused(path, &error));
    // Reading the schema also notices a file that is no database, or not a whole one.
    let tables = answer("SELECT COUNT(*) FROM sqlite_schema")?;
    let application = answer("PRAGMA application_id")?;
    if tables > 0 && application != APPLICATION_ID {
        let reason = format!("an SQLite database of another program, application id {application}");
        return Err(OpenError::Foreign { path: display(path), reason });
    }
    let found = answer("PRAGMA user_version")?;
    if found > known() {
        return Err(OpenError::Newer { path: display(path), found, known: known() });
    }
    Ok(())
}

pub(super) fn run(connection: &mut Connection, path: Option<&Path>) -> Result<(), OpenError> {
    let found: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(|error| refused(path, &error))?;
    for (version, statements) in tables::VERSIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        migrate(connection, statements, version + 1).map_err(|error| refused(path, &error))?;
    }
    Ok(())
}

fn migrate(connection: &mut Connection, statements: &[&str], version: usize) -> rusqlite::Result<()> {
    let tx = connection.transaction()?;
    for batch in statements {
        tx.execute_batch(batch)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(i64::MAX))?;
    tx.commit()
}

fn known() -> i64 {
    i64::try_from(tables::VERSIONS.len()).unwrap_or(i64::MAX)
}

fn display(path: Option<&Path>) -> String {
    path.map_or_else(|| "in memory".to_owned(), |path| path.display().to_string())
}

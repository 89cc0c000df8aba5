//! How a connection is opened.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::migrations;
use crate::database::OpenError;

/// Statements that a connection keeps prepared. Above the number of statements in this crate.
const PREPARED_STATEMENTS_MAX: usize = 1_000;

/// Opens the writer's connection and brings the schema up to date.
pub(super) fn writer(path: Option<&Path>) -> Result<Connection, OpenError> {
    let connection = match path {
        Some(path) => Connection::open(path),
        None => Connection::open_in_memory(),
    };
    let mut connection = connection.map_err(|error| refused(path, &error))?;
    configure(&connection).map_err(|error| refused(path, &error))?;
    migrations::run(&mut connection, path)?;
    Ok(connection)
}

/// Opens a reader's connection.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| refused(Some(path), &error))?;
    configure(&connection).map_err(|error| refused(Some(path), &error))?;
    Ok(connection)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS_MAX);
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = OFF;
         PRAGMA cache_size = -8192;
         PRAGMA temp_store = MEMORY;
         PRAGMA busy_timeout = 5000;",
    )
}

pub(super) fn refused(path: Option<&Path>, error: &rusqlite::Error) -> OpenError {
    let path = path.map_or_else(|| "in memory".to_owned(), |path| path.display().to_string());
    OpenError::Open { path, reason: error.to_string() }
}

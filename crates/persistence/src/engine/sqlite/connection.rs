//! How a connection is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::migrations;
use crate::database::OpenError;

/// Statements that a connection keeps prepared. Above the number of statements in this crate.
const PREPARED_STATEMENTS_MAX: usize = 1_000;
/// How long a statement waits for another process, such as an operator's `sqlite3`. Our own connections never collide.
pub(super) const OTHERS_WAIT_MAX: Duration = Duration::from_secs(5);

/// For every connection.
///
/// - `temp_store`: sorting large answers must not write files that a full disk could refuse.
/// - `trusted_schema`, `cell_size_check`: a damaged or doctored file is noticed, not obeyed.
/// - `mmap_size`: a disk that fails to read would be a signal that ends the process, not an error.
/// - `foreign_keys`: rooms are purged by ranges in an order of ours; the closures keep references right.
const EVERY_CONNECTION: &str = "
PRAGMA temp_store = MEMORY;
PRAGMA trusted_schema = OFF;
PRAGMA cell_size_check = ON;
PRAGMA mmap_size = 0;
PRAGMA foreign_keys = OFF;
";

/// For those that write.
///
/// - `synchronous`: FULL waits for the disk at every commit: what is acknowledged survives a loss of power.
/// - `wal_autocheckpoint`: off, or a commit would now and then pay for moving the log into the main file.
/// - `journal_size_limit`: a log that once grew is cut back to 24 MiB when it begins anew. More than it mostly has then: to
///   overwrite a file is faster than to let it grow.
/// - `cache_size`: 8 MiB.
const WRITER: &str = "
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = 25165824;
PRAGMA cache_size = -8192;
";

/// - `cache_size`: 4 MiB for each reader; the system's page cache has the rest.
const READER: &str = "
PRAGMA query_only = ON;
PRAGMA cache_size = -4096;
";

/// Opens the writer's connection and brings the schema up to date. The file, if it is one, is there.
pub(super) fn writer(path: Option<&Path>) -> Result<Connection, OpenError> {
    let mut connection = match path {
        Some(path) => open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?,
        None => Connection::open_in_memory().map_err(|error| refused(path, &error))?,
    };
    migrations::refuse_foreign(&connection, path)?;
    configure(&connection, WRITER).map_err(|error| refused(path, &error))?;
    if let Some(path) = path {
        use_log(&connection, path)?;
    }
    migrations::run(&mut connection, path)?;
    Ok(connection)
}

/// Lets the connection move the log itself, at the commit that makes it longer than 4 MiB: there is no thread beside it.
pub(super) fn moves_log_itself(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA wal_autocheckpoint = 1000")
}

/// Opens a reader's connection.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&connection, READER).map_err(|error| refused(Some(path), &error))?;
    Ok(connection)
}

/// Opens the connection that moves the log into the main file.
pub(super) fn checkpointer(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&connection, WRITER).map_err(|error| refused(Some(path), &error))?;
    Ok(connection)
}

/// Says what an error of the engine means for the file.
pub(super) fn refused(path: Option<&Path>, error: &rusqlite::Error) -> OpenError {
    let path = path.map_or_else(|| "in memory".to_owned(), |path| path.display().to_string());
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign { path, reason },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, reason },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            OpenError::InUse { path, holder: format!("another program ({reason})") }
        }
        _ => OpenError::Open { path, reason },
    }
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, OpenError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| refused(Some(path), &error))?;
    connection.busy_timeout(OTHERS_WAIT_MAX).map_err(|error| refused(Some(path), &error))?;
    Ok(connection)
}

fn configure(connection: &Connection, purpose: &str) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS_MAX);
    // A plan is made once, and not for each limit or position that is asked about.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(EVERY_CONNECTION)?;
    connection.execute_batch(purpose)
}

/// Switches to the write-ahead log, which lets readers go on while the writer writes, and moves what a crash left in it into
/// the main file, which must then be as long as it says.
fn use_log(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let answer = |sql: &str| {
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| refused(Some(path), &error))
    };
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| refused(Some(path), &error))?;
    if mode != "wal" {
        let reason = format!("its folder cannot hold a write-ahead log (mode {mode}): use a local disk");
        return Err(OpenError::Open { path: path.display().to_string(), reason });
    }
    let busy = answer("PRAGMA wal_checkpoint(TRUNCATE)")?;
    let bytes = answer("PRAGMA page_count")? * answer("PRAGMA page_size")?;
    let length = std::fs::metadata(path).map_err(|error| super::file::open_error(path, &error))?.len();
    if busy == 0 && i64::try_from(length).is_ok_and(|length| length < bytes) {
        let reason = format!("it was cut off: it should have {bytes} bytes, and has {length}");
        return Err(OpenError::Damaged { path: path.display().to_string(), reason });
    }
    Ok(())
}

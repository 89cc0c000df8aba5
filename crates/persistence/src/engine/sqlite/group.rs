//! Group commit: several closures in one transaction, each in a savepoint of its own.

use rusqlite::Connection;

use crate::engine::{WriteDone, WriteJob};
use crate::tx::{StoreError, WriteTx};

/// Runs `jobs` in one transaction and tells each of them how the commit went.
pub(super) fn commit(connection: &Connection, jobs: impl Iterator<Item = WriteJob>) {
    let mut waiting: Vec<WriteDone> = Vec::new();
    let outcome = run_all(connection, jobs, &mut waiting);
    if outcome.is_err() {
        // Also undoes a transaction that a full disk left open. There may be none to undo.
        drop(connection.execute_batch("ROLLBACK"));
    }
    for done in waiting {
        done(outcome.clone());
    }
}

fn run_all(
    connection: &Connection,
    jobs: impl Iterator<Item = WriteJob>,
    waiting: &mut Vec<WriteDone>,
) -> Result<(), StoreError> {
    let mut begun = execute(connection, "BEGIN IMMEDIATE");
    for job in jobs {
        if begun.is_ok() {
            begun = run_one(connection, job, waiting);
        } else {
            // The job is dropped, which tells its caller that the database is closed; the cause is in the log.
            drop(job);
        }
    }
    begun?;
    execute(connection, "COMMIT")
}

fn run_one(connection: &Connection, job: WriteJob, waiting: &mut Vec<WriteDone>) -> Result<(), StoreError> {
    execute(connection, "SAVEPOINT job")?;
    let mut tx = WriteTx::new(connection);
    let (keep, done) = job(&mut tx);
    waiting.push(done);
    if !keep {
        execute(connection, "ROLLBACK TO job")?;
    }
    execute(connection, "RELEASE job")
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    let ran = connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    ran.map(|_| ()).map_err(|error| {
        tracing::error!("{sql} failed: {error}");
        StoreError::engine(&error)
    })
}

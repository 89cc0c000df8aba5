//! Group commit: several closures in one transaction, each in a savepoint of its own.

use rusqlite::Connection;

use super::mark::Mark;
use crate::engine::counters::Counting;
use crate::engine::{WriteDone, WriteJob};
use crate::tx::{StoreError, WriteTx};

/// Runs `jobs` in one transaction and tells each of them how the commit went.
///
/// A job that fails is undone alone. If the engine gives up the transaction (the disk is full or broken), every job that ran
/// is told; those that `jobs` has not handed out yet are left there, for a transaction of their own.
pub(super) fn commit(
    connection: &Connection,
    mut jobs: impl Iterator<Item = WriteJob>,
    counting: &Counting,
    mark: Option<&mut Mark>,
) {
    let mut waiting: Vec<WriteDone> = Vec::new();
    let mut kept = 0;
    let outcome = execute(connection, "BEGIN IMMEDIATE")
        .inspect_err(|error| jobs.by_ref().for_each(|job| refuse(job, error)))
        .and_then(|()| jobs.try_for_each(|job| run_one(connection, job, &mut waiting, &mut kept)))
        .and_then(|()| execute(connection, "COMMIT"));
    match outcome {
        Ok(()) => {
            counting.committed(kept);
            if let Some(mark) = mark {
                mark.after_commit(connection);
            }
        }
        Err(_) => counting.commit_failed(),
    }
    if !connection.is_autocommit() {
        // If even that fails, the next BEGIN says so, and the next ROLLBACK may succeed.
        drop(execute(connection, "ROLLBACK"));
    }
    for done in waiting {
        done(outcome.clone());
    }
}

fn run_one(
    connection: &Connection,
    job: WriteJob,
    waiting: &mut Vec<WriteDone>,
    kept: &mut u64,
) -> Result<(), StoreError> {
    if let Err(error) = execute(connection, "SAVEPOINT job") {
        refuse(job, &error);
        return Err(error);
    }
    let (keep, done) = job(Ok(&mut WriteTx::new(connection)));
    waiting.push(done);
    if connection.is_autocommit() {
        // The engine has undone everything, not only the statement that failed. What follows would fail with words that
        // do not say why.
        return Err(StoreError::Engine("the transaction was given up after a failure of the disk".to_owned()));
    }
    if keep {
        *kept += 1;
    } else {
        execute(connection, "ROLLBACK TO job")?;
    }
    execute(connection, "RELEASE job")
}

fn refuse(job: WriteJob, error: &StoreError) {
    let (_, done) = job(Err(error.clone()));
    done(Err(error.clone()));
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    let ran = connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    ran.map(|_| ()).map_err(|error| {
        tracing::error!("{sql} failed: {error}");
        StoreError::engine(&error)
    })
}

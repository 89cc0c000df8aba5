//! The engine from the outside of its threads. What survives the end of a process is in tests/durability.rs.

mod closures;
mod files;
mod log;
mod upgrades;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

use super::threads::{LIMITS, Limits, Threads};
use crate::database::{Database, Soundness};
use crate::tx::{ReadTx, StoreError, WriteTx};

/// An error of a layer above.
#[derive(Debug, PartialEq)]
enum Refused {
    ByUs,
    Store(String),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// A database with an empty table `notes`.
async fn with_notes(database: Database) -> Database {
    let create = |tx: &mut WriteTx<'_>| {
        tx.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, padding BYTEA)", &[])
    };
    database.write(create).await.unwrap();
    database
}

fn note(tx: &mut WriteTx<'_>, text: &str) -> Result<(), StoreError> {
    tx.execute("INSERT INTO notes (text) VALUES (?1)", &[&text]).map(drop)
}

fn notes(tx: &ReadTx<'_>) -> Result<Vec<String>, StoreError> {
    tx.query_all("SELECT text FROM notes ORDER BY text", &[], |row| row.get(0))
}

async fn all_notes(database: &Database) -> Vec<String> {
    database.read(notes).await.unwrap()
}

fn open_with(path: &Path, limits: &Limits) -> Database {
    Database::with(Arc::new(Threads::open_with(path, limits).unwrap()))
}

/// A database that takes whatever is submitted into one group, however long the closures take.
fn open_patient(path: &Path) -> Database {
    open_with(path, &Limits { group_time_max: Duration::MAX, ..LIMITS })
}

/// Keeps the writer in a closure until told, so that what is submitted meanwhile makes one group.
struct HeldWriter {
    release: Sender<()>,
    held: JoinHandle<Result<(), StoreError>>,
}

impl HeldWriter {
    #[expect(clippy::disallowed_methods, reason = "no server runs here")]
    async fn hold(database: &Database) -> Self {
        let (release, released) = channel();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let database = database.clone();
        let held = tokio::spawn(async move {
            let hold = move |_: &mut WriteTx<'_>| {
                begun.send(()).expect("the test waits");
                released.recv().expect("the test releases");
                Ok(())
            };
            database.write(hold).await
        });
        begins.await.unwrap();
        Self { release, held }
    }

    /// Lets the group commit, once each of `submitted` has had its turn to submit. Returns how the closure that held the
    /// writer fared, and the others.
    async fn release<T: 'static>(self, submitted: JoinSet<T>) -> (Result<(), StoreError>, Vec<T>) {
        // On this one thread a task that has been spawned runs until it waits for its answer before we run again.
        tokio::task::yield_now().await;
        self.release.send(()).unwrap();
        (self.held.await.unwrap(), submitted.join_all().await)
    }
}

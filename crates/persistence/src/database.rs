//! The handle that everybody holds.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::engine::{Engine, Inline, ReadJob, Threads, WriteDone, WriteJob};
use crate::tx::{ReadTx, StoreError, WriteTx};

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<dyn Engine>);

/// The database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened, or is no database.
    #[error("cannot open the database {path}: {reason}")]
    Open {
        /// Which file.
        path: String,
        /// The engine's words.
        reason: String,
    },
    /// It was written by a newer Althing.
    #[error(
        "the database has schema version {found}, this Althing knows up to {known}: run the newer version that wrote it"
    )]
    Newer {
        /// What the file says.
        found: i64,
        /// What this program knows.
        known: i64,
    },
}

impl Database {
    /// Opens the file at `path`, makes it if it is not there, and brings its schema up to date. Starts its threads.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Threads::open(path)?)))
    }

    /// Opens a database for a simulation: every closure runs at once on the caller's thread. `None` for `path` keeps it in
    /// memory.
    pub fn open_inline(path: Option<&Path>) -> Result<Self, OpenError> {
        Ok(Self(Arc::new(Inline::open(path)?)))
    }

    /// Runs `work` in a transaction of the writer, and returns what it returned once that is on disk.
    ///
    /// If `work` fails, nothing of it is kept; other closures in the same group commit are not touched.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: WriteJob = Box::new(move |tx| {
            let result = work(tx);
            let wakes = tx.take_after_commit();
            let keep = result.is_ok();
            let done: WriteDone = Box::new(move |committed| {
                let result = match committed {
                    Ok(()) => {
                        if keep {
                            wakes.into_iter().for_each(|wake| wake());
                        }
                        result
                    }
                    Err(error) => result.and(Err(E::from(error))),
                };
                // Nobody waits any longer: the request was cancelled, the decision stands.
                drop(reply.send(result));
            });
            (keep, done)
        });
        self.0.write(job);
        answer.await.unwrap_or_else(|_| Err(E::from(StoreError::Closed)))
    }

    /// Runs `work` on a consistent snapshot of the database.
    pub async fn read<T, E>(&self, work: impl FnOnce(&ReadTx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: ReadJob = Box::new(move |tx| {
            let result = match tx {
                Ok(tx) => work(tx),
                Err(error) => Err(E::from(error)),
            };
            drop(reply.send(result));
        });
        self.0.read(job);
        answer.await.unwrap_or_else(|_| Err(E::from(StoreError::Closed)))
    }

    /// Finishes what was submitted and closes the files. Later calls get [`StoreError::Closed`].
    pub async fn close(&self) {
        let engine = Arc::clone(&self.0);
        // Joining threads would block the runtime.
        let closed = tokio::task::spawn_blocking(move || engine.close()).await;
        debug_assert!(closed.is_ok(), "closing does not panic");
    }
}

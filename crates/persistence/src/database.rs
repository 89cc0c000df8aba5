//! The handle that everybody holds.

use std::any::type_name_of_val;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use handles::Handles;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::engine::{
    Counters, Engine, Inline, ReadJob, Simulated, SimulatedDisk, Threads, WriteDone, WriteJob, check, check_table,
    copy, panic_message, tables,
};
use crate::simulated::Fate;
use crate::tx::{ReadTx, StoreError, WriteTx};

/// Closures of one kind, reading or writing, that have been handed to the threads and are not answered. Further callers wait
/// for their turn, first come, first served.
const CLOSURES_WAITING_MAX: usize = 4_096;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    engine: Arc<dyn Engine>,
    writes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
}

/// The database could not be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened.
    #[error("cannot open the database {path}: {reason}")]
    Open {
        /// Which file.
        path: String,
        /// The system's or the engine's words.
        reason: String,
    },
    /// Another process has it open.
    #[error("the database {path} is in use by {holder}: stop that one first, or give this one a data_dir of its own")]
    InUse {
        /// Which file.
        path: String,
        /// Who has it.
        holder: String,
    },
    /// It is something else, or the database of another program.
    #[error("{path} is no database of Althing ({reason}): move it away, or name another data_dir")]
    Foreign {
        /// Which file.
        path: String,
        /// What it is instead.
        reason: String,
    },
    /// A part of it is missing or cannot be read.
    #[error("the database {path} is damaged ({reason}): restore it from a backup, with the files beside it")]
    Damaged {
        /// Which file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// It lacks what was acknowledged.
    #[error(
        "the database {path} lacks what it had when it was last used: its log {path}-wal was cut off, or an older copy was put in its \
         place. Find the log, or restore a backup. To go on with what is there, and lose the rest, delete {mark}: it then counts as \
         a copy"
    )]
    Behind {
        /// Which file.
        path: String,
        /// The file that says how far it had come.
        mark: String,
    },
    /// It was written by a newer Althing.
    #[error(
        "the database {path} has schema version {found}, this Althing knows up to {known}: run the newer version that wrote it"
    )]
    Newer {
        /// Which file.
        path: String,
        /// What the file says.
        found: i64,
        /// What this program knows.
        known: i64,
    },
}

/// What [`Database::check_while_open`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Soundness {
    /// What is wrong, in the engine's words; nothing if all is well.
    pub findings: Vec<String>,
    /// Tables too large to be looked through while the database is in use: `althing check` does that.
    pub unchecked: Vec<String>,
}

impl Database {
    /// Opens the file at `path`, makes it if it is not there, and brings its schema up to date. Starts its threads.
    ///
    /// The folder must exist. A file `path`.lock keeps other processes out; the system lets go of it when the process ends.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self::with(Arc::new(Threads::open(path)?)))
    }

    /// Opens a database for a simulation: every closure runs at once on the caller's thread. `None` for `path` keeps it in
    /// memory.
    pub fn open_inline(path: Option<&Path>) -> Result<Self, OpenError> {
        Ok(Self::with(Arc::new(Inline::open(path)?)))
    }

    /// Opens a database for a simulation, on a disk that outlives it. It takes the time, and fails in the ways, that `fate` says; its
    /// tasks are among those of `handles`.
    pub fn on_simulated_disk(disk: &SimulatedDisk, handles: &Handles, fate: Arc<dyn Fate>) -> Self {
        Self::with(Arc::new(Simulated::open(disk, handles, fate)))
    }

    /// Looks through the whole file at `path` without changing it, and returns what is wrong in the engine's words, at most
    /// 100 findings. A running Althing is not disturbed, apart from the time that the disk takes. Reads every page once.
    pub fn check(path: &Path) -> Result<Vec<String>, OpenError> {
        check(path)
    }

    /// Writes a copy of the database at `from`, as it is at this moment, to the new file `to`. A running Althing is not disturbed,
    /// apart from the time that the disk takes.
    pub fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
        copy(from, to)
    }

    /// Looks through the tables one after the other for damage, while everything else goes on. Each is read on a snapshot of its
    /// own; one that takes longer than a snapshot may last is left out, and named.
    pub async fn check_while_open(&self) -> Result<Soundness, StoreError> {
        let mut soundness = Soundness::default();
        for table in self.read(tables).await? {
            let name = table.clone();
            match self.read(move |tx| check_table(tx, &name)).await {
                Ok(findings) => soundness.findings.extend(findings),
                Err(StoreError::TooLong(_)) => soundness.unchecked.push(table),
                Err(error @ StoreError::Closed) => return Err(error),
                Err(error) => soundness.findings.push(format!("{table}: {error}")),
            }
        }
        Ok(soundness)
    }

    pub(crate) fn with(engine: Arc<dyn Engine>) -> Self {
        let turns = || Arc::new(Semaphore::new(CLOSURES_WAITING_MAX));
        Self { engine, writes: turns(), reads: turns() }
    }

    /// Runs `work` in a transaction of the writer, and returns what it returned once that is on disk.
    ///
    /// If `work` fails or panics, nothing of it is kept; other closures in the same group commit are not touched. Once
    /// submitted it runs even if nobody waits for it any longer.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let turn = turn(&self.writes).await;
        let (reply, answer) = oneshot::channel();
        let job: WriteJob = Box::new(move |tx| {
            let mut wakes = Vec::new();
            let result = tx.map_err(E::from).and_then(|tx| {
                let result = guarded(|| work(tx));
                wakes = tx.take_after_commit();
                result
            });
            let keep = result.is_ok();
            let done: WriteDone = Box::new(move |committed| {
                if keep && committed.is_ok() {
                    wakes.into_iter().for_each(wake);
                }
                let result = match committed {
                    Ok(()) => result,
                    Err(error) => result.and(Err(E::from(error))),
                };
                // Nobody waits any longer: the request was cancelled, the decision stands.
                drop(reply.send(result));
                drop(turn);
            });
            (keep, done)
        });
        self.engine.write(job);
        answer.await.unwrap_or_else(|_| Err(E::from(StoreError::Closed)))
    }

    /// Runs `work` on a consistent snapshot of the database. Queries fail once the snapshot is too old
    /// ([`StoreError::TooLong`]).
    pub async fn read<T, E>(&self, work: impl FnOnce(&ReadTx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let turn = turn(&self.reads).await;
        let (reply, answer) = oneshot::channel();
        let job: ReadJob = Box::new(move |tx| {
            if reply.is_closed() {
                return;
            }
            let result = tx.map_err(E::from).and_then(|tx| guarded(|| work(tx)));
            drop(reply.send(result));
            drop(turn);
        });
        self.engine.read(job);
        answer.await.unwrap_or_else(|_| Err(E::from(StoreError::Closed)))
    }

    /// What the database has done since it was opened.
    pub fn counters(&self) -> Counters {
        self.engine.counters()
    }

    /// Finishes what was submitted and closes the files. Later calls get [`StoreError::Closed`].
    pub async fn close(&self) {
        let engine = Arc::clone(&self.engine);
        // Joining threads would block the runtime.
        let closed = tokio::task::spawn_blocking(move || engine.close()).await;
        debug_assert!(closed.is_ok(), "closing does not panic");
    }
}

/// Waits for room in the queue. It is given back when the closure has been answered, not when its caller goes away.
async fn turn(turns: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // The semaphore is never closed.
    Arc::clone(turns).acquire_owned().await.ok()
}

/// Runs `work`; a panic in it is an error of this one caller.
fn guarded<T, E: From<StoreError>, W: FnOnce() -> Result<T, E>>(work: W) -> Result<T, E> {
    let name = type_name_of_val(&work);
    // What the closure had in its hands is dropped with it, what it wrote is undone.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic_message(&*panic);
        tracing::error!("A closure of the database panicked in {name}: {message}");
        Err(E::from(StoreError::Panicked(message)))
    })
}

fn wake(wake: Box<dyn FnOnce() + Send>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(wake)) {
        tracing::error!("What was to be woken after a commit panicked: {}", panic_message(&*panic));
    }
}

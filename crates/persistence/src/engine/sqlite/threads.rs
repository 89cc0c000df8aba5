//! The real engine: a writer thread, a few reader threads, and the one that moves the log.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::checkpoint::{Keeper, LOG_LIMITS, LogLimits};
use super::file::{self, Lock, Syncing};
use super::mark::Mark;
use super::{connection, group};
use crate::database::OpenError;
use crate::engine::age::{Age, AgeLimits, SnapshotAge};
use crate::engine::counters::Counting;
use crate::engine::{Counters, Engine, ReadJob, WriteJob};
use crate::tx::{ReadTx, StoreError};

/// Threads that read.
const READERS: usize = 3;
/// Closures in one commit.
const GROUP_CLOSURES_MAX: usize = 512;
/// How long closures are taken into a group. The first of them waits for the last, and all of them for the disk.
const GROUP_TIME_MAX: Duration = Duration::from_millis(10);
/// A group that takes longer, with its commit, holds up every other: worth a look.
const GROUP_TIME_WARNING: Duration = Duration::from_millis(500);
/// A snapshot that is held longer keeps the log from beginning anew: worth a look.
const READ_AGE_WARNING: Duration = Duration::from_secs(2);
/// How old a reader's snapshot may become. Further queries on it fail, and a statement that is running is interrupted.
const READ_AGE_MAX: Duration = Duration::from_secs(10);
/// The same while the write-ahead log is long (`LogLimits::pressed_pages`).
const PRESSED_READ_AGE_MAX: Duration = Duration::from_secs(1);
/// Instructions of the engine's machine between two looks at the age of a snapshot: some microseconds.
const INSTRUCTIONS_BETWEEN_AGES: i32 = 1_000;
const _: () = assert!(READ_AGE_WARNING.as_millis() < READ_AGE_MAX.as_millis());
const _: () = assert!(PRESSED_READ_AGE_MAX.as_millis() < READ_AGE_MAX.as_millis());
const _: () = assert!(PRESSED_READ_AGE_MAX.as_millis() < LOG_LIMITS.last_restart_wait_max.as_millis());
const _: () = assert!(GROUP_TIME_MAX.as_millis() < GROUP_TIME_WARNING.as_millis());

pub(crate) struct Threads {
    writes: Mutex<Option<mpsc::Sender<WriteJob>>>,
    reads: Mutex<Option<crossbeam_channel::Sender<ReadJob>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    counting: Arc<Counting>,
}

/// What may differ in tests.
pub(super) struct Limits {
    pub(super) log: LogLimits,
    pub(super) read_age_max: Duration,
    pub(super) pressed_read_age_max: Duration,
    pub(super) group_time_max: Duration,
}

pub(super) const LIMITS: Limits = Limits {
    log: LOG_LIMITS,
    read_age_max: READ_AGE_MAX,
    pressed_read_age_max: PRESSED_READ_AGE_MAX,
    group_time_max: GROUP_TIME_MAX,
};

impl Threads {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::open_with(path, &LIMITS)
    }

    pub(super) fn open_with(path: &Path, limits: &Limits) -> Result<Self, OpenError> {
        let lock = file::claim(path)?;
        let existed = file::has_content(path);
        let connection = connection::writer(Some(path))?;
        let mark = Mark::open(path, &connection, existed)?;
        let readers = (0..READERS).map(|_| connection::reader(path)).collect::<Result<Vec<_>, _>>()?;
        let syncing = Syncing::open(path)?;
        let ages = AgeLimits {
            age_max: limits.read_age_max,
            pressed_age_max: limits.pressed_read_age_max,
            pressed: Arc::default(),
        };
        let keeper = Keeper::start(path, limits.log, syncing.clone(), Arc::clone(&ages.pressed))?;
        let counting = Arc::new(Counting::default());
        let (writes, write_jobs) = mpsc::channel();
        let (reads, read_jobs) = crossbeam_channel::unbounded();
        let mut threads = Vec::with_capacity(READERS + 1);
        for connection in readers {
            let jobs = read_jobs.clone();
            let reader = Reader { connection, ages: ages.clone(), syncing: syncing.clone() };
            threads.push(spawn("database-reader", move || reader.run(&jobs)));
        }
        let group_time_max = limits.group_time_max;
        let writer =
            Writer { connection, keeper, mark, counting: Arc::clone(&counting), group_time_max, syncing, lock };
        threads.push(spawn("database-writer", move || writer.run(&write_jobs)));
        let (writes, reads) = (Mutex::new(Some(writes)), Mutex::new(Some(reads)));
        Ok(Self { writes, reads, threads: Mutex::new(threads), counting })
    }
}

impl Engine for Threads {
    fn write(&self, job: WriteJob) {
        if let Some(jobs) = self.writes.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // Fails only if the thread has ended; the job is dropped, its caller reads "closed".
            drop(jobs.send(job));
        }
    }

    fn read(&self, job: ReadJob) {
        if let Some(jobs) = self.reads.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            drop(jobs.send(job));
        }
    }

    fn counters(&self) -> Counters {
        self.counting.now()
    }

    fn close(&self) {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Held while joining, so that whoever closes at the same time returns when it is done, too.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A closure may hold the last handle: a thread cannot wait for itself, and ends after this closure anyway.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("A database thread had panicked");
            }
        }
    }
}

impl Drop for Threads {
    /// Whoever opens the file next finds it closed.
    fn drop(&mut self) {
        self.close();
    }
}

pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).expect("the system can start a thread at start-up")
}

struct Writer {
    connection: Connection,
    keeper: Keeper,
    mark: Mark,
    counting: Arc<Counting>,
    group_time_max: Duration,
    syncing: Syncing,
    lock: Lock,
}

impl Writer {
    fn run(mut self, jobs: &mpsc::Receiver<WriteJob>) {
        while let Ok(first) = jobs.recv() {
            let age = Age::begin();
            // Asks for the time before it takes a job, so that none is taken and not run.
            let rest = std::iter::from_fn(|| if age.passed(self.group_time_max) { None } else { jobs.try_recv().ok() });
            let group = std::iter::once(first).chain(rest).take(GROUP_CLOSURES_MAX);
            group::commit(&self.connection, group, &self.counting, Some(&mut self.mark));
            if age.passed(GROUP_TIME_WARNING) {
                tracing::warn!(
                    duration_ms = age.milliseconds(),
                    "A commit took long: a slow disk, or a closure that does more than write"
                );
            }
            self.keeper.after_commit(&self.connection, &self.counting);
        }
        self.keeper.stop(&self.connection);
        drop(self.connection);
        drop(self.syncing);
        // Only now may another process open the file.
        drop(self.lock);
    }
}

struct Reader {
    // Dropped in this order: see `Syncing`.
    connection: Connection,
    ages: AgeLimits,
    #[expect(dead_code, reason = "held until the connection is closed")]
    syncing: Syncing,
}

impl Reader {
    fn run(self, jobs: &crossbeam_channel::Receiver<ReadJob>) {
        for job in jobs {
            let snapshot = SnapshotAge::begin(&self.ages);
            let age = snapshot.age;
            match self.begin(&snapshot) {
                Ok(()) => job(Ok(&ReadTx::with_age(&self.connection, snapshot))),
                Err(error) => job(Err(StoreError::engine(&error))),
            }
            self.end();
            if age.passed(READ_AGE_WARNING) {
                tracing::warn!(duration_ms = age.milliseconds(), "A closure held its snapshot of the database long");
            }
        }
    }

    /// Begins a read transaction, so that all queries of the closure see the same snapshot, and has the engine interrupt any
    /// of them that runs when the snapshot is too old.
    fn begin(&self, snapshot: &SnapshotAge) -> rusqlite::Result<()> {
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        let snapshot = snapshot.clone();
        self.connection.progress_handler(INSTRUCTIONS_BETWEEN_AGES, Some(move || snapshot.is_over()))
    }

    fn end(&self) {
        let unwatched = self.connection.progress_handler(0, None::<fn() -> bool>);
        let commit = || self.connection.prepare_cached("COMMIT")?.execute([]);
        let ended = if self.connection.is_autocommit() { Ok(0) } else { commit() };
        if let Err(error) = unwatched.and(ended) {
            tracing::error!("A reader could not end its snapshot: {error}");
        }
    }
}

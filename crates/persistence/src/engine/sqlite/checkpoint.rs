//! Moving the write-ahead log into the main file, beside the commits.
//!
//! A thread of its own does the moving ("PASSIVE": it waits for nobody, and nobody for it). The log begins anew only when a
//! commit finds all of it moved and no reader in need of it, which never happens while commits follow each other closely. So
//! the writer makes it happen ([`Keeper`]): once the log is long, at a moment when the thread has left little to do.
//!
//! SQLite asks the disk to keep the main file only when all of the log is moved, which then is the writer's doing. So the
//! thread has the disk keep what it moved, each time: else the writer, and every commit behind it, would wait for the whole.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::connection::{self, OTHERS_WAIT_MAX};
use super::file::Syncing;
use super::threads::spawn;
use crate::database::OpenError;
use crate::engine::age::Age;
use crate::engine::counters::Counting;

/// How long the log may become, in pages.
#[derive(Clone, Copy)]
pub(super) struct LogLimits {
    /// That many pages wait to be moved: wake the thread. Few, because a commit is slow while the disk takes many.
    pub(super) wake_pages: u64,
    /// From here on the writer restarts the log, as soon as little of it waits.
    pub(super) restart_pages: u64,
    /// Little: moving that many pages is not felt by those who wait for the next commit.
    pub(super) little_pages: u64,
    /// From here on readers have to leave their snapshots sooner.
    pub(super) pressed_pages: u64,
    /// From here on the writer restarts the log, whatever it takes: this is what slows down commits that are faster than the
    /// disk can move pages.
    pub(super) restart_pages_max: u64,
    /// How long it then waits for readers whose snapshots need the log. They have to leave sooner than this.
    pub(super) last_restart_wait_max: Duration,
}

/// Pages have 4 KiB: 1 MiB, 16 MiB, 1 MiB, 64 MiB, 256 MiB.
///
/// The log grows beyond the last one only while a closure holds a snapshot and neither reads nor returns.
pub(super) const LOG_LIMITS: LogLimits = LogLimits {
    wake_pages: 250,
    restart_pages: 4_000,
    little_pages: 250,
    pressed_pages: 16_000,
    restart_pages_max: 64_000,
    last_restart_wait_max: Duration::from_secs(2),
};

/// How long other restarts wait for such readers. Commits wait meanwhile. Most readers take less.
const RESTART_WAIT_MAX: Duration = Duration::from_millis(5);

/// Keeps the log short. Belongs to the writer's thread.
pub(super) struct Keeper {
    limits: LogLimits,
    page_bytes: u64,
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
    /// Held while pages are moved: the engine would answer "busy" to the second.
    moving: Arc<Mutex<()>>,
    /// Tells readers that the log is long.
    pressed: Arc<AtomicBool>,
    /// After a restart that readers prevented: how long the log must become before the next attempt.
    retry_pages: u64,
}

/// The log, in pages.
struct Log {
    pages: u64,
    moved: u64,
    /// Somebody was in the way.
    busy: bool,
}

impl Keeper {
    pub(super) fn start(
        path: &Path,
        limits: LogLimits,
        syncing: Syncing,
        pressed: Arc<AtomicBool>,
    ) -> Result<Self, OpenError> {
        let connection = connection::checkpointer(path)?;
        let page_bytes = connection
            .query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))
            .map_err(|error| connection::refused(Some(path), &error))?;
        let (wake, woken) = sync_channel(1);
        let moving = Arc::new(Mutex::new(()));
        let mover = Mover { connection, syncing, moving: Arc::clone(&moving) };
        let thread = spawn("database-checkpoint", move || mover.run(&woken));
        Ok(Self { limits, page_bytes: page_bytes.cast_unsigned(), wake, thread, moving, pressed, retry_pages: 0 })
    }

    /// To be called between commits.
    pub(super) fn after_commit(&mut self, connection: &Connection, counting: &Counting) {
        let Ok(log) = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") else { return };
        counting.log_measured(log.pages * self.page_bytes);
        self.pressed.store(log.pages >= self.limits.pressed_pages, Ordering::Relaxed);
        let waiting = log.pages.saturating_sub(log.moved);
        let long = log.pages >= self.limits.restart_pages && log.pages >= self.retry_pages;
        if long && waiting <= self.limits.little_pages {
            // While the thread is at it, the next commit will do.
            let moving = Arc::clone(&self.moving);
            if let Ok(_turn) = moving.try_lock() {
                self.restart(connection, counting, RESTART_WAIT_MAX);
            }
        } else if long && log.pages >= self.limits.restart_pages_max {
            let moving = Arc::clone(&self.moving);
            let _turn = lock(&moving);
            self.restart(connection, counting, self.limits.last_restart_wait_max);
        } else if waiting >= self.limits.wake_pages || (long && waiting > self.limits.little_pages) {
            // Refused if it has been woken already.
            let _ = self.wake.try_send(());
        }
    }

    fn restart(&mut self, connection: &Connection, counting: &Counting, wait_max: Duration) {
        let age = Age::begin();
        drop(connection.busy_timeout(wait_max));
        let log = checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)");
        drop(connection.busy_timeout(OTHERS_WAIT_MAX));
        self.retry_pages = match log {
            Ok(Log { busy: true, pages, .. }) => {
                let kilobytes = pages * self.page_bytes / 1024;
                tracing::debug!("A reader keeps the write-ahead log of {kilobytes} KiB from beginning anew");
                // An attempt costs the commits that wait, so that those cost a small share of what is written in between.
                pages + pages / 4
            }
            Ok(Log { busy: false, .. }) | Err(_) => 0,
        };
        counting.log_restarted(age.elapsed(), self.retry_pages == 0);
    }

    /// Ends the thread and moves all of the log, so that the main file is complete by itself.
    pub(super) fn stop(self, connection: &Connection) {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("The thread that moves the write-ahead log had panicked");
        }
        // If it fails, the log stays, and the next start reads it.
        drop(checkpoint(connection, "PRAGMA wal_checkpoint(TRUNCATE)"));
    }
}

/// Moves pages whenever it is woken.
struct Mover {
    // Dropped in this order: see `Syncing`.
    connection: Connection,
    syncing: Syncing,
    moving: Arc<Mutex<()>>,
}

impl Mover {
    fn run(self, woken: &Receiver<()>) {
        while woken.recv().is_ok() {
            let _turn = lock(&self.moving);
            // What fails is tried again at the next commit, and said in the log.
            if checkpoint(&self.connection, "PRAGMA wal_checkpoint(PASSIVE)").is_ok()
                && let Err(error) = self.syncing.sync()
            {
                tracing::warn!("The disk does not keep what was moved from the write-ahead log: {error}");
            }
        }
    }
}

fn checkpoint(connection: &Connection, sql: &str) -> rusqlite::Result<Log> {
    let read = |row: &rusqlite::Row<'_>| {
        // -1: there is no log, as in a database that has not been written to.
        let pages = |column| row.get::<_, i64>(column).map(|pages| pages.max(0).cast_unsigned());
        Ok(Log { busy: row.get::<_, i64>(0)? != 0, pages: pages(1)?, moved: pages(2)? })
    };
    let log = connection.prepare_cached(sql).and_then(|mut statement| statement.query_row([], read));
    log.inspect_err(|error| tracing::warn!("{sql} failed: {error}"))
}

fn lock(moving: &Mutex<()>) -> MutexGuard<'_, ()> {
    moving.lock().unwrap_or_else(PoisonError::into_inner)
}

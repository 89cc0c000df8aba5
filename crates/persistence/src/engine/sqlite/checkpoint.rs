//! Moving the write-ahead log into the main file, beside the commits.
//!
//! A thread of its own does the moving ("PASSIVE": it waits for nobody, and nobody for it). The log begins anew only when a
//! commit finds all of it moved and no reader in need of it, which never happens while commits follow each other closely. So
//! the writer makes it happen ([`Keeper`]): once the log is long, at a moment when the thread has left little to do.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::connection::{self, OTHERS_WAIT_MAX};
use super::threads::spawn;
use crate::database::OpenError;
use crate::engine::counters::Counting;

/// How long the log may become, in pages.
#[derive(Clone, Copy)]
pub(super) struct LogLimits {
    /// That many pages wait to be moved: wake the thread.
    pub(super) wake_pages: u64,
    /// From here on the writer restarts the log, as soon as little of it waits.
    pub(super) restart_pages: u64,
    /// Little: moving that many pages is not felt by those who wait for the next commit.
    pub(super) little_pages: u64,
    /// From here on the writer restarts the log, whatever it takes: this is what slows down commits that are faster than the
    /// disk can move pages.
    pub(super) restart_pages_max: u64,
}

/// Pages have 4 KiB: 4 MiB, 16 MiB, 1 MiB, 64 MiB.
///
/// Beyond the last one the log grows only while a reader holds an old snapshot, which `READ_AGE_MAX` ends.
pub(super) const LOG_LIMITS: LogLimits =
    LogLimits { wake_pages: 1_000, restart_pages: 4_000, little_pages: 250, restart_pages_max: 16_000 };

/// How long a restart may wait for readers whose snapshots need the log. Commits wait meanwhile.
const RESTART_WAIT_MAX: Duration = Duration::from_millis(50);

/// Keeps the log short. Belongs to the writer's thread.
pub(super) struct Keeper {
    limits: LogLimits,
    page_bytes: u64,
    wake: SyncSender<()>,
    thread: JoinHandle<()>,
    /// Held while pages are moved: the engine would answer "busy" to the second.
    moving: Arc<Mutex<()>>,
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
    pub(super) fn start(path: &Path, limits: LogLimits) -> Result<Self, OpenError> {
        let connection = connection::checkpointer(path)?;
        let page_bytes = connection
            .query_row("PRAGMA page_size", [], |row| row.get::<_, i64>(0))
            .map_err(|error| connection::refused(Some(path), &error))?;
        let (wake, woken) = sync_channel(1);
        let moving = Arc::new(Mutex::new(()));
        let turn = Arc::clone(&moving);
        let thread = spawn("database-checkpoint", move || move_when_woken(&connection, &woken, &turn));
        Ok(Self { limits, page_bytes: page_bytes.cast_unsigned(), wake, thread, moving, retry_pages: 0 })
    }

    /// To be called between commits.
    pub(super) fn after_commit(&mut self, connection: &Connection, counting: &Counting) {
        let Ok(log) = checkpoint(connection, "PRAGMA wal_checkpoint(NOOP)") else { return };
        counting.log_measured(log.pages * self.page_bytes);
        let waiting = log.pages.saturating_sub(log.moved);
        let long = log.pages >= self.limits.restart_pages && log.pages >= self.retry_pages;
        if long && waiting <= self.limits.little_pages {
            // While the thread is at it, the next commit will do.
            let moving = Arc::clone(&self.moving);
            if let Ok(_turn) = moving.try_lock() {
                self.restart(connection, counting);
            }
        } else if long && log.pages >= self.limits.restart_pages_max {
            let moving = Arc::clone(&self.moving);
            let _turn = lock(&moving);
            self.restart(connection, counting);
        } else if waiting >= self.limits.wake_pages || (long && waiting > self.limits.little_pages) {
            // Refused if it has been woken already.
            let _ = self.wake.try_send(());
        }
    }

    fn restart(&mut self, connection: &Connection, counting: &Counting) {
        drop(connection.busy_timeout(RESTART_WAIT_MAX));
        let log = checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)");
        drop(connection.busy_timeout(OTHERS_WAIT_MAX));
        self.retry_pages = match log {
            Ok(Log { busy: true, pages, .. }) => {
                let kilobytes = pages * self.page_bytes / 1024;
                tracing::debug!("A reader keeps the write-ahead log of {kilobytes} KiB from beginning anew");
                pages + self.limits.wake_pages
            }
            Ok(Log { busy: false, .. }) | Err(_) => 0,
        };
        counting.log_restarted();
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

fn move_when_woken(connection: &Connection, woken: &Receiver<()>, moving: &Mutex<()>) {
    while woken.recv().is_ok() {
        let _turn = lock(moving);
        // What fails is tried again at the next commit, and said in the log.
        drop(checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)"));
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

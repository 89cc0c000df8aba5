//! What the engine has done since it was opened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the database has done since it was opened, for metrics and tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Commits that reached the disk.
    pub commits: u64,
    /// Closures whose writes those commits hold.
    pub closures_committed: u64,
    /// Groups of closures that failed as a whole: the disk was full or broken.
    pub commits_failed: u64,
    /// Bytes in the write-ahead log that readers may still need or that are not yet in the main file.
    pub log_bytes: u64,
    /// Times the writer moved the last of the log itself, to have it begin anew.
    pub log_restarts: u64,
    /// Those of them that did not succeed, because a reader needed the log.
    pub log_restarts_failed: u64,
    /// The longest time that this took, in microseconds. Commits waited meanwhile.
    pub log_restart_us_max: u64,
}

/// The same, while it is being counted.
#[derive(Default)]
pub(crate) struct Counting {
    commits: AtomicU64,
    closures_committed: AtomicU64,
    commits_failed: AtomicU64,
    log_bytes: AtomicU64,
    log_restarts: AtomicU64,
    log_restarts_failed: AtomicU64,
    log_restart_us_max: AtomicU64,
}

impl Counting {
    pub(crate) fn committed(&self, closures: u64) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.closures_committed.fetch_add(closures, Ordering::Relaxed);
    }

    pub(crate) fn commit_failed(&self) {
        self.commits_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn log_measured(&self, bytes: u64) {
        self.log_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn log_restarted(&self, took: Duration, succeeded: bool) {
        self.log_restarts.fetch_add(1, Ordering::Relaxed);
        self.log_restarts_failed.fetch_add(u64::from(!succeeded), Ordering::Relaxed);
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.log_restart_us_max.fetch_max(microseconds, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Counters {
        Counters {
            commits: self.commits.load(Ordering::Relaxed),
            closures_committed: self.closures_committed.load(Ordering::Relaxed),
            commits_failed: self.commits_failed.load(Ordering::Relaxed),
            log_bytes: self.log_bytes.load(Ordering::Relaxed),
            log_restarts: self.log_restarts.load(Ordering::Relaxed),
            log_restarts_failed: self.log_restarts_failed.load(Ordering::Relaxed),
            log_restart_us_max: self.log_restart_us_max.load(Ordering::Relaxed),
        }
    }
}

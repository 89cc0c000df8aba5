//! How long something has been going on, on the engine's own threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// When something began. Only the threads of the real engine have it: simulations run inline, without a clock.
#[derive(Clone, Copy)]
pub(crate) struct Age(Instant);

impl Age {
    #[expect(clippy::disallowed_methods, reason = "the engine's threads do not exist in a simulation")]
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn passed(self, limit: Duration) -> bool {
        self.0.elapsed() > limit
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    pub(crate) fn milliseconds(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// How old a reader's snapshot may become.
#[derive(Clone)]
pub(crate) struct AgeLimits {
    /// As long as the write-ahead log is short.
    pub(crate) age_max: Duration,
    /// While the log is long: it cannot begin anew before the snapshots on it are gone.
    pub(crate) pressed_age_max: Duration,
    /// Whether the log is long.
    pub(crate) pressed: Arc<AtomicBool>,
}

/// A reader's snapshot, as far as its age goes.
#[derive(Clone)]
pub(crate) struct SnapshotAge {
    pub(crate) age: Age,
    limits: AgeLimits,
}

impl SnapshotAge {
    pub(crate) fn begin(limits: &AgeLimits) -> Self {
        Self { age: Age::begin(), limits: limits.clone() }
    }

    /// Whether it has to go.
    pub(crate) fn is_over(&self) -> bool {
        let AgeLimits { age_max, pressed_age_max, pressed } = &self.limits;
        self.age.passed(if pressed.load(Ordering::Relaxed) { *pressed_age_max } else { *age_max })
    }
}

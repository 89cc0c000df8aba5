//! How long something has been going on, on the engine's own threads.

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

    pub(crate) fn milliseconds(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

/// Milliseconds since 1970, UTC, as the protocol counts time.
pub type Timestamp = i64;

/// Time, as a server sees it.
pub trait Clock: Send + Sync {
    /// The time of day. May jump.
    fn now(&self) -> Timestamp;
    /// Time since some fixed instant. Never goes back.
    fn monotonic(&self) -> Duration;
    /// Waits.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The machine's clock.
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where the real clock enters")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::try_from(since_epoch.as_millis()).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is where the real clock enters")]
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Virtual time: the runtime's paused clock, which jumps to the next timer when nothing else can run.
pub struct SimulatedClock {
    start: tokio::time::Instant,
}

/// When simulations begin: 2026-01-01.
const SIMULATION_EPOCH: Timestamp = 1_767_225_600_000;

impl Default for SimulatedClock {
    fn default() -> Self {
        Self { start: tokio::time::Instant::now() }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        SIMULATION_EPOCH + Timestamp::try_from(self.monotonic().as_millis()).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the runtime's clock is paused here")]
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

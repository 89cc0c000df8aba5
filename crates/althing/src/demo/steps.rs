use std::sync::Arc;
use std::time::Duration;

use handles::Clock;

/// Prints each step with the time that it took.
pub(super) struct Steps {
    clock: Arc<dyn Clock>,
    began: Duration,
    last: Duration,
}

impl Steps {
    /// The first step begins now.
    pub(super) fn start(clock: Arc<dyn Clock>) -> Self {
        let now = clock.monotonic();
        Self { clock, began: now, last: now }
    }

    /// A step is done, the next one begins.
    pub(super) fn done(&mut self, what: &str) {
        let now = self.clock.monotonic();
        print(now - self.last, what);
        self.last = now;
    }

    /// All is done.
    pub(super) fn total(&self) {
        print(self.last - self.began, "in all");
    }
}

fn print(duration: Duration, what: &str) {
    println!("{:>9.1} ms  {what}", duration.as_secs_f64() * 1000.0);
}

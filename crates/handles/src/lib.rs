//! The handles of the outside world. Each exists twice, real and simulated, so that a whole server runs under virtual time
//! from one seed.
//!
//! `Database` lives in `persistence` and `Exchange` in `transport`; what they need of the world is here.
//!
//! **Invariant:** nothing above this crate reads a clock, draws a random number, or spawns a task in any other way.

mod clock;
mod compute;
mod crew;
mod notifier;
mod random;
mod tasks;
pub mod watch;

pub use clock::{Clock, SimulatedClock, SystemClock, Timestamp};
pub use compute::Compute;
pub use notifier::{Notifier, Waiter};
pub use random::{Random, SeededRandom, SystemRandom};
pub use tasks::Tasks;

use std::sync::Arc;

/// The handles of one server. Cheap to clone.
#[derive(Clone)]
pub struct Handles {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Where signatures are checked and forks resolved.
    pub compute: Compute,
    /// What runs in the background.
    pub tasks: Tasks,
}

impl Handles {
    /// The real world.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(SystemClock::default()),
            random: Arc::new(SystemRandom),
            compute: Compute::pool(),
            tasks: Tasks::default(),
        }
    }

    /// A simulated world: virtual time (tokio's paused clock), randomness from `seed`, everything on the caller's thread.
    pub fn simulated(seed: u64) -> Self {
        Self {
            clock: Arc::new(SimulatedClock::default()),
            random: Arc::new(SeededRandom::new(seed)),
            compute: Compute::inline(),
            tasks: Tasks::default(),
        }
    }
}

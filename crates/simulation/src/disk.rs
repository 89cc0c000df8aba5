//! How the disk of a server fares.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use handles::{Random, Tasks};
use persistence::simulated::{CommitFate, Fate};
use tokio::sync::Notify;

/// A disk that works, and takes up to `delay_max` for everything.
pub struct Sound {
    /// Draws how long each takes.
    pub random: Arc<dyn Random>,
    /// The longest that it takes.
    pub delay_max: Duration,
}

impl Fate for Sound {
    fn delay(&self) -> Duration {
        drawn(&*self.random, self.delay_max)
    }

    fn commit(&self) -> CommitFate {
        CommitFate::Kept
    }

    fn lost_power(&self) {}
}

/// What is to go wrong with a server's power and disk. Survives the server.
#[derive(Default)]
pub(crate) struct Trouble {
    state: Mutex<State>,
    /// The power is gone.
    lost: Notify,
}

#[derive(Default)]
struct State {
    is_full: bool,
    /// So many commits from now the power goes; whether that commit is kept.
    loses_power: Option<(u64, bool)>,
}

impl Trouble {
    pub(crate) fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// The power goes at a later commit, which is kept or not.
    pub(crate) fn lose_power_after(&self, commits: u64, kept: bool) {
        self.lock().loses_power = Some((commits, kept));
    }

    /// The power goes now.
    pub(crate) fn lose_power(&self) {
        self.lost.notify_one();
    }

    /// Nothing goes wrong any more.
    pub(crate) fn end(&self) {
        *self.lock() = State::default();
    }

    /// Waits until the power is gone.
    pub(crate) async fn lost_power(&self) {
        self.lost.notified().await;
    }

    fn next(&self) -> CommitFate {
        let mut state = self.lock();
        let is_full = state.is_full;
        match &mut state.loses_power {
            Some((0, kept)) => {
                let kept = *kept;
                state.loses_power = None;
                if kept { CommitFate::KeptUnsaid } else { CommitFate::LostPower }
            }
            Some((commits, _)) => {
                *commits -= 1;
                CommitFate::Kept
            }
            None if is_full => CommitFate::Refused,
            None => CommitFate::Kept,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The disk of a server that is on, with its trouble.
pub(crate) struct Troubled {
    pub(crate) trouble: Arc<Trouble>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) delay_max: Duration,
    /// Those that end with the power.
    pub(crate) tasks: Tasks,
}

impl Fate for Troubled {
    fn delay(&self) -> Duration {
        drawn(&*self.random, self.delay_max)
    }

    fn commit(&self) -> CommitFate {
        self.trouble.next()
    }

    fn lost_power(&self) {
        self.tasks.abort();
        self.trouble.lose_power();
    }
}

fn drawn(random: &dyn Random, max: Duration) -> Duration {
    Duration::from_micros(random.below(u64::try_from(max.as_micros()).unwrap_or(u64::MAX)))
}

//! Decides when a destination gets its next transaction, and of what kind. Knows neither events nor time nor network.

use std::time::Duration;

use super::limits::{
    ANNOUNCE_FAILURES_MAX, HEARINGS, REFUSALS_MAX, REST_AFTER_SERVER_ERROR_MAX, REST_MAX, REST_MIN,
    REST_WHEN_HEARD_MAX, SERVER_ERRORS_MAX, TRANSACTION_ITEMS_MAX,
};

/// The queue of one destination. Times are those of the monotonic clock.
#[derive(Debug)]
pub(super) struct DestinationQueue {
    /// What may wait.
    work: Work,
    state: State,
    trial: Trial,
    /// Failures since the last success.
    failures: u32,
    /// How often a rest was cut short since the last success.
    early_wakes: u32,
    /// How often the content in question was refused.
    refusals: u32,
    /// PDUs and EDUs in the next transaction.
    items_max: usize,
}

/// What may wait for a destination. Set before the database is asked, so that nothing is missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    /// Rows in the database.
    rows: Perhaps,
    /// Ephemeral EDUs in memory.
    ephemeral: Perhaps,
    /// It shall hear that we are here.
    announcement: Perhaps,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Perhaps {
    Waiting,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    InFlight,
    Resting { since: Duration, until: Duration },
}

/// What is held against a single item that the destination refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// Nothing.
    None,
    /// It was refused alone. Does the destination take a transaction without it? So many times before it did, and refused the item.
    Accused(u32),
    /// It does. Does it still refuse the item? It may have been broken for a while, and be well now.
    Heard(u32),
    /// It does, again and again.
    Condemned,
}

/// What to do for a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Send it something, and tell the queue how that went.
    Send(Order),
    /// Wait until then, or until woken.
    RestUntil(Duration),
    /// Nothing: the queue can be dropped.
    Idle,
}

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// What is on its way already, if it has no more than `items_max` items; else the next batch. If nothing waits, an empty
    /// transaction for `WhenEmpty::Send`.
    Batch {
        /// PDUs and EDUs together.
        items_max: usize,
        /// What to do if nothing waits.
        when_empty: WhenEmpty,
        /// Whether it is worth asking the database.
        rows: Rows,
    },
    /// An empty transaction, to see whether the destination accepts one.
    Empty,
    /// Nothing: give up the single item that is on its way, because the destination accepts all but this.
    GiveUpItem,
}

/// Whether an empty transaction is worth sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenEmpty {
    /// It announces us.
    Send,
    /// It would say nothing.
    Skip,
}

/// Whether rows may wait in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// They may.
    Ask,
    /// There are none.
    None,
}

/// What was wrong with a refused transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// This many items, one of which may be at fault.
    Items(usize),
    /// Nothing that is kept: it was empty, or had ephemeral EDUs only.
    NothingKept,
}

impl DestinationQueue {
    pub(super) fn new() -> Self {
        Self {
            work: Work { rows: Perhaps::Nothing, ephemeral: Perhaps::Nothing, announcement: Perhaps::Nothing },
            state: State::Ready,
            trial: Trial::None,
            failures: 0,
            early_wakes: 0,
            refusals: 0,
            items_max: TRANSACTION_ITEMS_MAX,
        }
    }

    /// Rows for it were committed.
    pub(super) fn handle_rows(&mut self) {
        self.work.rows = Perhaps::Waiting;
    }

    /// An ephemeral EDU was put beside the queue.
    pub(super) fn handle_ephemeral(&mut self) {
        self.work.ephemeral = Perhaps::Waiting;
    }

    /// It shall hear that we are here.
    pub(super) fn handle_announcement(&mut self) {
        self.work.announcement = Perhaps::Waiting;
    }

    /// The destination sent us something, so it may be back. A rest ends early, though each time a little later: a server
    /// that reaches us may still not be reachable.
    pub(super) fn handle_heard_from(&mut self, now: Duration) {
        match self.state {
            State::Ready | State::InFlight => {}
            State::Resting { since, until } => {
                let early = (since + doubled(self.early_wakes).min(REST_WHEN_HEARD_MAX)).max(now);
                if early < until {
                    self.early_wakes = self.early_wakes.saturating_add(1);
                    self.state = State::Resting { since, until: early };
                }
            }
        }
    }

    /// It answered; `again` says whether more may wait in the database.
    pub(super) fn handle_delivered(&mut self, again: Rows) {
        self.land();
        self.failures = 0;
        self.early_wakes = 0;
        self.refusals = 0;
        self.work.announcement = Perhaps::Nothing;
        match again {
            Rows::Ask => self.work.rows = Perhaps::Waiting,
            Rows::None => {}
        }
        match self.trial {
            Trial::None | Trial::Heard(_) => {
                self.trial = Trial::None;
                self.items_max = (self.items_max * 2).min(TRANSACTION_ITEMS_MAX);
            }
            Trial::Accused(times) => {
                self.trial = Trial::Heard(times);
                self.work.rows = Perhaps::Waiting;
            }
            Trial::Condemned => {}
        }
    }

    /// The item was given up.
    pub(super) fn handle_given_up(&mut self) {
        self.land();
        self.trial = Trial::None;
        self.work.rows = Perhaps::Waiting;
    }

    /// Nothing waited.
    pub(super) fn handle_nothing(&mut self) {
        self.land();
    }

    /// It did not answer, or with an error that says nothing about the content. `fraction`, from 0 to 1, is the jitter.
    pub(super) fn handle_failed(&mut self, now: Duration, fraction: f64) {
        self.land();
        self.trial = Trial::None;
        let rest = jittered(doubled(self.failures), fraction);
        self.failures = self.failures.saturating_add(1);
        self.work.rows = Perhaps::Waiting;
        if self.failures >= ANNOUNCE_FAILURES_MAX {
            self.work.announcement = Perhaps::Nothing;
        }
        self.state = State::Resting { since: now, until: now + rest };
    }

    /// It asked us to leave it alone until then.
    pub(super) fn handle_asked_to_rest(&mut self, now: Duration, until: Duration) {
        self.land();
        self.work.rows = Perhaps::Waiting;
        self.state = State::Resting { since: now, until: until.min(now + REST_MAX) };
    }

    /// It answered that it does not take this content. The destination is well, so the rests are short.
    pub(super) fn handle_refused(&mut self, now: Duration, fraction: f64, refused: Refused) {
        let Some(items) = self.suspects(refused) else { return self.handle_failed(now, fraction) };
        let rest = doubled(self.refusals);
        self.suspect(now, jittered(rest, fraction), items, REFUSALS_MAX);
    }

    /// It broke over this content, or it is broken. The rests grow as with any failure, but not beyond what makes it long to
    /// find an item that is at fault.
    pub(super) fn handle_server_error(&mut self, now: Duration, fraction: f64, refused: Refused) {
        let Some(items) = self.suspects(refused) else { return self.handle_failed(now, fraction) };
        let rest = doubled(self.failures).min(REST_AFTER_SERVER_ERROR_MAX);
        self.failures = self.failures.saturating_add(1);
        self.suspect(now, jittered(rest, fraction), items, SERVER_ERRORS_MAX);
    }

    /// How many items may be at fault. `None` if none is: it refuses everything.
    fn suspects(&self, refused: Refused) -> Option<usize> {
        match (self.trial, refused) {
            (Trial::None | Trial::Heard(_), Refused::Items(items)) => Some(items),
            (_, Refused::NothingKept) | (Trial::Accused(_) | Trial::Condemned, Refused::Items(_)) => None,
        }
    }

    fn suspect(&mut self, now: Duration, rest: Duration, items: usize, refusals_max: u32) {
        self.land();
        self.work.rows = Perhaps::Waiting;
        if let Trial::Heard(times) = self.trial {
            let times = times + 1;
            self.trial = if times >= HEARINGS { Trial::Condemned } else { Trial::Accused(times) };
            let rest = if times >= HEARINGS { rest } else { rest.max(doubled(3 * times)) };
            self.state = State::Resting { since: now, until: now + rest };
            return;
        }
        self.refusals += 1;
        self.state = State::Resting { since: now, until: now + rest };
        if self.refusals >= refusals_max {
            self.refusals = 0;
            if items > 1 {
                self.items_max = items / 2;
            } else {
                self.items_max = 1;
                self.trial = Trial::Accused(0);
            }
        }
    }

    /// Returns what to do at `now`. After `Step::Send` it is in flight until told how that went.
    pub(super) fn poll(&mut self, now: Duration) -> Step {
        match self.state {
            State::Ready => {}
            State::InFlight => return Step::RestUntil(Duration::MAX),
            State::Resting { until, .. } if now < until => return Step::RestUntil(until),
            State::Resting { .. } => self.state = State::Ready,
        }
        let order = match self.trial {
            Trial::Accused(_) => Order::Empty,
            Trial::Condemned => Order::GiveUpItem,
            Trial::None | Trial::Heard(_) => match self.next_batch() {
                Some(order) => order,
                None => return Step::Idle,
            },
        };
        self.state = State::InFlight;
        Step::Send(order)
    }

    /// Failures since the last success.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    fn next_batch(&mut self) -> Option<Order> {
        let Work { rows, ephemeral, announcement } = self.work;
        let when_empty = match announcement {
            Perhaps::Waiting => WhenEmpty::Send,
            Perhaps::Nothing => WhenEmpty::Skip,
        };
        let rows = match (rows, ephemeral, announcement) {
            (Perhaps::Waiting, _, _) => Rows::Ask,
            (Perhaps::Nothing, Perhaps::Nothing, Perhaps::Nothing) => return None,
            (Perhaps::Nothing, Perhaps::Waiting, _) | (Perhaps::Nothing, Perhaps::Nothing, Perhaps::Waiting) => {
                Rows::None
            }
        };
        // Cleared before the database is read: what is committed after that read sets them again.
        self.work.rows = Perhaps::Nothing;
        self.work.ephemeral = Perhaps::Nothing;
        Some(Order::Batch { items_max: self.items_max, when_empty, rows })
    }

    fn land(&mut self) {
        assert!(self.state == State::InFlight, "only what was sent can be answered");
        self.state = State::Ready;
    }
}

/// The rest after `before` failures: 1 s, 2 s, 4 s, up to an hour.
fn doubled(before: u32) -> Duration {
    REST_MIN.saturating_mul(1_u32.checked_shl(before).unwrap_or(u32::MAX)).min(REST_MAX)
}

/// Between 60 and 100 percent of `rest`, so that servers that failed together do not come back together.
fn jittered(rest: Duration, fraction: f64) -> Duration {
    rest.mul_f64(0.6 + 0.4 * fraction.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;

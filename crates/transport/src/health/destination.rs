//! Decides when a server that failed is tried again. No clock and no randomness inside.

use std::time::Duration;

use handles::Timestamp;
use persistence::transactions::destination_health::StoredHealth;

/// How long a destination rests after its first failure; twice as long after each further one.
const REST_MIN: Duration = Duration::from_secs(1);
/// The longest rest. Shorter than others have it: a server that comes back says so itself, but its way to us may be broken.
const REST_MAX: Duration = Duration::from_secs(60 * 60);
/// The longest rest that a destination may ask for.
const ASKED_REST_MAX: Duration = Duration::from_secs(60 * 60);
/// A server that we hear from, but fail to reach, is not tried more often than this.
const HEARD_REST: Duration = Duration::from_secs(2);
/// How many failures count of a server that we have heard from since: the next rest is short.
const HEARD_FAILURES_MAX: u32 = 4;
/// A success is stored if the last one that was is older than this.
const SUCCESS_STORED_EVERY: Duration = Duration::from_secs(60 * 60);
/// Bytes of an error that are kept.
const ERROR_BYTES_MAX: usize = 500;

/// How it goes with one server. Times are in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destination {
    /// When it last answered.
    pub last_success: Option<Timestamp>,
    /// When it last failed to.
    pub last_failure: Option<Timestamp>,
    /// How, in words. Empty if it never did.
    pub last_error: String,
    /// Failures since it last answered.
    pub failures: u32,
    rest_ends: Timestamp,
    success_stored: Option<Timestamp>,
}

/// Whether a change is worth a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Yes,
    No,
}

impl Destination {
    /// When to try it again, if that is not yet.
    pub fn resting_until(&self, now: Timestamp) -> Option<Timestamp> {
        // Should the clock have been set back, nobody rests for years.
        let end = self.rest_ends.min(now.saturating_add(2 * millis(REST_MAX)));
        (now < end).then_some(end)
    }

    pub(super) fn last_tried(&self) -> Option<Timestamp> {
        self.last_success.max(self.last_failure)
    }

    pub(super) fn handle_success(&mut self, now: Timestamp) -> Store {
        let news = self.failures > 0
            || self.rest_ends > now
            || self.success_stored.is_none_or(|last| now.saturating_sub(last) >= millis(SUCCESS_STORED_EVERY));
        self.failures = 0;
        self.rest_ends = now;
        self.last_success = Some(now);
        if !news {
            return Store::No;
        }
        self.success_stored = Some(now);
        Store::Yes
    }

    /// `jitter` is between 0 and 1. Spreads the return of those who failed together.
    pub(super) fn handle_failure(&mut self, began: Timestamp, now: Timestamp, reason: &str, jitter: f64) -> Store {
        self.last_error = shorten(reason);
        // Ten requests that fail together are one failure.
        if self.last_failure.is_some_and(|last| began < last) && self.failures > 0 {
            return Store::No;
        }
        let rest = REST_MIN.saturating_mul(1 << self.failures.min(31)).min(REST_MAX).mul_f64(0.5 + jitter);
        self.last_failure = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.rest_ends = now.saturating_add(millis(rest));
        Store::Yes
    }

    /// It answered, to say that it wants no more for a while.
    pub(super) fn handle_rest(&mut self, now: Timestamp, rest: Duration, reason: &str) -> Store {
        self.last_error = shorten(reason);
        self.last_failure = Some(now);
        self.rest_ends = self.rest_ends.max(now.saturating_add(millis(rest.min(ASKED_REST_MAX))));
        Store::Yes
    }

    pub(super) fn handle_heard(&mut self, now: Timestamp) -> Store {
        let end = self.last_failure.map_or(now, |last| last.saturating_add(millis(HEARD_REST))).max(now);
        if self.failures == 0 || end >= self.rest_ends {
            return Store::No;
        }
        self.failures = self.failures.min(HEARD_FAILURES_MAX);
        self.rest_ends = end;
        Store::Yes
    }
}

impl From<StoredHealth> for Destination {
    fn from(row: StoredHealth) -> Self {
        let StoredHealth { last_success, last_failure, last_error, failures, resting_until } = row;
        Self {
            last_success,
            last_failure,
            last_error,
            failures,
            rest_ends: resting_until,
            success_stored: last_success,
        }
    }
}

impl From<Destination> for StoredHealth {
    fn from(destination: Destination) -> Self {
        let Destination { last_success, last_failure, last_error, failures, rest_ends, success_stored: _ } =
            destination;
        Self { last_success, last_failure, last_error, failures, resting_until: rest_ends }
    }
}

fn millis(duration: Duration) -> Timestamp {
    Timestamp::try_from(duration.as_millis()).unwrap_or(Timestamp::MAX)
}

fn shorten(text: &str) -> String {
    text[..text.floor_char_boundary(ERROR_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = 0.5;

    #[test]
    fn rests_grow_up_to_an_hour() {
        let mut destination = Destination::default();
        let mut now = 1_000_000;
        let mut rests = Vec::new();
        for _ in 0..40 {
            destination.handle_failure(now, now, "refused", MIDDLE);
            let until = destination.resting_until(now).unwrap();
            rests.push((until - now) / 1000);
            now = until;
            assert_eq!(destination.resting_until(now), None);
        }
        assert_eq!(rests[..6], [1, 2, 4, 8, 16, 32]);
        assert_eq!((rests[12], rests[39]), (3600, 3600));
        destination.handle_success(now);
        assert_eq!((destination.failures, destination.resting_until(now)), (0, None));
    }

    #[test]
    fn jitter_halves_or_lengthens_a_rest() {
        for (jitter, expected) in [(0.0, 500), (0.5, 1000), (1.0, 1500)] {
            let mut destination = Destination::default();
            destination.handle_failure(0, 0, "refused", jitter);
            assert_eq!(destination.resting_until(0), Some(expected));
        }
    }

    #[test]
    fn failures_of_requests_in_flight_together_count_once() {
        let mut destination = Destination::default();
        destination.handle_failure(10, 100, "timed out", MIDDLE);
        let once = destination.clone();
        assert_eq!(destination.handle_failure(20, 101, "timed out", MIDDLE), Store::No);
        assert_eq!(destination, once);
    }

    #[test]
    fn a_server_that_is_heard_is_tried_soon_but_not_at_every_request() {
        let mut destination = Destination::default();
        for _ in 0..20 {
            destination.handle_failure(1000, 1000, "refused", MIDDLE);
        }
        assert_eq!(destination.handle_heard(1001), Store::Yes);
        assert_eq!(destination.resting_until(1001), Some(3000));
        assert_eq!(destination.handle_heard(1002), Store::No);
        destination.handle_failure(3000, 3000, "refused", MIDDLE);
        assert_eq!(destination.resting_until(3000), Some(3000 + 16_000));
    }

    #[test]
    fn a_wish_to_rest_is_granted_within_limits_and_is_no_failure() {
        let mut destination = Destination::default();
        destination.handle_rest(0, Duration::from_secs(30), "429");
        assert_eq!((destination.resting_until(0), destination.failures), (Some(30_000), 0));
        destination.handle_rest(0, Duration::from_secs(1 << 40), "429");
        assert_eq!(destination.resting_until(0), Some(3_600_000));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_make_a_rest_of_years() {
        let mut destination = Destination::default();
        destination.handle_failure(1 << 50, 1 << 50, "refused", MIDDLE);
        assert_eq!(destination.resting_until(0), Some(2 * 3_600_000));
    }

    #[test]
    fn errors_are_shortened_between_characters() {
        let mut destination = Destination::default();
        destination.handle_failure(0, 0, &"é".repeat(1000), MIDDLE);
        assert_eq!(destination.last_error.len(), ERROR_BYTES_MAX);
    }
}

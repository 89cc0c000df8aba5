//! How often something may be tried: a bucket for each key that fills with time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::RateLimits;

/// Keys that one limiter remembers. Beyond that the one that has recovered furthest is forgotten.
pub const KEYS_MAX: usize = 10_000;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How often at once.
    pub burst: u32,
    /// After this long, once more.
    pub interval: Duration,
}

/// Too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests: try again in {} ms", retry_after.as_millis())]
pub struct Limited {
    /// When it would be let through.
    pub retry_after: Duration,
}

/// Failed logins for one user.
const LOGIN_FAILURES_PER_USER: Rate = Rate { burst: 5, interval: Duration::from_secs(10) };
/// Failed logins from one address.
const LOGIN_FAILURES_PER_ADDRESS: Rate = Rate { burst: 10, interval: Duration::from_secs(5) };
/// Registrations from one address.
const REGISTRATIONS_PER_ADDRESS: Rate = Rate { burst: 5, interval: Duration::from_secs(10) };

/// The limits of this crate.
pub(crate) struct Limits {
    pub(crate) login_failures_per_user: RateLimiter,
    pub(crate) login_failures_per_address: RateLimiter,
    pub(crate) registrations_per_address: RateLimiter,
}

impl Limits {
    pub(crate) fn new(mode: RateLimits) -> Self {
        Self {
            login_failures_per_user: RateLimiter::new(LOGIN_FAILURES_PER_USER, mode),
            login_failures_per_address: RateLimiter::new(LOGIN_FAILURES_PER_ADDRESS, mode),
            registrations_per_address: RateLimiter::new(REGISTRATIONS_PER_ADDRESS, mode),
        }
    }
}

/// Counts what happens per key. `now` is the monotonic time.
pub struct RateLimiter {
    rate: Rate,
    mode: RateLimits,
    /// When each key's bucket will be full again. What lies in the past says nothing.
    full_at: Mutex<BTreeMap<String, Duration>>,
}

impl RateLimiter {
    /// Lets through what `rate` allows; everything, if limits are off.
    pub fn new(rate: Rate, mode: RateLimits) -> Self {
        Self { rate, mode, full_at: Mutex::default() }
    }

    /// Takes one from the bucket of `key`.
    pub fn take(&self, key: &str, now: Duration) -> Result<(), Limited> {
        match self.mode {
            RateLimits::Off => return Ok(()),
            RateLimits::Enforced => {}
        }
        let mut full_at = self.lock();
        let full = full_at.get(key).copied().unwrap_or(now).max(now) + self.rate.interval;
        let latest = now + self.rate.interval * self.rate.burst;
        if full > latest {
            return Err(Limited { retry_after: full - latest });
        }
        if full_at.len() >= KEYS_MAX && !full_at.contains_key(key) {
            forget(&mut full_at, now);
        }
        full_at.insert(key.to_owned(), full);
        Ok(())
    }

    /// Puts back what [`RateLimiter::take`] took: it was no failure after all.
    pub fn give_back(&self, key: &str) {
        if let Some(full) = self.lock().get_mut(key) {
            *full = full.saturating_sub(self.rate.interval);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Duration>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the keys whose buckets are full, or the one that is next to be.
fn forget(full_at: &mut BTreeMap<String, Duration>, now: Duration) {
    full_at.retain(|_, full| *full > now);
    if full_at.len() < KEYS_MAX {
        return;
    }
    if let Some(key) = full_at.iter().min_by_key(|(_, full)| **full).map(|(key, _)| key.clone()) {
        full_at.remove(&key);
    }
}

/// The key for an address: an IPv6 customer has a /64, in which every address is free.
pub fn address_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 2, interval: Duration::from_secs(10) };

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_burst_passes_and_then_one_an_interval() {
        let limiter = RateLimiter::new(RATE, RateLimits::Enforced);
        let takes = [(0, Ok(())), (0, Ok(())), (0, Err(10)), (4, Err(6)), (10, Ok(())), (10, Err(10)), (100, Ok(()))];
        for (at, expected) in takes {
            let expected = expected.map_err(|after| Limited { retry_after: seconds(after) });
            assert_eq!(limiter.take("a", seconds(at)), expected, "at {at} s");
        }
        assert_eq!(limiter.take("b", seconds(0)), Ok(()));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limiter = RateLimiter::new(RATE, RateLimits::Enforced);
        for _ in 0..100 {
            assert_eq!(limiter.take("a", seconds(1)), Ok(()));
            limiter.give_back("a");
        }
    }

    #[test]
    fn switched_off_it_lets_everything_through() {
        let limiter = RateLimiter::new(RATE, RateLimits::Off);
        assert!((0..100).all(|_| limiter.take("a", seconds(0)).is_ok()));
    }

    #[test]
    fn it_remembers_a_bounded_number_of_keys_and_those_that_are_limited_longest() {
        let limiter = RateLimiter::new(RATE, RateLimits::Enforced);
        limiter.take("limited", seconds(0)).unwrap();
        limiter.take("limited", seconds(0)).unwrap();
        for number in 0..2 * KEYS_MAX {
            limiter.take(&number.to_string(), seconds(0)).unwrap();
        }
        assert_eq!(limiter.lock().len(), KEYS_MAX);
        assert!(limiter.take("limited", seconds(0)).is_err());
    }

    #[test]
    fn an_ipv6_customer_is_one_key() {
        let key = |text: &str| address_key(text.parse().unwrap());
        assert_eq!(key("2001:db8:1:2:3::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}

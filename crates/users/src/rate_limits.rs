//! How often something may be tried: a bucket for each key that fills with time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Users;

/// Keys that one limiter remembers. Beyond that the quarter that has recovered furthest is forgotten.
pub const KEYS_MAX: usize = 10_000;
/// Times at once that can be configured.
pub const BURST_MAX: u32 = 1_000_000;
/// The longest interval that can be configured.
pub const INTERVAL_MAX: Duration = Duration::from_hours(24);

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

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// Wrong passwords for one user.
    LoginFailuresPerUser,
    /// Wrong passwords from one address.
    LoginFailuresPerAddress,
    /// New accounts from one address.
    RegistrationsPerAddress,
    /// Questions from one address whether a name is free or a token good.
    RegistrationChecksPerAddress,
    /// Events that one user sends.
    Messages,
    /// Rooms that one user joins or knocks on.
    Joins,
    /// Invites that one user sends.
    Invites,
    /// Rooms that one user makes.
    RoomCreations,
    /// Requests of one user for one-time keys.
    KeyClaims,
    /// Changes of one user's profile.
    ProfileChanges,
    /// Files that one user uploads.
    Uploads,
    /// Invites that one server sends.
    InvitesFromServer,
    /// Invites that one server sends to one user.
    InvitesFromServerToUser,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::LoginFailuresPerUser,
        Self::LoginFailuresPerAddress,
        Self::RegistrationsPerAddress,
        Self::RegistrationChecksPerAddress,
        Self::Messages,
        Self::Joins,
        Self::Invites,
        Self::RoomCreations,
        Self::KeyClaims,
        Self::ProfileChanges,
        Self::Uploads,
        Self::InvitesFromServer,
        Self::InvitesFromServerToUser,
    ];

    /// What holds if nobody says otherwise: the size of Synapse's limits.
    pub fn default_rate(self) -> Rate {
        let rate = |burst, interval_ms| Rate { burst, interval: Duration::from_millis(interval_ms) };
        match self {
            Self::LoginFailuresPerUser => rate(5, 10_000),
            Self::LoginFailuresPerAddress => rate(10, 5_000),
            Self::RegistrationsPerAddress => rate(5, 10_000),
            Self::RegistrationChecksPerAddress => rate(10, 5_000),
            Self::Messages => rate(10, 5_000),
            Self::Joins => rate(10, 10_000),
            Self::Invites => rate(10, 3_000),
            Self::RoomCreations => rate(10, 60_000),
            Self::KeyClaims => rate(100, 50),
            Self::ProfileChanges => rate(10, 10_000),
            Self::Uploads => rate(50, 100),
            // Whoever is invited to a space is invited to its rooms, too.
            Self::InvitesFromServer => rate(200, 20_000),
            Self::InvitesFromServerToUser => rate(50, 60_000),
        }
    }
}

impl Rate {
    /// Reads `10 at once, one per 5 s`; the unit is ms, s or min. `Ok(None)` for `off`; `None` if it is neither.
    pub fn parse(text: &str) -> Option<Option<Self>> {
        if text == "off" {
            return Some(None);
        }
        let (burst, interval) = text.split_once(" at once, one per ")?;
        let (number, unit) = interval.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        let interval = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "min" => Duration::from_secs(number.checked_mul(60)?),
            _ => return None,
        };
        let burst: u32 = burst.parse().ok()?;
        let fits = (1..=BURST_MAX).contains(&burst) && !interval.is_zero() && interval <= INTERVAL_MAX;
        fits.then_some(Some(Self { burst, interval }))
    }
}

/// The rates that hold. What is not in it is not limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates(pub BTreeMap<Limit, Rate>);

impl Default for Rates {
    fn default() -> Self {
        Self(Limit::ALL.into_iter().map(|limit| (limit, limit.default_rate())).collect())
    }
}

impl Rates {
    /// No limits at all: for tests and load.
    pub fn off() -> Self {
        Self(BTreeMap::new())
    }
}

/// The limiters, one for each [`Limit`] that holds.
pub struct Limits(BTreeMap<Limit, RateLimiter>);

impl Limits {
    /// Limiters with these rates.
    pub fn new(rates: &Rates) -> Self {
        Self(rates.0.iter().map(|(limit, rate)| (*limit, RateLimiter::new(*rate))).collect())
    }

    /// Takes one from the bucket of `key`.
    pub fn take(&self, limit: Limit, key: &str, now: Duration) -> Result<(), Limited> {
        self.0.get(&limit).map_or(Ok(()), |limiter| limiter.take(key, now))
    }

    /// Puts back what [`Limits::take`] took: it does not count after all.
    pub fn give_back(&self, limit: Limit, key: &str) {
        if let Some(limiter) = self.0.get(&limit) {
            limiter.give_back(key);
        }
    }
}

impl Users {
    /// Counts that `key` does something that is limited: a user id, or an [`address_key`].
    pub fn take(&self, limit: Limit, key: &str) -> Result<(), Limited> {
        self.0.limits.take(limit, key, self.0.handles.clock.monotonic())
    }
}

/// Counts what happens per key. `now` is the monotonic time.
pub struct RateLimiter {
    rate: Rate,
    /// When each key's bucket will be full again. What lies in the past says nothing.
    full_at: Mutex<BTreeMap<String, Duration>>,
}

impl RateLimiter {
    /// Lets through what `rate` allows.
    pub fn new(rate: Rate) -> Self {
        Self { rate, full_at: Mutex::default() }
    }

    /// Takes one from the bucket of `key`.
    pub fn take(&self, key: &str, now: Duration) -> Result<(), Limited> {
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

/// Forgets the keys whose buckets are full, and of the others the quarter that is next to be. So many at once, because each time
/// all are looked at: whoever comes from many addresses must not make every request slow.
fn forget(full_at: &mut BTreeMap<String, Duration>, now: Duration) {
    full_at.retain(|_, full| *full > now);
    if full_at.len() < KEYS_MAX * 3 / 4 {
        return;
    }
    let mut times: Vec<Duration> = full_at.values().copied().collect();
    let (_, bound, _) = times.select_nth_unstable(KEYS_MAX / 4);
    let (bound, mut left) = (*bound, KEYS_MAX / 4);
    full_at.retain(|_, full| {
        let goes = *full <= bound && left > 0;
        left -= usize::from(goes);
        !goes
    });
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
        let limiter = RateLimiter::new(RATE);
        let takes = [(0, Ok(())), (0, Ok(())), (0, Err(10)), (4, Err(6)), (10, Ok(())), (10, Err(10)), (100, Ok(()))];
        for (at, expected) in takes {
            let expected = expected.map_err(|after| Limited { retry_after: seconds(after) });
            assert_eq!(limiter.take("a", seconds(at)), expected, "at {at} s");
        }
        assert_eq!(limiter.take("b", seconds(0)), Ok(()));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let limiter = RateLimiter::new(RATE);
        for _ in 0..100 {
            assert_eq!(limiter.take("a", seconds(1)), Ok(()));
            limiter.give_back("a");
        }
    }

    #[test]
    fn switched_off_everything_passes() {
        let limits = Limits::new(&Rates::off());
        assert!((0..100).all(|_| limits.take(Limit::Messages, "a", seconds(0)).is_ok()));
        limits.give_back(Limit::Messages, "a");
    }

    #[test]
    fn each_limit_counts_by_itself() {
        let limits = Limits::new(&Rates::default());
        for limit in Limit::ALL {
            let burst = limit.default_rate().burst;
            assert!((0..burst).all(|_| limits.take(limit, "a", seconds(1)).is_ok()), "{limit:?}");
            assert!(limits.take(limit, "a", seconds(1)).is_err(), "{limit:?}");
        }
    }

    #[test]
    fn rates_are_written_in_words() {
        let rate = |burst, interval_ms| Some(Some(Rate { burst, interval: Duration::from_millis(interval_ms) }));
        for (text, expected) in [
            ("10 at once, one per 5 s", rate(10, 5_000)),
            ("1 at once, one per 50 ms", rate(1, 50)),
            ("3 at once, one per 2 min", rate(3, 120_000)),
            ("off", Some(None)),
            ("0 at once, one per 5 s", None),
            ("10 at once, one per 0 s", None),
            ("10 at once, one per 2000 min", None),
            ("10 at once, one per 5 h", None),
            ("10 at once, one per 99999999999999999999 min", None),
            ("10 at once, one per 18446744073709551615 min", None),
            ("10", None),
            ("", None),
        ] {
            assert_eq!(Rate::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn it_remembers_a_bounded_number_of_keys_and_those_that_are_limited_longest() {
        let limiter = RateLimiter::new(RATE);
        limiter.take("limited", seconds(0)).unwrap();
        limiter.take("limited", seconds(0)).unwrap();
        for number in 0..2 * KEYS_MAX {
            limiter.take(&number.to_string(), seconds(0)).unwrap();
            assert!(limiter.lock().len() <= KEYS_MAX);
        }
        assert!(limiter.lock().len() >= KEYS_MAX * 3 / 4);
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

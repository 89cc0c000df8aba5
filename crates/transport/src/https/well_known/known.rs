//! What a host said about its Matrix server, and for how long that counts. No clock and no network inside.

use std::time::Duration;

use events::ServerName;
use handles::Timestamp;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, DATE, EXPIRES};

/// How long an answer counts that does not say.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(24 * 3600);
/// The longest that an answer may ask to count.
const LIFETIME_MAX: Duration = Duration::from_secs(48 * 3600);
/// The shortest, so that nobody makes us ask at every request.
const LIFETIME_MIN: Duration = Duration::from_secs(5 * 60);
/// How long a first failure counts; twice as long after each further one.
const FAILURE_MIN: Duration = Duration::from_secs(60);
/// The longest that a failure counts.
const FAILURE_MAX: Duration = Duration::from_secs(3600);

/// How long an answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime(Duration);

/// What is known of one host. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::https) struct Known {
    /// The delegate, and until when it counts if the host cannot be asked.
    delegate: Option<(ServerName, Timestamp)>,
    fresh_until: Option<Timestamp>,
    failures: u32,
}

impl Known {
    /// Says whether there is no need to ask.
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.fresh_until.is_some_and(|until| now < until)
    }

    /// To whom the host delegates.
    pub(super) fn delegate(&self, now: Timestamp) -> Option<&ServerName> {
        self.delegate.as_ref().filter(|(_, until)| now < *until).map(|(delegate, _)| delegate)
    }

    pub(super) fn handle_found(&mut self, now: Timestamp, delegate: ServerName, lifetime: Lifetime) {
        self.delegate = Some((delegate, now + millis(LIFETIME_MAX)));
        self.fresh_until = Some(now + millis(lifetime.0));
        self.failures = 0;
    }

    pub(super) fn handle_not_there(&mut self, now: Timestamp) {
        self.delegate = None;
        self.handle_failed(now);
    }

    /// The host could not be asked. What it said last counts on, as long as an answer may count at all.
    pub(super) fn handle_failed(&mut self, now: Timestamp) {
        let keep = FAILURE_MIN.saturating_mul(1 << self.failures.min(31)).min(FAILURE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.fresh_until = Some(now + millis(keep));
    }

    /// Nobody answered where this led: ask again soon.
    pub(in crate::https) fn handle_led_nowhere(&mut self, now: Timestamp) {
        let soon = now + millis(FAILURE_MIN);
        self.fresh_until = self.fresh_until.map(|until| until.min(soon));
    }
}

/// Reads how long an answer counts: `Cache-Control`, else `Expires`, else a day. RFC 9111.
pub(super) fn lifetime(headers: &HeaderMap, now: Timestamp) -> Lifetime {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let seconds = text(CACHE_CONTROL).and_then(max_age).or_else(|| {
        let expires = text(EXPIRES)?;
        // A date that cannot be read, such as "0", has passed.
        let expires = httpdate::parse_http_date(expires).map_or(0, since_epoch);
        let date = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        let date = date.map_or_else(|| u64::try_from(now / 1000).unwrap_or(0), since_epoch);
        Some(expires.saturating_sub(date))
    });
    let lifetime = seconds.map_or(LIFETIME_DEFAULT, Duration::from_secs);
    Lifetime(lifetime.clamp(LIFETIME_MIN, LIFETIME_MAX))
}

fn max_age(cache_control: &str) -> Option<u64> {
    let directives = || cache_control.split(',').map(|directive| directive.trim().to_ascii_lowercase());
    if directives().any(|directive| directive == "no-store" || directive == "no-cache") {
        return Some(0);
    }
    let age = |directive: String| directive.strip_prefix("max-age=")?.trim_matches('"').parse().ok();
    directives().find_map(age)
}

fn since_epoch(time: std::time::SystemTime) -> u64 {
    time.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn millis(duration: Duration) -> Timestamp {
    Timestamp::try_from(duration.as_millis()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Timestamp = 3_600_000;

    fn server(name: &str) -> ServerName {
        ServerName::parse(name).unwrap()
    }

    #[test]
    fn answers_count_as_long_as_they_say_within_limits() {
        for (headers, seconds) in [
            (vec![], 24 * 3600),
            (vec![("cache-control", "public, Max-Age=7200")], 7200),
            (vec![("cache-control", "max-age=1")], 300),
            (vec![("cache-control", "max-age=99999999999")], 48 * 3600),
            (vec![("cache-control", "max-age=x")], 24 * 3600),
            (vec![("cache-control", "no-cache, max-age=7200")], 300),
            (vec![("cache-control", "no-store")], 300),
            (vec![("cache-control", "private"), ("expires", "Thu, 01 Jan 1970 02:00:00 GMT")], 7200),
            (vec![("date", "Thu, 01 Jan 1970 01:00:00 GMT"), ("expires", "Thu, 01 Jan 1970 02:00:00 GMT")], 3600),
            (vec![("expires", "0")], 300),
            (vec![("cache-control", "max-age=600"), ("expires", "Thu, 01 Jan 1970 02:00:00 GMT")], 600),
        ] {
            let map = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(lifetime(&map, 0), Lifetime(Duration::from_secs(seconds)), "{headers:?}");
        }
    }

    #[test]
    fn failures_count_longer_and_longer_but_an_hour_at_most() {
        let mut known = Known::default();
        assert!(!known.is_fresh(0));
        let mut now = 0;
        let mut kept = Vec::new();
        for _ in 0..10 {
            known.handle_failed(now);
            kept.push((known.fresh_until.unwrap() - now) / 60_000);
            now = known.fresh_until.unwrap();
            assert!(!known.is_fresh(now));
        }
        assert_eq!(kept, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn a_delegation_outlives_a_failure_but_not_its_longest_life_nor_a_denial() {
        let mut known = Known::default();
        known.handle_found(0, server("b.test"), Lifetime(Duration::from_secs(3600)));
        assert!(known.is_fresh(HOUR - 1) && !known.is_fresh(HOUR));
        known.handle_failed(HOUR);
        assert_eq!(known.delegate(HOUR), Some(&server("b.test")));
        known.handle_failed(48 * HOUR);
        assert_eq!(known.delegate(48 * HOUR), None);
        known.handle_found(0, server("b.test"), Lifetime(Duration::from_secs(3600)));
        known.handle_not_there(HOUR);
        assert_eq!(known.delegate(HOUR), None);
    }

    #[test]
    fn what_led_nowhere_is_asked_for_again_within_a_minute() {
        let mut known = Known::default();
        known.handle_found(0, server("b.test"), Lifetime(Duration::from_secs(86400)));
        known.handle_led_nowhere(HOUR);
        assert!(known.is_fresh(HOUR + 59_999) && !known.is_fresh(HOUR + 60_000));
    }
}

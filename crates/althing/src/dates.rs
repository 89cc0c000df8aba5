//! Times as people write them.

use std::time::{Duration, UNIX_EPOCH};

/// A time as people write it; what no clock shows, as a number.
pub(crate) fn time(milliseconds: i64) -> String {
    let since = u64::try_from(milliseconds).map(Duration::from_millis);
    match since.ok().and_then(|since| UNIX_EPOCH.checked_add(since)) {
        Some(time) if milliseconds < YEAR_9999 => httpdate::fmt_http_date(time),
        Some(_) | None => format!("{milliseconds} ms"),
    }
}

/// The last time that has a year of four digits, in milliseconds since 1970.
const YEAR_9999: i64 = 253_402_300_799_000;

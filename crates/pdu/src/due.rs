//! What is done when it is due, and tried again ever more seldom.

use std::time::Duration;

use handles::Clock;
use tokio::sync::Notify;

/// Waits until what is due next is due, or there is news. `None`: until there is news.
///
/// News of before is kept: what came while somebody looked for what is due is not slept through.
pub(crate) async fn rest(clock: &dyn Clock, news: &Notify, pause: Option<Duration>) {
    let news = news.notified();
    match pause {
        None => news.await,
        Some(pause) => tokio::select! {
            biased;
            () = news => {}
            () = clock.sleep(pause) => {}
        },
    }
}

/// How long it is from `now` until what is due at `next`, both in milliseconds.
pub(crate) fn until(next: i64, now: i64) -> Duration {
    Duration::from_millis(u64::try_from(next - now).unwrap_or(0))
}

/// A pause in milliseconds that was doubled so many times, up to `max`.
pub(crate) fn doubled(first: Duration, max: Duration, times: i64) -> i64 {
    let doublings = u32::try_from(times.clamp(0, 16)).unwrap_or(0);
    milliseconds(first.saturating_mul(1 << doublings).min(max))
}

/// A time in milliseconds, as the database counts.
pub(crate) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

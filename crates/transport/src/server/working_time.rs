//! For how long requests of one server are worked on, over time: in half of it by one turn at most, so that others are not slowed
//! down for ever by one that asks without end for what takes long.
//!
//! What counts is how long requests have their turn. That is more than the processor's time for them, but nobody else measures it for
//! one request; who only waits for others is held to less.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::ServerName;
use handles::Clock;

/// What a server that was quiet may use at once.
const SAVED_MAX: Duration = Duration::from_secs(30);
/// More than that beyond is held against nobody: of answers that are made while they are sent any number may be under way, and who
/// has asked for them is to be answered again before it gives up.
const BEYOND_MAX: Duration = Duration::from_secs(15);
/// It comes back in so many times the time.
const RECOVERY: u32 = 2;
/// One request counts for no more: what takes longer waits for another server, or the disk.
const REQUEST_MAX: Duration = Duration::from_secs(1);
/// Servers that are remembered. Whoever has recovered is forgotten.
const SERVERS_MAX: usize = 50_000;

/// What each server has used.
pub(super) struct WorkingTime {
    clock: Arc<dyn Clock>,
    used: Mutex<BTreeMap<ServerName, Used>>,
}

#[derive(Clone, Copy, Default)]
struct Used {
    time: Duration,
    /// When it was that much, on the monotonic clock.
    at: Duration,
    /// It was said that this server has to wait.
    is_said: bool,
}

impl WorkingTime {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, used: Mutex::default() }
    }

    /// Waits until a request of `server` may be worked on.
    pub(super) async fn wait(&self, server: &ServerName) {
        loop {
            let pause = self.pause(server);
            if pause.is_zero() {
                return;
            }
            self.clock.sleep(pause).await;
        }
    }

    /// Counts a request of `server` that was worked on since `began`, on the monotonic clock.
    pub(super) fn count(&self, server: &ServerName, began: Duration) {
        let now = self.clock.monotonic();
        let mut servers = self.lock();
        if servers.len() >= SERVERS_MAX && !servers.contains_key(server) {
            servers.retain(|_, used| !used.recovered(now).time.is_zero());
            if servers.len() >= SERVERS_MAX {
                return;
            }
        }
        let used = servers.entry(server.clone()).or_default();
        *used = used.recovered(now);
        used.time = (used.time + now.saturating_sub(began).min(REQUEST_MAX)).min(SAVED_MAX + BEYOND_MAX);
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn pause(&self, server: &ServerName) -> Duration {
        let now = self.clock.monotonic();
        let mut servers = self.lock();
        let Some(used) = servers.get_mut(server) else { return Duration::ZERO };
        *used = used.recovered(now);
        let pause = used.time.saturating_sub(SAVED_MAX) * RECOVERY;
        if !pause.is_zero() && !used.is_said {
            used.is_said = true;
            tracing::info!(server.name = %server, "{server} keeps us busy: its requests wait, so that others are answered");
        }
        pause
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServerName, Used>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    /// What is left of it now.
    fn recovered(self, now: Duration) -> Self {
        let time = self.time.saturating_sub(now.saturating_sub(self.at) / RECOVERY);
        Self { time, at: now, is_said: self.is_said && !time.is_zero() }
    }
}

#[cfg(test)]
mod tests {
    use handles::Handles;

    use super::*;

    fn name(name: &str) -> ServerName {
        ServerName::parse(name).unwrap()
    }

    /// Works on requests of a server, one after the other, each for so long. Returns how many are done in so long a time.
    async fn done_in(working: &WorkingTime, server: &ServerName, each: Duration, time: Duration) -> u32 {
        let (mut done, end) = (0, working.clock.monotonic() + time);
        loop {
            working.wait(server).await;
            let began = working.clock.monotonic();
            if began >= end {
                return done;
            }
            working.clock.sleep(each).await;
            working.count(server, began);
            done += 1;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_worked_for_without_pause_and_then_for_half_of_the_time() {
        let working = WorkingTime::new(Handles::simulated(1).clock);
        let (one, other) = (name("one.test"), name("other.test"));
        let each = Duration::from_millis(100);
        // One request at a time uses up what was saved in a minute, since it recovers meanwhile.
        assert_eq!(done_in(&working, &one, each, Duration::from_secs(60)).await, 600);
        let later = done_in(&working, &one, each, Duration::from_secs(60)).await;
        assert!((295..=305).contains(&later), "{later}");
        assert_eq!(done_in(&working, &other, each, Duration::from_secs(60)).await, 600, "others do not wait");
        assert_eq!(done_in(&working, &one, each, Duration::from_secs(60)).await, 600, "it has recovered");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_others_has_not_used_all_that_time() {
        let working = WorkingTime::new(Handles::simulated(1).clock);
        let one = name("one.test");
        assert_eq!(done_in(&working, &one, Duration::from_secs(10), Duration::from_secs(1_000)).await, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_long_whatever_it_has_used() {
        let working = WorkingTime::new(Handles::simulated(1).clock);
        let one = name("one.test");
        working.clock.sleep(REQUEST_MAX).await;
        (0..10_000).for_each(|_| working.count(&one, Duration::ZERO));
        assert_eq!(working.pause(&one), BEYOND_MAX * RECOVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_have_recovered_are_forgotten() {
        let working = WorkingTime::new(Handles::simulated(1).clock);
        working.clock.sleep(Duration::from_secs(1)).await;
        let began = working.clock.monotonic() - Duration::from_millis(10);
        for number in 0..SERVERS_MAX {
            working.count(&name(&format!("s{number}.test")), began);
        }
        working.count(&name("one-more.test"), began);
        assert_eq!(working.lock().len(), SERVERS_MAX, "it is not remembered");
        working.clock.sleep(Duration::from_secs(1)).await;
        working.count(&name("one-more.test"), began);
        assert_eq!(working.lock().len(), 1);
    }
}

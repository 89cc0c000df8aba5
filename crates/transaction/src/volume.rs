//! How much one server may have us store: so much in a day. What is more waits at that server, which loses nothing by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::ServerName;
use handles::Clock;

/// What a PDU takes on the disk beside its text, in bytes: its places in the graph and in the indexes.
pub const PDU_BYTES: u64 = 1_024;
/// Servers that are remembered. Whoever has recovered is forgotten.
const SERVERS_MAX: usize = 50_000;
/// In this time what was used is free again.
const DAY: Duration = Duration::from_hours(24);
/// The shortest time after which it is worth trying again.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// What each server has used of its day. Cheap to clone.
#[derive(Clone)]
pub struct Volume(Arc<Inner>);

struct Inner {
    /// `None` if nothing is limited.
    bytes_per_day: Option<u64>,
    clock: Arc<dyn Clock>,
    used: Mutex<BTreeMap<ServerName, Used>>,
}

#[derive(Clone, Copy)]
struct Used {
    bytes: u64,
    /// When it was that much, on the monotonic clock.
    at: Duration,
}

/// A server has used its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that is more than {bytes_per_day} bytes in a day; try again in {} s", retry_after.as_secs())]
pub struct Exhausted {
    /// What it may use.
    pub bytes_per_day: u64,
    /// When something is free again.
    pub retry_after: Duration,
}

impl Volume {
    /// So many bytes for each server in a day, used evenly or at once. `None`: no limit.
    pub fn new(bytes_per_day: Option<u64>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { bytes_per_day, clock, used: Mutex::default() }))
    }

    /// Takes what `server` wants to have stored, if anything of its day is left: the last of a day may be more than that.
    pub fn take(&self, server: &ServerName, bytes: u64) -> Result<(), Exhausted> {
        self.with(server, |bytes_per_day, used| {
            if used.bytes < bytes_per_day {
                used.bytes = used.bytes.saturating_add(bytes);
                return Ok(());
            }
            let free_in = time_for(used.bytes - bytes_per_day, bytes_per_day).max(RETRY_AFTER_MIN);
            Err(Exhausted { bytes_per_day, retry_after: free_in })
        })
    }

    /// Counts what is stored of `server` already.
    pub fn count(&self, server: &ServerName, bytes: u64) {
        // More than two days are not held against anybody: others may have sent it.
        let _: Result<(), Exhausted> = self.with(server, |bytes_per_day, used| {
            used.bytes = used.bytes.saturating_add(bytes).min(bytes_per_day.saturating_mul(2));
            Ok(())
        });
    }

    fn with(
        &self,
        server: &ServerName,
        use_up: impl FnOnce(u64, &mut Used) -> Result<(), Exhausted>,
    ) -> Result<(), Exhausted> {
        let Some(bytes_per_day) = self.0.bytes_per_day else { return Ok(()) };
        let now = self.0.clock.monotonic();
        let mut servers = self.lock();
        if servers.len() >= SERVERS_MAX && !servers.contains_key(server) {
            servers.retain(|_, used| used.recovered(now, bytes_per_day).bytes > 0);
            if servers.len() >= SERVERS_MAX {
                return Err(Exhausted { bytes_per_day, retry_after: RETRY_AFTER_MIN });
            }
        }
        let used = servers.entry(server.clone()).or_insert(Used { bytes: 0, at: now });
        *used = used.recovered(now, bytes_per_day);
        use_up(bytes_per_day, used)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServerName, Used>> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    /// What is left of it now.
    fn recovered(self, now: Duration, bytes_per_day: u64) -> Self {
        let freed = u128::from(bytes_per_day) * (now.saturating_sub(self.at)).as_millis() / DAY.as_millis();
        match u64::try_from(freed) {
            // What is less than a byte is not lost.
            Ok(0) => self,
            Ok(freed) => Self { bytes: self.bytes.saturating_sub(freed), at: now },
            Err(_) => Self { bytes: 0, at: now },
        }
    }
}

/// How long it takes until so many bytes are free.
fn time_for(bytes: u64, bytes_per_day: u64) -> Duration {
    let milliseconds = u128::from(bytes) * DAY.as_millis() / u128::from(bytes_per_day.max(1));
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use handles::Handles;

    use super::*;

    fn name(name: &str) -> ServerName {
        ServerName::parse(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_day_is_used_at_once_and_comes_back_evenly() {
        let clock = Handles::simulated(1).clock;
        let volume = Volume::new(Some(1_000), Arc::clone(&clock));
        volume.take(&name("b.test"), 999).unwrap();
        volume.take(&name("b.test"), 501).unwrap();
        let exhausted = volume.take(&name("b.test"), 1).unwrap_err();
        assert_eq!(exhausted.retry_after, DAY / 2);
        volume.take(&name("c.test"), 1).unwrap();
        clock.sleep(DAY / 2 + DAY / 1_000).await;
        volume.take(&name("b.test"), 1_000).unwrap();
        volume.take(&name("b.test"), 1).unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_sent_counts_but_not_for_ever() {
        let clock = Handles::simulated(1).clock;
        let volume = Volume::new(Some(1_000), Arc::clone(&clock));
        volume.count(&name("b.test"), u64::MAX);
        assert_eq!(volume.take(&name("b.test"), 1).unwrap_err().retry_after, DAY);
        clock.sleep(DAY + DAY / 1_000).await;
        volume.take(&name("b.test"), 1).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_is_none_and_those_who_have_recovered_are_forgotten() {
        let clock = Handles::simulated(1).clock;
        let unlimited = Volume::new(None, Arc::clone(&clock));
        unlimited.take(&name("b.test"), u64::MAX).unwrap();
        unlimited.take(&name("b.test"), u64::MAX).unwrap();
        let volume = Volume::new(Some(1_000), Arc::clone(&clock));
        for number in 0..SERVERS_MAX {
            volume.take(&name(&format!("s{number}.test")), 1).unwrap();
        }
        volume.take(&name("one-more.test"), 1).unwrap_err();
        clock.sleep(DAY / 1_000 + RETRY_AFTER_MIN).await;
        volume.take(&name("one-more.test"), 1).unwrap();
        assert_eq!(volume.lock().len(), 1);
    }
}

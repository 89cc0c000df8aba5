use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::watch;

/// Wakes whoever waits for news about a key: a user whose /sync is open, a room.
///
/// Holds nothing for keys that nobody waits for, so its size is that of the open requests.
#[derive(Clone, Default)]
pub struct Notifier(Arc<Mutex<BTreeMap<String, watch::Sender<()>>>>);

/// Somebody who waits. Registered from the moment that [`Notifier::wait`] returns: a wake-up after that is not missed, so
/// take the waiter first, then look, then await.
#[must_use]
pub struct Waiter {
    notifier: Notifier,
    key: String,
    /// Closed when the key is woken. `None` only while dropping.
    news: Option<watch::Receiver<()>>,
}

impl Notifier {
    /// Wakes everybody who waits for `key`.
    pub fn wake(&self, key: impl AsRef<str>) {
        drop(self.lock().remove(key.as_ref()));
    }

    /// Starts to wait for `key`.
    pub fn wait(&self, key: impl AsRef<str>) -> Waiter {
        let key = key.as_ref().to_owned();
        let news = self.lock().entry(key.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        Waiter { notifier: self.clone(), key, news: Some(news) }
    }

    /// How many keys are waited for.
    pub fn waited_for(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Waits until the key is woken; at once, if it was since this waiter was made.
    pub async fn woken(mut self) {
        if let Some(news) = &mut self.news {
            // Nothing is ever sent: a wake-up drops the sender.
            while news.changed().await.is_ok() {}
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.news = None;
        let mut keys = self.notifier.lock();
        if keys.get(&self.key).is_some_and(|sender| sender.receiver_count() == 0) {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_up_between_looking_and_waiting_is_not_missed() {
        let notifier = Notifier::default();
        let (first, second, other) =
            (notifier.wait("@a:a.test"), notifier.wait("@a:a.test"), notifier.wait("@b:a.test"));
        notifier.wake("@a:a.test");
        let again = notifier.wait("@a:a.test");
        first.woken().await;
        second.woken().await;
        assert_eq!(notifier.waited_for(), 2);
        let woken = tokio::select! {
            biased;
            () = again.woken() => "again",
            () = other.woken() => "other",
            () = std::future::ready(()) => "nobody",
        };
        assert_eq!(woken, "nobody");
        assert_eq!(notifier.waited_for(), 0);
    }
}

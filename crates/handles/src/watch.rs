//! A value that others follow, like `tokio::sync::watch`; but whoever waits is woken in the order of waiting. Tokio's draws that order,
//! and from a randomness that no seed reaches.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Sets the value. When all senders are gone, whoever waits is told.
pub struct Sender<T>(Arc<Shared<T>>);

/// Follows the value.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version that was seen.
    seen: u64,
}

/// There is no sender any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

struct Shared<T> {
    value: Mutex<Versioned<T>>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    changed: Notify,
}

struct Versioned<T> {
    version: u64,
    value: T,
}

/// Makes a sender and a receiver that has seen `value`.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Sender<T> {
    /// A sender that nobody follows yet.
    pub fn new(value: T) -> Self {
        Self(Arc::new(Shared {
            value: Mutex::new(Versioned { version: 0, value }),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(0),
            changed: Notify::new(),
        }))
    }

    /// A receiver that has seen what there is.
    pub fn subscribe(&self) -> Receiver<T> {
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        Receiver { shared: Arc::clone(&self.0), seen: self.0.lock().version }
    }

    /// Changes the value and wakes whoever waits.
    pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
        {
            let mut value = self.0.lock();
            change(&mut value.value);
            value.version += 1;
        }
        self.0.changed.notify_waiters();
    }

    /// How many follow.
    pub fn receiver_count(&self) -> usize {
        self.0.receivers.load(Ordering::Relaxed)
    }
}

impl<T> Receiver<T> {
    /// Counts what there is as seen.
    pub fn mark_seen(&mut self) {
        self.seen = self.shared.lock().version;
    }

    /// Waits until there is a value that was not seen, and counts it as seen.
    pub async fn changed(&mut self) -> Result<(), Closed> {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let version = self.shared.lock().version;
            if version != self.seen {
                self.seen = version;
                return Ok(());
            }
            if self.shared.senders.load(Ordering::Acquire) == 0 {
                return Err(Closed);
            }
            changed.await;
        }
    }

    /// Waits until `found` finds something in the value, and returns that.
    pub async fn find<R>(&mut self, mut found: impl FnMut(&T) -> Option<R>) -> Result<R, Closed> {
        loop {
            {
                let value = self.shared.lock();
                self.seen = value.version;
                if let Some(found) = found(&value.value) {
                    return Ok(found);
                }
            }
            self.changed().await?;
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Versioned<T>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.shared.receivers.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared), seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receivers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_seen_once_by_each_and_the_end_by_all() {
        let (sender, mut one) = channel(0);
        let mut other = one.clone();
        sender.clone().send_modify(|value| *value += 1);
        assert_eq!((one.changed().await, other.find(|value| Some(*value)).await), (Ok(()), Ok(1)));
        assert_eq!(sender.receiver_count(), 2);
        drop(sender);
        assert_eq!((one.changed().await, other.find(|_| None::<()>).await), (Err(Closed), Err(Closed)));
    }

    #[tokio::test]
    async fn who_waits_longest_is_woken_first() {
        let (sender, receiver) = channel(());
        let woken = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..50 {
            let (mut receiver, woken) = (receiver.clone(), Arc::clone(&woken));
            tasks.spawn(async move {
                receiver.changed().await.unwrap();
                woken.lock().unwrap().push(number);
            });
        }
        tokio::task::yield_now().await;
        sender.send_modify(|()| ());
        tasks.join_all().await;
        assert_eq!(*woken.lock().unwrap(), (0..50).collect::<Vec<_>>());
    }
}

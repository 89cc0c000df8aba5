//! Which queues of staged events have a worker, and what it is at.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use events::ServerName;
use persistence::RoomNumber;
use tokio::sync::Notify;

/// The events of one origin in one room.
pub(crate) type Queue = (RoomNumber, ServerName);

/// The queues that have a worker.
#[derive(Default)]
pub(crate) struct Workers {
    running: Mutex<BTreeMap<Queue, Worker>>,
    /// One rests, or has begun to ask others.
    changed: Notify,
}

#[derive(Default)]
struct Worker {
    /// It was woken since it last looked.
    is_woken: bool,
    /// It waits for other servers, which may take long.
    asks_others: bool,
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Queue, Worker>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the queue's worker look once more. Returns whether there was none: one is to be started.
    pub(crate) fn wake(&self, queue: &Queue) -> bool {
        let mut running = self.lock();
        if let Some(worker) = running.get_mut(queue) {
            worker.is_woken = true;
            return false;
        }
        running.insert(queue.clone(), Worker::default());
        true
    }

    /// Ends the worker, unless it was woken since it looked. Returns whether it ends.
    pub(crate) fn rest(&self, queue: &Queue) -> bool {
        let mut running = self.lock();
        if let Some(worker) = running.get_mut(queue).filter(|worker| worker.is_woken) {
            worker.is_woken = false;
            return false;
        }
        running.remove(queue);
        self.changed.notify_waiters();
        true
    }

    /// The queue's worker begins to ask other servers, or has their answers.
    pub(crate) fn set_asks_others(&self, queue: &Queue, asks: bool) {
        if let Some(worker) = self.lock().get_mut(queue) {
            worker.asks_others = asks;
        }
        self.changed.notify_waiters();
    }

    /// Waits until nobody looks after the queue. Returns false at once if that may take long.
    pub(crate) async fn until_idle(&self, queue: &Queue) -> bool {
        loop {
            // From here on no change is missed.
            let changed = self.changed.notified();
            match self.lock().get(queue).map(|worker| worker.asks_others) {
                None => return true,
                Some(true) => return false,
                Some(false) => {}
            }
            changed.await;
        }
    }
}

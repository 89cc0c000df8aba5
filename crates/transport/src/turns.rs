//! Turns for what servers want of us, or we of them, a few at a time for each: one that wants much, or answers slowly, holds up itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use events::ServerName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns of one kind.
pub struct Turns {
    at_once: usize,
    servers: Mutex<BTreeMap<ServerName, Weak<Semaphore>>>,
}

/// Too many of a server wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyWait;

impl Turns {
    /// So many `at_once` for each server.
    pub fn new(at_once: usize) -> Self {
        Self { at_once, servers: Mutex::default() }
    }

    /// Waits for a turn of `server`, unless `waiting_max` wait for one already. It ends when the result is dropped.
    pub async fn take(&self, server: &ServerName, waiting_max: usize) -> Result<OwnedSemaphorePermit, TooManyWait> {
        let turns = self.of(server);
        // Whoever has a turn, or waits for one, keeps the semaphore.
        if Arc::strong_count(&turns) > self.at_once.saturating_add(waiting_max) {
            return Err(TooManyWait);
        }
        // The semaphores are never closed.
        turns.acquire_owned().await.map_err(|_| TooManyWait)
    }

    fn of(&self, server: &ServerName) -> Arc<Semaphore> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = servers.get(server).and_then(Weak::upgrade) {
            return turns;
        }
        servers.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.at_once));
        servers.insert(server.clone(), Arc::downgrade(&turns));
        turns
    }
}

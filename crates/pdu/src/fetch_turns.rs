//! Who fetches from whom, a few at a time: after an outage one server may be asked about hundreds of rooms, and neither it nor our
//! memory is to feel that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use events::ServerName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::FETCHES_PER_ORIGIN_MAX;

/// The turns to fetch what events of an origin refer to. An origin that answers slowly holds up its own events only.
#[derive(Default)]
pub(crate) struct FetchTurns(Mutex<BTreeMap<ServerName, Weak<Semaphore>>>);

impl FetchTurns {
    /// Waits for a turn. It ends when the result is dropped.
    pub(crate) async fn take(&self, origin: &ServerName) -> Option<OwnedSemaphorePermit> {
        let turns = self.of(origin);
        // The semaphores are never closed. A permit keeps its semaphore.
        turns.acquire_owned().await.ok()
    }

    fn of(&self, origin: &ServerName) -> Arc<Semaphore> {
        let mut origins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = origins.get(origin).and_then(Weak::upgrade) {
            return turns;
        }
        origins.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(FETCHES_PER_ORIGIN_MAX));
        origins.insert(origin.clone(), Arc::downgrade(&turns));
        turns
    }
}

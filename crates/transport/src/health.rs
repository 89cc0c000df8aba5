//! How it goes with each server that we send to: last success, last error in words, resting until.
//!
//! [`destination`] decides; [`Health`] keeps one for each server, in memory and, so that a restart does not hammer the dead, in
//! the database.

mod destination;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::ServerName;
use handles::{Handles, Timestamp};
use persistence::transactions::destination_health as rows;
use persistence::{Database, StoreError};
use tokio::sync::broadcast;

use crate::server::HeardFrom;

pub use destination::Destination;

/// Servers that we keep in memory, and in the database.
const DESTINATIONS_MAX: u32 = 20_000;
/// Wake-ups that a slow listener may be behind before it misses some.
const HEARD_MAX: usize = 1024;
/// One in so many writes removes what is too much.
const PRUNE_ONE_IN: u64 = 256;

type Destinations = BTreeMap<ServerName, Destination>;

/// The health of every destination.
pub struct Health {
    database: Database,
    handles: Handles,
    destinations: Arc<Mutex<Destinations>>,
    heard: broadcast::Sender<ServerName>,
}

impl Health {
    /// Starts with what the database remembers.
    pub async fn open(database: Database, handles: Handles) -> Result<Arc<Self>, StoreError> {
        let rows = database.read(|tx| rows::latest(tx, DESTINATIONS_MAX)).await?;
        let destinations = rows.into_iter().map(|(server, row)| (server, Destination::from(row))).collect();
        let (heard, _) = broadcast::channel(HEARD_MAX);
        Ok(Arc::new(Self { database, handles, destinations: Arc::new(Mutex::new(destinations)), heard }))
    }

    /// How it goes with `server`; the default if we never sent to it.
    pub fn status(&self, server: &ServerName) -> Destination {
        self.lock().get(server).cloned().unwrap_or_default()
    }

    /// When `server` is to be tried again, if that is not yet.
    pub fn resting_until(&self, server: &ServerName) -> Option<Timestamp> {
        let now = self.handles.clock.now();
        self.lock().get(server).and_then(|destination| destination.resting_until(now))
    }

    /// Every server we know something of, in order.
    pub fn all(&self) -> Vec<(ServerName, Destination)> {
        self.lock().iter().map(|(server, destination)| (server.clone(), destination.clone())).collect()
    }

    /// Takes note that `server` answered.
    pub fn succeeded(&self, server: &ServerName) {
        self.update(server, Destination::handle_success);
    }

    /// Takes note that a request of ours, begun at `began`, failed because of `reason`.
    pub fn failed(&self, server: &ServerName, began: Timestamp, reason: &str) {
        let jitter = self.handles.random.fraction();
        self.update(server, |destination, now| destination.handle_failure(began, now, reason, jitter));
    }

    /// Takes note that `server` asked us to leave it alone for a while.
    pub fn asked_to_rest(&self, server: &ServerName, rest: Duration, reason: &str) {
        self.update(server, |destination, now| destination.handle_rest(now, rest, reason));
    }

    /// Takes note that `server` asked something of us, and tells those who [listen](Health::listen). It may have been down; it
    /// is up.
    pub fn heard_from(&self, server: &ServerName) {
        if self.lock().contains_key(server) {
            self.update(server, Destination::handle_heard);
        }
        // Nobody listens while the server starts or stops.
        let _: Result<_, _> = self.heard.send(server.clone());
    }

    /// Returns a channel that tells of each server we hear from. Who lags behind misses some, and should then look at all.
    pub fn listen(&self) -> broadcast::Receiver<ServerName> {
        self.heard.subscribe()
    }

    fn update(&self, server: &ServerName, change: impl FnOnce(&mut Destination, Timestamp) -> destination::Store) {
        let now = self.handles.clock.now();
        let mut destinations = self.lock();
        make_room(&mut destinations, server);
        let store = change(destinations.entry(server.clone()).or_default(), now);
        drop(destinations);
        match store {
            destination::Store::No => {}
            destination::Store::Yes => self.store(server.clone()),
        }
    }

    /// Stores in the background: a request need not wait for that, and a lost row costs one attempt.
    fn store(&self, server: ServerName) {
        let (database, destinations) = (self.database.clone(), Arc::clone(&self.destinations));
        let (now, prune) = (self.handles.clock.now(), self.handles.random.below(PRUNE_ONE_IN) == 0);
        self.handles.tasks.spawn("store the health of a destination", async move {
            let stored = database.write(move |tx| {
                // Read here, so that of two writes that overtake each other the last one has the last word.
                let health = lock(&destinations).get(&server).cloned().unwrap_or_default();
                rows::put(tx, &server, &health.into(), now)?;
                if prune { rows::prune(tx, DESTINATIONS_MAX) } else { Ok(()) }
            });
            if let Err::<(), StoreError>(error) = stored.await {
                tracing::warn!("the health of a destination was not stored: {error}");
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Destinations> {
        lock(&self.destinations)
    }
}

impl HeardFrom for Health {
    fn heard_from(&self, server: &ServerName) {
        Self::heard_from(self, server);
    }
}

fn lock(destinations: &Mutex<Destinations>) -> MutexGuard<'_, Destinations> {
    destinations.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets the server that we tried longest ago, if there are too many.
fn make_room(destinations: &mut Destinations, newcomer: &ServerName) {
    if destinations.len() < DESTINATIONS_MAX as usize || destinations.contains_key(newcomer) {
        return;
    }
    let oldest =
        destinations.iter().min_by_key(|(_, destination)| destination.last_tried()).map(|(name, _)| name.clone());
    if let Some(oldest) = oldest {
        destinations.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn health(database: &Database, seed: u64) -> (Arc<Health>, Handles) {
        let handles = Handles::simulated(seed);
        (Health::open(database.clone(), handles.clone()).await.unwrap(), handles)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_survives_a_restart() {
        let database = Database::open_inline(None).unwrap();
        let server = ServerName::parse("b.test").unwrap();
        let (first, handles) = health(&database, 1).await;
        first.failed(&server, handles.clock.now(), "cannot reach b.test: connection refused");
        let known = first.status(&server);
        assert!(first.resting_until(&server).is_some());
        while handles.tasks.count() > 0 {
            tokio::task::yield_now().await;
        }
        drop(first);
        let (second, _) = health(&database, 2).await;
        assert_eq!(second.status(&server), known);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_heard_from_is_announced_and_no_longer_rests() {
        let database = Database::open_inline(None).unwrap();
        let (health, handles) = health(&database, 1).await;
        let (server, stranger) = (ServerName::parse("b.test").unwrap(), ServerName::parse("c.test").unwrap());
        for _ in 0..20 {
            health.failed(&server, handles.clock.now(), "refused");
        }
        handles.clock.sleep(Duration::from_secs(60)).await;
        assert!(health.resting_until(&server).is_some());
        let mut heard = health.listen();
        health.heard_from(&server);
        health.heard_from(&stranger);
        assert_eq!(health.resting_until(&server), None);
        assert_eq!((heard.recv().await.unwrap(), heard.recv().await.unwrap()), (server, stranger.clone()));
        assert!(health.all().iter().all(|(name, _)| *name != stranger), "strangers cost no memory");
    }
}

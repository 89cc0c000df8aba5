//! The keys of all servers: our own, published; those of others, fetched, verified, kept. S2S API, "Retrieving server keys".
//!
//! A key comes from memory, from the database, from its server (one request at a time for each server, however many wait), or at
//! last from a notary that the configuration trusts. All waits are bounded; a fetch that takes longer goes on in the
//! background and serves whoever asks next.

mod document;
mod fetch;
mod notary;
mod own;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use events::{KeyId, Object, PublicKey, ServerName, SigningKey};
use futures_util::future::join_all;
use handles::{Handles, Timestamp};
use persistence::transactions::server_keys as rows;
use persistence::{Database, StoreError};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::client::Client;
use document::{Document, ServerKeys};
use fetch::{Attempt, Flight, Purpose};

pub use document::OldKey;
pub use own::{remember_own_key, to_file};

/// Servers whose keys are kept in memory.
const CACHED_SERVERS_MAX: usize = 10_000;
/// Requests for keys in flight at once. In a large room most servers that are asked for keys may be gone, and each of these holds
/// a place until its time is over.
const REQUESTS_MAX: usize = 128;
/// How long a request or an event waits for a key. Other servers give us a minute to answer.
const KEY_WAIT: Duration = Duration::from_secs(15);

/// Why there is no key for a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither the server nor a notary could be asked.
    #[error("the keys of {server} could not be had: {reason}")]
    Unavailable {
        /// Whose keys.
        server: ServerName,
        /// What went wrong.
        reason: String,
    },
    /// The server does not publish this key.
    #[error("{server} does not publish the key {key}")]
    Unknown {
        /// Whose key.
        server: ServerName,
        /// Which one.
        key: KeyId,
    },
    /// The server says that it no longer uses this key.
    #[error("the key {key} of {server} is no longer valid")]
    Expired {
        /// Whose key.
        server: ServerName,
        /// Which one.
        key: KeyId,
    },
}

/// The key ring of one server. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    server_name: ServerName,
    key: Arc<SigningKey>,
    old_keys: Vec<OldKey>,
    own_keys: Arc<ServerKeys>,
    client: Client,
    database: Database,
    handles: Handles,
    notaries: Vec<ServerName>,
    cache: Cache<ServerName, Arc<ServerKeys>>,
    attempts: Cache<ServerName, Attempt>,
    flights: Mutex<BTreeMap<ServerName, Flight>>,
    requests: Semaphore,
}

/// The keys that [`KeyRing::for_events`] could get.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    servers: BTreeMap<ServerName, Arc<ServerKeys>>,
    missing: BTreeSet<ServerName>,
}

/// For each server the keys that are wanted, and the time at which each must be valid.
type Wanted = BTreeMap<ServerName, BTreeMap<KeyId, Timestamp>>;

impl KeyRing {
    /// Keeps keys in `database` and fetches them as `client` would, but unsigned. `notaries` are asked, in this order, for what
    /// a server itself does not give.
    pub fn new(
        key: Arc<SigningKey>,
        old_keys: Vec<OldKey>,
        client: Client,
        database: Database,
        handles: Handles,
        notaries: Vec<ServerName>,
    ) -> Self {
        let own_keys = Arc::new(ServerKeys::own(&key, &old_keys));
        Self(Arc::new(Inner {
            server_name: client.server_name().clone(),
            key,
            old_keys,
            own_keys,
            client,
            database,
            handles,
            notaries,
            cache: Cache::new(CACHED_SERVERS_MAX),
            attempts: Cache::new(CACHED_SERVERS_MAX),
            flights: Mutex::default(),
            requests: Semaphore::new(REQUESTS_MAX),
        }))
    }

    pub(crate) fn handles(&self) -> &Handles {
        &self.0.handles
    }

    /// The document that we publish, signed.
    pub fn own_document(&self) -> Object {
        Document::own(&self.0.server_name, &self.0.key, &self.0.old_keys, self.0.handles.clock.now())
    }

    /// Returns a key that `server` signs requests with today. Waits at most 15 seconds.
    pub async fn for_request(&self, server: &ServerName, key: &KeyId) -> Result<PublicKey, KeyError> {
        let now = self.0.handles.clock.now();
        if let Some(found) = self.known(server).await.for_request(key, now) {
            return Ok(found);
        }
        self.fetch(server, BTreeMap::from([(key.clone(), now)]), Purpose::Request, KEY_WAIT).await;
        let keys = self.known(server).await;
        if let Some(found) = keys.for_request(key, now) {
            return Ok(found);
        }
        let (server, key) = (server.clone(), key.clone());
        match self.0.attempts.get(&server).and_then(|attempt| attempt.error) {
            Some(reason) => Err(KeyError::Unavailable { server, reason }),
            None if self.is_in_flight(&server) => {
                Err(KeyError::Unavailable { server, reason: "it has not answered yet".to_owned() })
            }
            None if keys.get(&key).is_some() => Err(KeyError::Expired { server, key }),
            None => Err(KeyError::Unknown { server, key }),
        }
    }

    /// Gets what it can of the wanted keys: whose, which, and the `origin_server_ts` of the event signed with it. Waits at
    /// most 15 seconds.
    pub async fn for_events(&self, wanted: &[(ServerName, KeyId, Timestamp)]) -> Keys {
        self.for_events_within(wanted, KEY_WAIT).await
    }

    /// As [`KeyRing::for_events`], but waits as long as `patience`: for many servers at once, of which some are gone.
    pub async fn for_events_within(&self, wanted: &[(ServerName, KeyId, Timestamp)], patience: Duration) -> Keys {
        let began = self.0.handles.clock.monotonic();
        let wanted = group(wanted);
        let mut servers = self.known_of(wanted.keys()).await;
        let lacking: Wanted = wanted
            .iter()
            .filter_map(|(server, keys)| {
                let lacking = lacking(servers.get(server), keys);
                (!lacking.is_empty()).then(|| (server.clone(), lacking))
            })
            .collect();
        if lacking.is_empty() {
            return Keys { servers, missing: BTreeSet::new() };
        }
        let fetches = lacking.iter().map(|(server, keys)| self.fetch(server, keys.clone(), Purpose::Events, patience));
        join_all(fetches).await;
        servers.extend(self.known_of(lacking.keys()).await);
        // A server that answered just now and does not know the key has never had it, or says that it had expired: that is
        // no reason to wait. All others may know it another time.
        let missing = lacking
            .into_iter()
            .filter(|(server, keys)| !self::lacking(servers.get(server), keys).is_empty())
            .filter(|(server, _)| !self.answered_since(server, began))
            .map(|(server, _)| server)
            .collect();
        Keys { servers, missing }
    }

    /// The keys of one server, from memory or the database.
    async fn known(&self, server: &ServerName) -> Arc<ServerKeys> {
        self.known_of([server]).await.remove(server).unwrap_or_default()
    }

    async fn known_of(&self, servers: impl IntoIterator<Item = &ServerName>) -> BTreeMap<ServerName, Arc<ServerKeys>> {
        let mut found = BTreeMap::new();
        let mut unread = Vec::new();
        for server in servers {
            if *server == self.0.server_name {
                found.insert(server.clone(), Arc::clone(&self.0.own_keys));
            } else if let Some(keys) = self.0.cache.get(server) {
                found.insert(server.clone(), keys);
            } else {
                unread.push(server.clone());
            }
        }
        if unread.is_empty() {
            return found;
        }
        let read = self.0.database.read(move |tx| {
            unread
                .into_iter()
                .map(|server| Ok((rows::keys(tx, &server)?, server)))
                .collect::<Result<Vec<_>, StoreError>>()
        });
        match read.await {
            Ok(read) => {
                for (rows, server) in read {
                    let keys = Arc::new(ServerKeys::from_rows(rows));
                    // A fetch may have put newer keys there meanwhile; they stay.
                    let keys = match self.0.cache.get_or_insert_with(&server, || Ok::<_, StoreError>(keys)) {
                        Ok(keys) => keys,
                        Err(_) => continue,
                    };
                    found.insert(server, keys);
                }
            }
            Err(error) => tracing::error!("keys of other servers cannot be read: {error}"),
        }
        found
    }
}

impl Keys {
    /// Returns the key with which `server` signed an event at the time `at`. Without `enforce_validity`, as in room versions 1
    /// to 4, any time will do.
    pub fn get(&self, server: &ServerName, key: &KeyId, at: Timestamp, enforce_validity: bool) -> Option<PublicKey> {
        let keys = self.servers.get(server)?;
        if enforce_validity { keys.for_event(key, at) } else { keys.get(key).map(|known| known.key.clone()) }
    }

    /// Servers of which a wanted key could not be had. That says nothing about the signatures: try again later.
    pub fn missing(&self) -> &BTreeSet<ServerName> {
        &self.missing
    }
}

fn group(wanted: &[(ServerName, KeyId, Timestamp)]) -> Wanted {
    let mut grouped = Wanted::new();
    for (server, key, at) in wanted {
        let latest = grouped.entry(server.clone()).or_default().entry(key.clone()).or_insert(*at);
        *latest = (*latest).max(*at);
    }
    grouped
}

fn lacking(known: Option<&Arc<ServerKeys>>, wanted: &BTreeMap<KeyId, Timestamp>) -> BTreeMap<KeyId, Timestamp> {
    let has = |key: &KeyId, at: Timestamp| known.is_some_and(|known| known.for_event(key, at).is_some());
    wanted.iter().filter(|(key, at)| !has(key, **at)).map(|(key, at)| (key.clone(), *at)).collect()
}

#[cfg(test)]
mod tests;

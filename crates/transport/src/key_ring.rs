//! The signing keys of other servers: fetched once however many wait, verified, kept. S2S API, "Retrieving server keys".

mod document;
mod fetch;
mod own;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use events::{KeyId, PublicKey, ServerName, SigningKey};
use futures_util::future::join_all;
use handles::{Handles, Timestamp};
use persistence::Database;
use tokio::sync::Mutex as AsyncMutex;

use crate::Client;
use crate::limits::{KEYS_RETRY_MAX, KEYS_RETRY_MIN, KEYS_WAIT_MAX, SERVERS_IN_MEMORY_MAX};
pub use own::OldKey;

/// The keys of all servers. Cheap to clone.
#[derive(Clone)]
pub struct KeyRing(Arc<Inner>);

struct Inner {
    own: own::OwnKeys,
    client: Client,
    database: Database,
    handles: Handles,
    notaries: Vec<ServerName>,
    servers: Mutex<BTreeMap<ServerName, Arc<AsyncMutex<Known>>>>,
}

/// What is known of one server. Whoever holds the lock fetches; the others wait for it and then look again.
#[derive(Default)]
struct Known {
    loaded: bool,
    keys: BTreeMap<KeyId, ServerKey>,
    failures: u32,
    retry_at: Timestamp,
}

/// A key of another server.
#[derive(Debug, Clone)]
struct ServerKey {
    public: PublicKey,
    /// Signs requests and events until then; at most seven days after we got it.
    valid_until: Timestamp,
    /// When its server stopped to use it: older events only.
    expired: Option<Timestamp>,
}

/// A key cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key {key} of {server} cannot be had: {reason}")]
pub struct KeyError {
    /// Whose key.
    pub server: ServerName,
    /// Which.
    pub key: KeyId,
    /// Why not.
    pub reason: String,
}

/// Some keys, to check events with.
#[derive(Default)]
pub struct Keys {
    keys: BTreeMap<(ServerName, KeyId), ServerKey>,
    missing: BTreeSet<ServerName>,
}

impl Keys {
    /// Returns a key, if it was valid `at` that time; `enforce_validity` says whether the room version asks for that.
    pub fn get(&self, server: &ServerName, key: &KeyId, at: Timestamp, enforce_validity: bool) -> Option<PublicKey> {
        let found = self.keys.get(&(server.clone(), key.clone()))?;
        (!enforce_validity || found.is_valid_at(at)).then(|| found.public.clone())
    }

    /// The servers whose keys could not be had. That is no bad signature: the event may wait.
    pub fn missing(&self) -> &BTreeSet<ServerName> {
        &self.missing
    }
}

impl ServerKey {
    fn is_valid_at(&self, at: Timestamp) -> bool {
        match self.expired {
            Some(expired) => at <= expired,
            None => at <= self.valid_until,
        }
    }
}

impl KeyRing {
    /// Keeps keys in `database`, fetches them through `client`; `notaries` are asked when their owner cannot be.
    pub fn new(
        key: Arc<SigningKey>,
        old_keys: Vec<OldKey>,
        client: Client,
        database: Database,
        handles: Handles,
        notaries: Vec<ServerName>,
    ) -> Self {
        let own = own::OwnKeys::new(client.server_name().clone(), key, old_keys);
        Self(Arc::new(Inner { own, client, database, handles, notaries, servers: Mutex::new(BTreeMap::new()) }))
    }

    /// Returns the key that a request is signed with. Keys that their server no longer uses verify no requests.
    pub async fn for_request(&self, server: &ServerName, key: &KeyId) -> Result<PublicKey, KeyError> {
        let now = self.0.handles.clock.now();
        let mut keys = Keys::default();
        self.collect(server, &BTreeMap::from([(key.clone(), now)]), &mut keys).await;
        let found = keys.keys.get(&(server.clone(), key.clone()));
        let refused =
            |reason: &str| Err(KeyError { server: server.clone(), key: key.clone(), reason: reason.to_owned() });
        match found {
            Some(found) if found.expired.is_some() => refused("its server no longer uses it"),
            Some(found) if found.valid_until < now => refused("it is no longer valid"),
            Some(found) => Ok(found.public.clone()),
            None => refused("its server does not publish it, or cannot be asked"),
        }
    }

    /// Gets what it can of the wanted keys, each with the time at which it has to be valid. Waits at most [`KEYS_WAIT_MAX`].
    pub async fn for_events(&self, wanted: &[(ServerName, KeyId, Timestamp)]) -> Keys {
        let mut by_server: BTreeMap<ServerName, BTreeMap<KeyId, Timestamp>> = BTreeMap::new();
        for (server, key, at) in wanted {
            let latest = by_server.entry(server.clone()).or_default().entry(key.clone()).or_insert(*at);
            *latest = (*latest).max(*at);
        }
        let all = join_all(by_server.iter().map(|(server, wanted)| async move {
            let mut keys = Keys::default();
            self.collect(server, wanted, &mut keys).await;
            keys
        }));
        let mut keys = Keys::default();
        for some in all.await {
            keys.keys.extend(some.keys);
            keys.missing.extend(some.missing);
        }
        keys
    }

    /// Puts what is known of a server into `keys`, after fetching if that is not enough.
    async fn collect(&self, server: &ServerName, wanted: &BTreeMap<KeyId, Timestamp>, keys: &mut Keys) {
        if let Some(own) = self.0.own.of(server) {
            keys.keys.extend(own.into_iter().map(|(id, key)| ((server.clone(), id), key)));
            return;
        }
        let known = self.known(server);
        let clock = self.0.handles.clock.clone();
        let look = async {
            let mut known = known.lock().await;
            self.load(server, &mut known).await;
            if !known.satisfies(wanted) {
                self.refresh(server, wanted, &mut known).await;
            }
            known.keys.clone()
        };
        let found = tokio::select! {
            biased;
            found = look => found,
            () = clock.sleep(KEYS_WAIT_MAX) => BTreeMap::new(),
        };
        if wanted.keys().any(|key| !found.contains_key(key)) {
            keys.missing.insert(server.clone());
        }
        keys.keys.extend(found.into_iter().map(|(id, key)| ((server.clone(), id), key)));
    }

    fn known(&self, server: &ServerName) -> Arc<AsyncMutex<Known>> {
        let mut servers = self.0.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if servers.len() >= SERVERS_IN_MEMORY_MAX && !servers.contains_key(server) {
            // They are in the database; those that somebody waits for stay.
            servers.retain(|_, known| Arc::strong_count(known) > 1);
        }
        Arc::clone(servers.entry(server.clone()).or_default())
    }

    /// Fetches a server's keys, unless that failed a moment ago.
    async fn refresh(&self, server: &ServerName, wanted: &BTreeMap<KeyId, Timestamp>, known: &mut Known) {
        let now = self.0.handles.clock.now();
        if now < known.retry_at {
            return;
        }
        match self.fetch(server, wanted).await {
            Ok(keys) => {
                known.keys.extend(keys);
                known.failures = 0;
                // A key that its server does not publish is not asked for again at once.
                known.retry_at = now + millis(KEYS_RETRY_MIN);
            }
            Err(reason) => {
                tracing::info!(server.name = %server, "No keys of {server}: {reason}");
                let pause = KEYS_RETRY_MIN.saturating_mul(1 << known.failures.min(10)).min(KEYS_RETRY_MAX);
                known.failures += 1;
                known.retry_at = now + millis(pause);
            }
        }
    }
}

impl Known {
    fn satisfies(&self, wanted: &BTreeMap<KeyId, Timestamp>) -> bool {
        wanted.iter().all(|(id, at)| self.keys.get(id).is_some_and(|key| key.is_valid_at(*at)))
    }
}

fn millis(duration: std::time::Duration) -> Timestamp {
    Timestamp::try_from(duration.as_millis()).unwrap_or(Timestamp::MAX)
}

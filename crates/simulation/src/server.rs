//! A whole server over the simulated network, without clients' HTTP: the real layers, put together as the binary does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events::{KeyId, Object, ServerName, SigningKey, UserId};
use handles::{Handles, Notifier, Random};
use media::{FileError, Media, MediaConfig};
use messaging::{Messaging, UserDirectory};
use pdu::{Graph, Parts, StoredBodies};
use persistence::simulated::Fate;
use persistence::transactions::identity::OwnKey;
use persistence::transactions::restoring;
use persistence::{Database, OpenError, SimulatedDisk, StoreError};
use tempfile::TempDir;
use tracing::Instrument;
use transaction::{EduIntake, Inbound, MediaRequests, Outbound, Pulls, Requests, Volume};
use transport::error::ApiError;
use transport::exchange::BoxFuture;
use transport::key_ring::{remember_own_key, to_file};
use transport::questions::{Answer, UserQuestions};
use transport::server::{ServerContext, Shares, router};
use transport::{Client, Health, KeyRing, MediaClient};

use crate::{Network, log};

/// A running server.
pub struct SimulatedServer {
    name: ServerName,
    database: Database,
    messaging: Messaging,
    media: Media,
    handles: Handles,
    network: Network,
    _files: TempDir,
}

/// What a server is made of, and keeps when it is off.
#[derive(Clone)]
pub struct Machine {
    /// Its name.
    pub name: ServerName,
    /// What it signs with.
    pub key: Arc<SigningKey>,
    /// The file that tells of its keys, beside the database.
    pub public_keys: Arc<Mutex<Vec<OwnKey>>>,
    /// Its disk.
    pub disk: SimulatedDisk,
}

/// Bytes of a file, and of all copies of files of other servers.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// What one server may have another store in a day: more than honest ones do here.
const DAY_BYTES_MAX: u64 = 8 << 20;

/// A server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no folder for files.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no temporary folder.
    #[error("there is no temporary folder: {0}")]
    Folder(#[from] std::io::Error),
}

impl Machine {
    /// A machine with an empty disk, and a key drawn from `random`.
    pub fn new(name: &ServerName, random: &dyn Random) -> Result<Self, OpenError> {
        Ok(Self {
            name: name.clone(),
            key: Arc::new(Self::new_key(random)),
            public_keys: Arc::default(),
            disk: SimulatedDisk::new()?,
        })
    }

    /// Draws a signing key.
    pub fn new_key(random: &dyn Random) -> SigningKey {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        let id = KeyId::parse(format!("ed25519:{}", random.token(6))).expect("it follows the grammar");
        SigningKey::from_seed(id, &seed)
    }
}

/// Everybody has an account.
struct Everybody;

impl UserDirectory for Everybody {
    fn exists<'a>(&'a self, _user: &'a UserId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async { Ok(true) })
    }

    fn count_invite(&self, _: &ServerName, _: &UserId) -> Result<(), Duration> {
        Ok(())
    }
}

/// Nothing is known of users.
struct NoUsers;

impl UserQuestions for NoUsers {
    fn profile<'a>(&'a self, _: &'a ServerName, _: &'a UserId, _: Option<String>) -> Answer<'a> {
        Box::pin(async { Err(ApiError::not_found("there are no profiles in this simulation")) })
    }

    fn devices<'a>(&'a self, _: &'a ServerName, _: &'a UserId) -> Answer<'a> {
        Box::pin(async { Err(ApiError::not_found("there are no devices in this simulation")) })
    }

    fn query_keys<'a>(&'a self, _: &'a ServerName, _: Object) -> Answer<'a> {
        Box::pin(async { Err(ApiError::not_found("there are no keys in this simulation")) })
    }

    fn claim_keys<'a>(&'a self, _: &'a ServerName, _: Object) -> Answer<'a> {
        Box::pin(async { Err(ApiError::not_found("there are no keys in this simulation")) })
    }
}

impl SimulatedServer {
    /// Starts a server with a database in memory, to which nothing happens, and puts it into the network.
    pub async fn start(network: &Network, name: &ServerName, handles: Handles) -> Result<Self, StartError> {
        let key = Arc::new(Machine::new_key(&*handles.random));
        Self::start_on(network, name, key, &Mutex::default(), Database::open_inline(None)?, handles).await
    }

    /// Starts a machine, and puts it into the network. Its tasks are those of `handles`; its disk fares as `fate` says.
    pub async fn start_machine(
        network: &Network,
        machine: &Machine,
        handles: Handles,
        fate: Arc<dyn Fate>,
    ) -> Result<Self, StartError> {
        let database = Database::on_simulated_disk(&machine.disk, &handles, fate);
        let span = log::span_of(machine.name.as_str());
        let key = Arc::clone(&machine.key);
        Self::start_on(network, &machine.name, key, &machine.public_keys, database, handles).instrument(span).await
    }

    async fn start_on(
        network: &Network,
        name: &ServerName,
        key: Arc<SigningKey>,
        public_keys: &Mutex<Vec<OwnKey>>,
        database: Database,
        handles: Handles,
    ) -> Result<Self, StartError> {
        let now = handles.clock.now();
        if database.read(restoring::copied_at).await?.is_some() {
            database.write(move |tx| restoring::leap(tx, now)).await?;
        }
        let filed = public_keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let old_keys = remember_own_key(&database, &key, filed, now).await?;
        *public_keys.lock().unwrap_or_else(PoisonError::into_inner) = to_file(&key, &old_keys);
        let health = Health::open(database.clone(), handles.clone()).await?;
        let client =
            Client::new(name.clone(), Arc::clone(&key), network.outlet(name), handles.clone(), Arc::clone(&health));
        let key_ring =
            KeyRing::new(Arc::clone(&key), old_keys, client.clone(), database.clone(), handles.clone(), Vec::new());
        let files = tempfile::tempdir()?;
        let media_config = MediaConfig {
            server_name: name.clone(),
            folder: files.path().to_owned(),
            upload_bytes_max: FILE_BYTES_MAX,
            cache_bytes_max: FILE_BYTES_MAX,
        };
        let media_requests = MediaRequests::new(MediaClient::new(client.clone(), network.downloads(name)));
        let media = Media::open(media_config, database.clone(), handles.clone(), media_requests)?;
        let outbound =
            Outbound::new(name.clone(), database.clone(), handles.clone(), client.clone(), Arc::new(StoredBodies));
        let requests = Requests::new(client);
        let volume = Volume::new(Some(DAY_BYTES_MAX), handles.clock.clone());
        let graph = Graph::new(Parts {
            server_name: name.clone(),
            signing_key: key,
            database: database.clone(),
            handles: handles.clone(),
            key_ring: Arc::new(key_ring.clone()),
            requests: requests.clone(),
            outbound: outbound.clone(),
            notifier: Notifier::default(),
            volume: volume.clone(),
        });
        let messaging = Messaging::new(graph.clone(), Arc::new(Everybody));
        let edus: Vec<Arc<dyn EduIntake>> = vec![Arc::new(messaging.clone())];
        let inbound = Inbound::new(database.clone(), handles.clone(), Arc::new(graph.clone()), edus, volume);
        let pulls = Pulls::new(database.clone(), handles.clone(), requests, inbound.clone());
        let context = ServerContext {
            server_name: name.clone(),
            key_ring,
            inbox: Arc::new(inbound.clone()),
            deliveries: Arc::new(outbound.clone()),
            events: Arc::new(graph.clone()),
            membership: Arc::new(messaging.clone()),
            directory: Arc::new(messaging.clone()),
            users: Arc::new(NoUsers),
            media: Arc::new(media.clone()),
            heard_from: Arc::new(Awake { health, outbound: outbound.clone() }),
            shares: Shares::new(Arc::clone(&handles.clock)),
        };
        network.attach(name, router(context), handles.tasks.clone());
        graph.start().await?;
        inbound.start();
        messaging.start();
        pulls.start();
        outbound.start();
        Ok(Self { name: name.clone(), database, messaging, media, handles, network: network.clone(), _files: files })
    }

    /// Switches the server off, wherever it is.
    pub fn switch_off(self) {
        self.network.detach(&self.name);
        self.handles.tasks.abort();
    }

    /// Its database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Its clock, randomness and tasks.
    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// Its name.
    pub fn name(&self) -> &ServerName {
        &self.name
    }

    /// Its files, at most [`FILE_BYTES_MAX`] each.
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// Its rooms.
    pub fn messaging(&self) -> &Messaging {
        &self.messaging
    }
}

/// Who wants to know that a server is awake.
struct Awake {
    health: Arc<Health>,
    outbound: Outbound,
}

impl transport::server::HeardFrom for Awake {
    fn heard_from(&self, server: &ServerName) {
        self.health.heard_from(server);
        self.outbound.heard_from(server);
    }
}

//! A whole server over the simulated network, without clients' HTTP: the real layers, put together as the binary does.

use std::sync::Arc;

use events::{KeyId, Object, ServerName, SigningKey, UserId};
use handles::{Handles, Notifier};
use media::{FileError, Media, MediaConfig};
use messaging::{Messaging, UserDirectory};
use pdu::{Graph, Parts, StoredBodies};
use persistence::{Database, OpenError, StoreError};
use tempfile::TempDir;
use transaction::{EduIntake, Inbound, MediaRequests, Outbound, Pulls, Requests};
use transport::error::ApiError;
use transport::exchange::BoxFuture;
use transport::questions::{Answer, UserQuestions};
use transport::server::{ServerContext, router};
use transport::{Client, Health, KeyRing, MediaClient};

use crate::Network;

/// A running server.
pub struct SimulatedServer {
    name: ServerName,
    messaging: Messaging,
    media: Media,
    _files: TempDir,
}

/// Bytes of a file, and of all copies of files of other servers.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A server cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The database cannot be opened.
    Open(OpenError),
    /// The database failed.
    Store(StoreError),
    /// There is no folder for files.
    File(FileError),
    /// There is no temporary folder.
    Folder(std::io::Error),
}

/// Everybody has an account.
struct Everybody;

impl UserDirectory for Everybody {
    fn exists<'a>(&'a self, _user: &'a UserId) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async { Ok(true) })
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
    /// Starts a server with a database in memory, and puts it into the network.
    pub async fn start(network: &Network, name: &ServerName, handles: Handles) -> Result<Self, StartError> {
        let mut seed = [0; 32];
        handles.random.fill(&mut seed);
        let id = KeyId::parse("ed25519:simulated").expect("it follows the grammar");
        let key = Arc::new(SigningKey::from_seed(id, &seed));
        let database = Database::open_inline(None).map_err(StartError::Open)?;
        let health = Health::open(database.clone(), handles.clone()).await.map_err(StartError::Store)?;
        let client =
            Client::new(name.clone(), Arc::clone(&key), network.outlet(name), handles.clone(), Arc::clone(&health));
        let key_ring =
            KeyRing::new(Arc::clone(&key), Vec::new(), client.clone(), database.clone(), handles.clone(), Vec::new());
        let files = tempfile::tempdir().map_err(StartError::Folder)?;
        let media_config = MediaConfig {
            server_name: name.clone(),
            folder: files.path().to_owned(),
            upload_bytes_max: FILE_BYTES_MAX,
            cache_bytes_max: FILE_BYTES_MAX,
        };
        let media_requests = MediaRequests::new(MediaClient::new(client.clone(), network.downloads(name)));
        let media = Media::open(media_config, database.clone(), handles.clone(), media_requests);
        let media = media.map_err(StartError::File)?;
        let outbound =
            Outbound::new(name.clone(), database.clone(), handles.clone(), client.clone(), Arc::new(StoredBodies));
        let requests = Requests::new(client);
        let graph = Graph::new(Parts {
            server_name: name.clone(),
            signing_key: key,
            database: database.clone(),
            handles: handles.clone(),
            key_ring: Arc::new(key_ring.clone()),
            requests: requests.clone(),
            outbound: outbound.clone(),
            notifier: Notifier::default(),
        });
        let messaging = Messaging::new(graph.clone(), Arc::new(Everybody));
        let edus: Vec<Arc<dyn EduIntake>> = vec![Arc::new(messaging.clone())];
        let inbound = Inbound::new(database.clone(), handles.clone(), Arc::new(graph.clone()), edus);
        let pulls = Pulls::new(database, handles, requests, inbound.clone());
        let context = ServerContext {
            server_name: name.clone(),
            key_ring,
            inbox: Arc::new(inbound),
            deliveries: Arc::new(outbound.clone()),
            events: Arc::new(graph.clone()),
            membership: Arc::new(messaging.clone()),
            directory: Arc::new(messaging.clone()),
            users: Arc::new(NoUsers),
            media: Arc::new(media.clone()),
            heard_from: Arc::new(Awake { health, outbound: outbound.clone() }),
        };
        network.attach(name, router(context));
        graph.start().await.map_err(StartError::Store)?;
        pulls.start();
        outbound.start();
        Ok(Self { name: name.clone(), messaging, media, _files: files })
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

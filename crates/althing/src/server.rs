//! A running server: the layers put together by plain constructors, lowest first.

mod control;
mod integrity;
mod introductions;
mod neighbours;
mod routes;
mod sockets;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use client_api::{ClientApi, ClientApiConfig, PublicDirectory};
use events::ServerName;
use handles::{Handles, Notifier};
use media::{FileError, Media, MediaConfig};
use messaging::Messaging;
use pdu::{Graph, Parts, StoredBodies};
use persistence::transactions::{identity, restoring};
use persistence::{Database, OpenError, StoreError};
use tokio::sync::{mpsc, watch};
use transaction::{EduIntake, Inbound, MediaRequests, Outbound, Pulls, Requests, Volume};
use transport::address::AllowedAddresses;
use transport::https::{Https, HttpsConfig, TlsError};
use transport::key_ring::remember_own_key;
use transport::listener::Certificate;
use transport::server::{ServerContext, Shares};
use transport::{Client, Health, KeyRing, MediaClient};
use users::rate_limits::Limits;
use users::{Neighbours, Registration, Users, UsersConfig};

pub(crate) use sockets::{ListenError, Sockets};

use crate::certificate::{self, CertificateError, Files};
use crate::config::{self, CertificateCheck, Config, RegistrationMode, Secret, Tls};
use crate::data_dir::{self, DataDir};
use crate::public_keys::{self, PublicKeysError};
use crate::signing_key::{self, SigningKeyError};

/// A server that runs until [`Server::stop`].
pub(crate) struct Server {
    /// Rooms.
    pub(crate) messaging: Messaging,
    /// Accounts.
    pub(crate) users: Users,
    database: Database,
    handles: Handles,
    stop: watch::Sender<bool>,
    /// Closed when the last listener has ended.
    listening: mpsc::Receiver<()>,
    /// Ours alone as long as the server runs.
    _data_dir: DataDir,
}

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    SigningKey(#[from] SigningKeyError),
    #[error(transparent)]
    PublicKeys(#[from] PublicKeysError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "{path} belongs to the server {owner}, but server_name is {configured}: a name cannot be changed later, it is part of \
         every user, room and event; set server_name back, or data_dir to another folder",
        path = path.display()
    )]
    OtherName { path: PathBuf, owner: ServerName, configured: ServerName },
    #[error(transparent)]
    File(#[from] FileError),
}

impl Server {
    /// Starts everything. The sockets were taken before, so that a port in use is found before anything is made.
    pub(crate) async fn start(
        config: &Config,
        sockets: Sockets,
        data_dir: DataDir,
        handles: Handles,
    ) -> Result<Self, StartError> {
        let name = &config.server_name;
        let key = signing_key::load_or_create(&data_dir::signing_key(data_dir.path()), &*handles.random)?;
        let key = Arc::new(key);
        let certificate = certificate(config, &data_dir, &handles)?;
        let exchange = Arc::new(Https::new(&https(config), handles.clone())?);
        let database = Database::open(&data_dir::database(data_dir.path()))?;
        claim_name(&database, name, data_dir.path()).await?;
        leap_if_restored(&database, handles.clock.now()).await?;
        let filed = data_dir::public_keys(data_dir.path());
        let known = public_keys::load(&filed)?;
        let old_keys = remember_own_key(&database, &key, known, handles.clock.now()).await?;
        public_keys::save(&filed, &key, &old_keys)?;

        let health = Health::open(database.clone(), handles.clone()).await?;
        let client = Client::new(name.clone(), Arc::clone(&key), exchange.clone(), handles.clone(), health.clone());
        let notaries = config.federation.trusted_key_servers.clone();
        let key_ring =
            KeyRing::new(Arc::clone(&key), old_keys, client.clone(), database.clone(), handles.clone(), notaries);

        let requests = Requests::new(client.clone());
        let files = MediaRequests::new(MediaClient::new(client.clone(), exchange));
        let media = Media::open(media(config, &data_dir), database.clone(), handles.clone(), files)?;
        let bodies = Arc::new(StoredBodies);
        let outbound = Outbound::new(name.clone(), database.clone(), handles.clone(), client, bodies);

        let notifier = Notifier::default();
        let volume = Volume::new(config.federation.bytes_per_day_max, handles.clock.clone());
        let graph = Graph::new(Parts {
            server_name: name.clone(),
            signing_key: key,
            database: database.clone(),
            handles: handles.clone(),
            key_ring: Arc::new(key_ring.clone()),
            requests: requests.clone(),
            outbound: outbound.clone(),
            notifier: notifier.clone(),
            volume: volume.clone(),
        });
        let directory = neighbours::Accounts {
            database: database.clone(),
            clock: handles.clock.clone(),
            limits: Limits::new(&config.limits),
        };
        let messaging = Messaging::new(graph.clone(), Arc::new(directory));
        let around_users = Neighbours {
            profile_listener: Arc::new(neighbours::Rooms(messaging.clone())),
            other_servers: Arc::new(neighbours::RestOfTheWorld {
                requests: requests.clone(),
                outbound: outbound.clone(),
            }),
        };
        let users =
            Users::new(name.clone(), database.clone(), handles.clone(), notifier, accounts(config), around_users);
        let edus: Vec<Arc<dyn EduIntake>> = vec![Arc::new(messaging.clone()), Arc::new(users.clone())];
        let inbound = Inbound::new(database.clone(), handles.clone(), Arc::new(graph.clone()), edus, volume);
        let pulls = Pulls::new(database.clone(), handles.clone(), requests, inbound.clone());
        let federation = ServerContext {
            server_name: name.clone(),
            key_ring,
            inbox: Arc::new(inbound.clone()),
            deliveries: Arc::new(outbound.clone()),
            events: Arc::new(graph.clone()),
            membership: Arc::new(messaging.clone()),
            directory: Arc::new(messaging.clone()),
            users: Arc::new(users.clone()),
            media: Arc::new(media.clone()),
            heard_from: Arc::new(neighbours::Awake { health, outbound: outbound.clone() }),
            shares: Shares::new(Arc::clone(&handles.clock)),
        };

        let (stop, stopped) = watch::channel(false);
        let clients = ClientApi::new(users.clone(), messaging.clone(), media.clone(), clients(config));
        let routes = routes::Routes::new(config, client_api::router(clients), federation);
        // Before anybody is answered: whoever sees that the server runs can give it orders.
        let hands = control::Hands {
            users: users.clone(),
            messaging: messaging.clone(),
            database: database.clone(),
            handles: handles.clone(),
        };
        control::start(data_dir.path(), hands, &handles);
        let listening = sockets.serve(routes, certificate, &handles, stopped);
        graph.start().await?;
        inbound.start();
        messaging.start();
        media.start();
        users.start();
        introductions::start(&messaging, &users, &handles).await?;
        integrity::watch(&database, &handles);
        pulls.start();
        // Last: it announces us to others, who then ask us.
        outbound.start();
        Ok(Self { messaging, users, database, handles, stop, listening, _data_dir: data_dir })
    }

    /// Accepts nothing more, lets requests in flight finish, stops what runs in the background, and closes the database.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        // Nothing is ever sent: the channel closes when the last listener lets go of it. Each limits how long that takes.
        while self.listening.recv().await.is_some() {}
        self.handles.tasks.stop().await;
        self.database.close().await;
    }
}

/// Makes sure that the database in `data_dir` is that of the server `name`; a new one is from now on.
pub(crate) async fn claim_name(database: &Database, name: &ServerName, data_dir: &Path) -> Result<(), StartError> {
    let claimed = name.clone();
    let owner: Result<_, StoreError> = database.write(move |tx| identity::claim_name(tx, &claimed)).await;
    match owner? {
        owner if owner == *name => Ok(()),
        owner => Err(StartError::OtherName { path: data_dir.to_owned(), owner, configured: name.clone() }),
    }
}

/// A backup that is served from for the first time gives out nothing that the original gave out after it was made.
async fn leap_if_restored(database: &Database, now: i64) -> Result<(), StoreError> {
    let copied_at = database.read(restoring::copied_at).await?;
    if let Some(copied_at) = copied_at {
        let age = Duration::from_millis(u64::try_from(now - copied_at).unwrap_or(0));
        let age =
            if copied_at == 0 { "of unknown age".to_owned() } else { format!("{} minutes old", age.as_secs() / 60) };
        tracing::warn!("This is a backup, {age}. What came since is asked for again, as far as others have it");
        database.write(move |tx| restoring::leap(tx, now)).await?;
    }
    Ok(())
}

/// Opens what `althing user` needs while no server runs: accounts without rooms, without other servers.
pub(crate) fn users_alone(config: &Config, database: Database, handles: Handles) -> Users {
    let name = config.server_name.clone();
    Users::new(name, database, handles, Notifier::default(), accounts(config), Neighbours::default())
}

fn certificate(config: &Config, data_dir: &DataDir, handles: &Handles) -> Result<Option<Arc<Certificate>>, StartError> {
    let files = match &config.federation.tls {
        Tls::Proxy => return Ok(None),
        Tls::SelfSigned => {
            let files = data_dir::self_signed(data_dir.path());
            certificate::self_signed(&config.server_name, &files)?;
            files
        }
        Tls::Files { certificate, private_key } => {
            Files { certificate: certificate.clone(), private_key: private_key.clone() }
        }
    };
    let certificate = Certificate::read(files.certificate, files.private_key)?;
    certificate.watch(handles);
    Ok(Some(certificate))
}

/// How requests to other servers are made.
pub(crate) fn https(config: &Config) -> HttpsConfig {
    HttpsConfig {
        verify_certificates: config.federation.certificates == CertificateCheck::Verify,
        extra_ca_certificates: config.federation.extra_ca_certificates.clone(),
        allowed_addresses: AllowedAddresses::new(config.federation.allowed_ip_ranges.clone()),
    }
}

fn clients(config: &Config) -> ClientApiConfig {
    ClientApiConfig {
        trusted_proxies: config.client.trusted_proxies.clone(),
        default_version: config.rooms.default_version,
        public_directory: match config.rooms.public_directory {
            config::PublicDirectory::Everyone => PublicDirectory::Everyone,
            config::PublicDirectory::Admins => PublicDirectory::Admins,
            config::PublicDirectory::Nobody => PublicDirectory::Nobody,
        },
    }
}

fn media(config: &Config, data_dir: &DataDir) -> MediaConfig {
    MediaConfig {
        server_name: config.server_name.clone(),
        folder: data_dir::media(data_dir.path()),
        upload_bytes_max: config.media.upload_bytes_max,
        cache_bytes_max: config.media.cache_bytes_max,
    }
}

fn accounts(config: &Config) -> UsersConfig {
    let exposed = |secret: &Secret| secret.expose().to_owned();
    UsersConfig {
        registration: match &config.registration.mode {
            RegistrationMode::Closed => Registration::Closed,
            RegistrationMode::Token(tokens) => Registration::Token(tokens.iter().map(exposed).collect()),
            RegistrationMode::Open => Registration::Open,
        },
        shared_secret: config.registration.shared_secret.as_ref().map(exposed),
        rates: config.limits.clone(),
    }
}

//! A running server: the layers put together by plain constructors, lowest first.

mod control;
mod introductions;
mod neighbours;
mod routes;
mod sockets;

use std::sync::Arc;

use client_api::{ClientApi, ClientApiConfig, PublicDirectory};
use handles::{Handles, Notifier};
use messaging::Messaging;
use pdu::{Graph, Parts, StoredBodies};
use persistence::{Database, OpenError, StoreError};
use tokio::sync::{mpsc, watch};
use transaction::{EduIntake, Inbound, Outbound, Requests};
use transport::address::AllowedAddresses;
use transport::https::{Https, HttpsConfig, TlsError};
use transport::listener::Certificate;
use transport::server::ServerContext;
use transport::{Client, Health, KeyRing};
use users::{Neighbours, Registration, Users, UsersConfig};

pub(crate) use sockets::{ListenError, Sockets};

use crate::certificate::{self, CertificateError, Files};
use crate::config::{self, CertificateCheck, Config, RegistrationMode, Secret, Tls};
use crate::data_dir::{self, DataDir};
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
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
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
        let exchange = Https::new(&https(config), handles.clone())?;
        let database = Database::open(&data_dir::database(data_dir.path()))?;

        let health = Health::open(database.clone(), handles.clone()).await?;
        let client = Client::new(name.clone(), Arc::clone(&key), Arc::new(exchange), handles.clone(), health.clone());
        let notaries = config.federation.trusted_key_servers.clone();
        let key_ring =
            KeyRing::new(Arc::clone(&key), Vec::new(), client.clone(), database.clone(), handles.clone(), notaries);

        let requests = Requests::new(client.clone());
        let bodies = Arc::new(StoredBodies);
        let outbound = Outbound::new(name.clone(), database.clone(), handles.clone(), client, bodies);

        let notifier = Notifier::default();
        let graph = Graph::new(Parts {
            server_name: name.clone(),
            signing_key: key,
            database: database.clone(),
            handles: handles.clone(),
            key_ring: Arc::new(key_ring.clone()),
            requests: requests.clone(),
            outbound: outbound.clone(),
            notifier: notifier.clone(),
        });
        let messaging = Messaging::new(graph.clone(), Arc::new(neighbours::Accounts(database.clone())));
        let around_users = Neighbours {
            profile_listener: Arc::new(neighbours::Rooms(messaging.clone())),
            other_servers: Arc::new(neighbours::RestOfTheWorld { requests, outbound: outbound.clone() }),
        };
        let users =
            Users::new(name.clone(), database.clone(), handles.clone(), notifier, accounts(config), around_users);
        let edus: Vec<Arc<dyn EduIntake>> = vec![Arc::new(messaging.clone()), Arc::new(users.clone())];
        let inbound = Inbound::new(database.clone(), handles.clone(), Arc::new(graph.clone()), edus);
        let federation = transport::server::router(ServerContext {
            server_name: name.clone(),
            key_ring,
            inbox: Arc::new(inbound.clone()),
            events: Arc::new(graph.clone()),
            membership: Arc::new(messaging.clone()),
            directory: Arc::new(messaging.clone()),
            users: Arc::new(users.clone()),
            heard_from: Arc::new(neighbours::Awake { health, outbound: outbound.clone() }),
        });

        let (stop, stopped) = watch::channel(false);
        let clients = ClientApi::new(users.clone(), messaging.clone(), clients(config));
        let routes = routes::Routes::new(config, client_api::router(clients), federation);
        let listening = sockets.serve(routes, certificate, &handles, stopped);
        graph.start().await?;
        inbound.start();
        messaging.start();
        users.start();
        introductions::start(&messaging, &users, &handles).await?;
        control::start(data_dir.path(), &users, &handles);
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

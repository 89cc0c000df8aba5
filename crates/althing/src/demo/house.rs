//! One of the two servers, with its user.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use events::{ServerName, UserId};
use handles::Handles;
use tokio::net::TcpListener;
use users::accounts::{NewAccount, RegistrationError, Role};

use crate::certificate::{Authority, CertificateError, Files};
use crate::config::{Config, ConfigError};
use crate::data_dir::{DataDir, DataDirError};
use crate::server::{Server, Sockets, StartError};

/// Letters of a password: about 70 bits.
const PASSWORD_LENGTH: usize = 12;

/// A running server with one user.
pub(super) struct House {
    pub(super) server_name: ServerName,
    pub(super) server: Server,
    pub(super) user: UserId,
    password: String,
    client_address: SocketAddr,
}

/// A server of the demonstration cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HouseError {
    #[error("cannot listen at 127.0.0.1: {0}")]
    Listen(std::io::Error),
    #[error("cannot write the configuration: {0}")]
    Folder(std::io::Error),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Registration(#[from] RegistrationError),
}

/// Makes the authority that both servers trust.
pub(super) fn authority(folder: &Path) -> Result<Authority, HouseError> {
    Ok(Authority::new(folder.join("authority.pem"))?)
}

impl House {
    /// Starts a server in `folder`, named after its own port, with a user.
    pub(super) async fn open(folder: &Path, authority: &Authority, localpart: &str) -> Result<Self, HouseError> {
        std::fs::create_dir_all(folder).map_err(HouseError::Folder)?;
        let (client, federation) = (listen().await?, listen().await?);
        let client_address = client.local_addr().map_err(HouseError::Listen)?;
        let server_name = name(&federation)?;
        let files = Files { certificate: folder.join("certificate.pem"), private_key: folder.join("key.pem") };
        authority.issue(&server_name, &files)?;

        let text = configuration(&server_name, client_address, authority);
        let file = folder.join("althing.toml");
        std::fs::write(&file, &text).map_err(HouseError::Folder)?;
        let config = Config::parse(&file, &text, std::iter::empty())?;

        let handles = Handles::system();
        let password = handles.random.token(PASSWORD_LENGTH);
        let sockets = Sockets::new(vec![client], vec![federation]);
        let server = Server::start(&config, sockets, DataDir::open(&config.data_dir)?, handles).await?;
        let new =
            NewAccount { localpart: Some(localpart.to_owned()), password: Some(password.clone()), role: Role::User };
        let (user, _) = server.users.register(new, None, None).await?;
        Ok(Self { server_name, server, user, password, client_address })
    }

    /// Prints how a person logs in.
    pub(super) fn introduce(&self) {
        println!("  http://{}   user {}   password {}", self.client_address, self.user, self.password);
    }

    /// Stops the server.
    pub(super) async fn close(self) {
        self.server.stop().await;
    }
}

async fn listen() -> Result<TcpListener, HouseError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(HouseError::Listen)
}

fn name(federation: &TcpListener) -> Result<ServerName, HouseError> {
    let address = federation.local_addr().map_err(HouseError::Listen)?;
    Ok(ServerName::parse(address.to_string()).expect("an IPv4 address with a port is a server name"))
}

fn configuration(server_name: &ServerName, client: SocketAddr, authority: &Authority) -> String {
    let address = server_name.as_str();
    let authority = toml::Value::String(authority.file().display().to_string());
    format!(
        "server_name = \"{server_name}\"\n\
         [client]\n\
         listen = [\"{client}\"]\n\
         public_url = \"http://{client}\"\n\
         [federation]\n\
         listen = [\"{address}\"]\n\
         certificate = \"certificate.pem\"\n\
         private_key = \"key.pem\"\n\
         extra_ca_certificates = [{authority}]\n\
         allowed_ip_ranges = [\"127.0.0.0/8\"]\n\
         trusted_key_servers = []\n\
         [registration]\n\
         mode = \"open\"\n"
    )
}

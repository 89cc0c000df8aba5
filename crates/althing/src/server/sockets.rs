//! The sockets that a server listens on.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use handles::Handles;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use transport::listener::{self, Certificate};

use super::routes::Routes;
use crate::config::Config;

/// Sockets that nobody serves yet.
pub(crate) struct Sockets {
    client: Vec<TcpListener>,
    federation: Vec<TcpListener>,
}

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address} ({setting}): {reason}; `althing check` says more")]
pub(crate) struct ListenError {
    address: SocketAddr,
    setting: &'static str,
    reason: std::io::Error,
}

impl Sockets {
    /// Takes sockets that are listening already.
    pub(crate) fn new(client: Vec<TcpListener>, federation: Vec<TcpListener>) -> Self {
        Self { client, federation }
    }

    /// Takes every address of the configuration.
    pub(crate) async fn bind(config: &Config) -> Result<Self, ListenError> {
        let mut federation = config.federation.listen.clone();
        // Behind a proxy one address may serve both.
        federation.retain(|address| address.port() == 0 || !config.client.listen.contains(address));
        Ok(Self {
            client: bind_all("client.listen", &config.client.listen).await?,
            federation: bind_all("federation.listen", &federation).await?,
        })
    }

    /// Serves until `stopped` turns true. What is returned is closed when the last request has been answered, or given up.
    pub(super) fn serve(
        self,
        routes: Routes,
        certificate: Option<Arc<Certificate>>,
        handles: &Handles,
        stopped: watch::Receiver<bool>,
    ) -> mpsc::Receiver<()> {
        let (running, listening) = mpsc::channel(1);
        let clients = self.client.into_iter().map(|socket| ("clients", socket, routes.client.clone(), None));
        let servers = self
            .federation
            .into_iter()
            .map(|socket| ("servers", socket, routes.federation.clone(), certificate.clone()));
        for (whom, socket, router, certificate) in clients.chain(servers) {
            announce(whom, &socket, certificate.as_ref());
            spawn(socket, router, certificate, handles, stopped.clone(), running.clone());
        }
        listening
    }
}

fn spawn(
    socket: TcpListener,
    router: Router,
    certificate: Option<Arc<Certificate>>,
    handles: &Handles,
    stopped: watch::Receiver<bool>,
    running: mpsc::Sender<()>,
) {
    let own_handles = handles.clone();
    handles.tasks.spawn("listener", async move {
        if let Err(error) = listener::serve(socket, router, certificate, own_handles, stopped).await {
            tracing::error!("a listener ended: {error}");
        }
        drop(running);
    });
}

fn announce(whom: &str, socket: &TcpListener, certificate: Option<&Arc<Certificate>>) {
    let protocol = if certificate.is_some() { "https" } else { "http" };
    // A socket that was bound has an address.
    if let Ok(address) = socket.local_addr() {
        tracing::info!("Listening for {whom} at {protocol}://{address}");
    }
}

async fn bind_all(setting: &'static str, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, ListenError> {
    let mut sockets = Vec::new();
    for &address in addresses {
        let socket = TcpListener::bind(address).await;
        sockets.push(socket.map_err(|reason| ListenError { address, setting, reason })?);
    }
    Ok(sockets)
}

//! Opens connections: the authority of a URI is mapped to an address that was checked and a certificate that is expected.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName as CertificateName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use super::look_up::LookUp;
use crate::address::AllowedAddresses;
use crate::discovery::Destination;
use crate::exchange::BoxFuture;

/// How long one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The next address is tried beside one that takes longer than this. RFC 8305.
const HEAD_START: Duration = Duration::from_millis(300);
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 6;
/// Authorities whose destinations are remembered.
const LEARNED_MAX: usize = 20_000;

/// Opens connections for the HTTP client. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
    allowed: AllowedAddresses,
    look_up: LookUp,
    learned: Arc<Mutex<BTreeMap<String, Destination>>>,
}

/// An open connection.
pub(super) struct OpenConnection(TokioIo<TlsStream<TcpStream>>);

impl Connector {
    pub(super) fn new(tls: Arc<rustls::ClientConfig>, allowed: AllowedAddresses, look_up: LookUp) -> Self {
        Self { tls: TlsConnector::from(tls), allowed, look_up, learned: Arc::default() }
    }

    /// Remembers where requests with a destination's authority go.
    pub(super) fn learn(&self, destination: &Destination) {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        if learned.len() >= LEARNED_MAX {
            learned.clear();
        }
        learned.insert(destination.authority.clone(), destination.clone());
    }

    async fn connect(self, authority: String) -> io::Result<OpenConnection> {
        let destination = self.learned.lock().unwrap_or_else(PoisonError::into_inner).get(&authority).cloned();
        let destination = destination.ok_or_else(|| io::Error::other(format!("nothing is known of {authority}")))?;
        let name = CertificateName::try_from(destination.certificate_name.clone()).map_err(io::Error::other)?;
        let mut last = io::Error::other(format!("{authority} has no address"));
        for (host, port) in &destination.candidates {
            match self.open(host, *port, name.clone()).await {
                Ok(stream) => return Ok(OpenConnection(TokioIo::new(stream))),
                Err(error) => last = io::Error::new(error.kind(), format!("{host}:{port}: {error}")),
            }
        }
        Err(last)
    }

    async fn open(&self, host: &str, port: u16, name: CertificateName<'static>) -> io::Result<TlsStream<TcpStream>> {
        let stream = connect_to_first(self.addresses(host, port).await?).await?;
        stream.set_nodelay(true)?;
        match timeout(HANDSHAKE_TIMEOUT, self.tls.connect(name, stream)).await {
            Ok(shaken) => shaken,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")),
        }
    }

    /// Resolves a host. The addresses that are checked here are those that are connected to.
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = self.look_up.addresses(host, port).await?;
        let allowed: Vec<SocketAddr> =
            found.iter().copied().filter(|address| self.allowed.allows(address.ip())).take(ADDRESSES_MAX).collect();
        if allowed.is_empty() && !found.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{host} leads to {}, which `federation.allowed_ip_ranges` does not allow", found[0].ip()),
            ));
        }
        Ok(allowed)
    }
}

/// Connects to whichever address accepts first, each with a head start over the next: a dead IPv6 address costs a moment only.
async fn connect_to_first(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts: FuturesUnordered<_> = addresses
        .into_iter()
        .zip(0_u32..)
        .map(|(address, place)| async move {
            #[expect(clippy::disallowed_methods, reason = "sockets are outside of what a simulation owns")]
            tokio::time::sleep(HEAD_START * place).await;
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(connected) => connected.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}"))),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("{address} did not answer"))),
            }
        })
        .collect();
    let mut last = io::Error::other("it has no address");
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Service<Uri> for Connector {
    type Response = OpenConnection;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<OpenConnection>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let authority = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        Box::pin(self.clone().connect(authority))
    }
}

impl Connection for OpenConnection {
    fn connected(&self) -> Connected {
        let (_, session) = self.0.inner().get_ref();
        if session.alpn_protocol() == Some(b"h2") { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

impl Read for OpenConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for OpenConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

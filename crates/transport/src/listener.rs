//! Accepts connections: TLS or plain, HTTP/1.1 or HTTP/2, for any router. Used for federation and for clients.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::ConnectInfo;
use handles::Handles;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::https::{TlsError, read_certificates};

/// How long a client may take for the TLS handshake, or for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections from one address.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 512;
/// Connections in all.
const CONNECTIONS_MAX: usize = 20_000;
/// How long requests in flight may take to finish when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// How often certificate files are looked at.
const CERTIFICATE_POLL: Duration = Duration::from_secs(10);
/// The pause after the system could not accept a connection, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A certificate that is read again when its files change.
pub struct Certificate {
    certificate: PathBuf,
    private_key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
    read_at: Mutex<Option<SystemTime>>,
}

impl Certificate {
    /// Reads the two PEM files.
    pub fn read(certificate: PathBuf, private_key: PathBuf) -> Result<Arc<Self>, TlsError> {
        let current = load(&certificate, &private_key)?;
        let read_at = changed(&certificate, &private_key);
        Ok(Arc::new(Self { certificate, private_key, current: RwLock::new(current), read_at: Mutex::new(read_at) }))
    }

    /// Looks at the files now and then, in the background. A pair that cannot be used is reported and left alone.
    pub fn watch(self: &Arc<Self>, handles: &Handles) {
        let (this, clock) = (Arc::clone(self), handles.clock.clone());
        handles.tasks.spawn("certificate", async move {
            loop {
                clock.sleep(CERTIFICATE_POLL).await;
                this.read_again_if_changed();
            }
        });
    }

    fn read_again_if_changed(&self) {
        let now = changed(&self.certificate, &self.private_key);
        let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now == *read_at {
            return;
        }
        *read_at = now;
        match load(&self.certificate, &self.private_key) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
                tracing::info!("The certificate {} was read again", self.certificate.display());
            }
            Err(error) => tracing::error!("the certificate has changed but cannot be used, the old one stays: {error}"),
        }
    }

    /// The server's side of TLS with this certificate: HTTP/2 and HTTP/1.1.
    fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({})", self.certificate.display())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn load(certificate: &PathBuf, private_key: &PathBuf) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = read_certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(private_key)
        .map_err(|error| TlsError::File { path: private_key.clone(), reason: error.to_string() })?;
    let pair = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
    Ok(Arc::new(pair))
}

/// When either file last changed; `None` if one is not there.
fn changed(certificate: &PathBuf, private_key: &PathBuf) -> Option<SystemTime> {
    let of = |path: &PathBuf| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    Some(of(certificate)?.max(of(private_key)?))
}

/// Counts connections by address.
#[derive(Clone, Default)]
struct Connections(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

struct Counted {
    connections: Connections,
    address: IpAddr,
}

impl Connections {
    /// Counts one more, unless there are too many.
    fn enter(&self, address: IpAddr) -> Option<Counted> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = all.values().sum();
        let count = all.entry(address).or_default();
        if *count >= CONNECTIONS_PER_ADDRESS_MAX || total >= CONNECTIONS_MAX {
            return None;
        }
        *count += 1;
        Some(Counted { connections: self.clone(), address })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.connections.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// Serves `router` on `listener` until `stop` becomes true, then lets requests in flight finish.
///
/// `certificate` is `None` for plain HTTP, behind a reverse proxy.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    certificate: Option<Arc<Certificate>>,
    handles: Handles,
    stop: watch::Receiver<bool>,
) -> Result<(), TlsError> {
    let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
    let graceful = GracefulShutdown::new();
    let connections = Connections::default();
    let mut stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                handles.clock.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(counted) = connections.enter(address.ip()) else {
            tracing::debug!("too many connections: {address} was turned away");
            continue;
        };
        let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
        handles.tasks.spawn("connection", async move {
            let _counted = counted;
            if let Err(error) = serve_connection(stream, address, router, tls, watcher).await {
                tracing::debug!("the connection of {address} ended: {error}");
            }
        });
    }
    drop(listener);
    tokio::select! {
        biased;
        () = graceful.shutdown() => {}
        () = handles.clock.sleep(DRAIN_TIMEOUT) => tracing::warn!("some requests did not finish before the server stopped"),
    }
    Ok(())
}

async fn serve_connection(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    tls: Option<TlsAcceptor>,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let service = router.map_request(move |mut request: axum::extract::Request| {
        request.extensions_mut().insert(ConnectInfo(address));
        request
    });
    let service = TowerToHyperService::new(tower::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        service.clone().oneshot(request.map(axum::body::Body::new))
    }));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(60)));
    match tls {
        Some(tls) => {
            let stream = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await??;
            watcher.watch(builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned()).await
        }
        None => watcher.watch(builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned()).await,
    }
}

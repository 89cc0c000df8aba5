//! Accepts connections: TLS or plain, HTTP/1.1 or HTTP/2, for any router. Used for federation and for clients.
//!
//! A connection has a deadline at every stage: for the handshake, for the head of a request, for taking the answer, and for
//! doing nothing at all.

mod certificate;
mod connections;
mod guarded;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use handles::Handles;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::https::TlsError;
use connections::Connections;
use guarded::Guarded;

pub use certificate::Certificate;

/// How long a client may take for the TLS handshake, or for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection without a request is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// How often a client over HTTP/2 is asked whether it is still there.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(60);
/// Bytes of the head of a request. The longest that a server sends names a hundred events.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Requests in flight on one connection over HTTP/2.
const STREAMS_MAX: u32 = 100;
/// How long requests in flight may take to finish when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// The pause after the system could not accept a connection, as when there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` becomes true, then lets requests in flight finish, for 8 seconds at most.
///
/// `certificate` is `None` for plain HTTP, behind a reverse proxy. Handlers find the client's address as
/// [`ConnectInfo<SocketAddr>`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    certificate: Option<Arc<Certificate>>,
    handles: Handles,
    stop: watch::Receiver<bool>,
) -> Result<(), TlsError> {
    let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
    let connections = Connections::default();
    // Closed when the last connection has ended.
    let (open, mut all_ended) = mpsc::channel::<()>(1);
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
        let (router, tls, handles, stop, open) =
            (router.clone(), tls.clone(), handles.clone(), stop.clone(), open.clone());
        handles.tasks.clone().spawn("connection", async move {
            let _held = (counted, open);
            if let Err(error) = shake_hands(stream, address, router, tls, handles, stop).await {
                tracing::debug!("the connection of {address} ended: {error}");
            }
        });
    }
    drop((listener, open));
    tokio::select! {
        biased;
        _ = all_ended.recv() => {}
        () = handles.clock.sleep(DRAIN_TIMEOUT) => tracing::warn!("some requests did not finish before the server stopped"),
    }
    Ok(())
}

type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    tls: Option<TlsAcceptor>,
    handles: Handles,
    stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    match tls {
        Some(tls) => {
            let stream = timeout(HEAD_TIMEOUT, tls.accept(stream)).await??;
            converse(stream, address, router, handles, stop).await
        }
        None => converse(stream, address, router, handles, stop).await,
    }
}

/// Answers the requests of one connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: SocketAddr,
    router: Router,
    handles: Handles,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    let activity = Arc::new(Activity::default());
    let seen = Arc::clone(&activity);
    let service = tower::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (router, in_flight) = (router.clone(), seen.begin());
        let takes_turns = request.version() < http::Version::HTTP_2;
        async move {
            let mut request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(ConnectInfo(address));
            let response = router.oneshot(request).await;
            // The answer is still being sent, but there the guard on writing keeps time.
            drop(in_flight);
            response.map(|mut response| {
                // The rest of the body is not read. Who is not told tries to use the connection for the next request.
                if takes_turns && response.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
                    response.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
                }
                response
            })
        }
    });
    let builder = builder();
    let stream = TokioIo::new(Guarded::new(stream));
    let mut connection = pin!(builder.serve_connection(stream, TowerToHyperService::new(service)));
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            _ = stop.wait_for(|stop| *stop) => break,
            () = handles.clock.sleep(IDLE_TIMEOUT) => {
                if activity.was_idle_since_last_asked() {
                    break;
                }
            }
        }
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(KEEP_ALIVE_INTERVAL))
        .max_concurrent_streams(Some(STREAMS_MAX))
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}

/// What happens on a connection.
#[derive(Default)]
struct Activity {
    in_flight: AtomicUsize,
    begun: AtomicUsize,
    begun_when_asked: AtomicUsize,
}

/// A request in flight.
struct InFlight(Arc<Activity>);

impl Activity {
    fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    fn was_idle_since_last_asked(&self) -> bool {
        let begun = self.begun.load(Ordering::Relaxed);
        let before = self.begun_when_asked.swap(begun, Ordering::Relaxed);
        self.in_flight.load(Ordering::Relaxed) == 0 && begun == before
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

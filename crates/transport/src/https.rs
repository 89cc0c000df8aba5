//! The real [`Exchange`]: finds the server, checks its address and its certificate, sends the request.

mod connector;
mod download;
mod look_up;
mod tls;
mod well_known;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use events::ServerName;
use futures_util::StreamExt;
use handles::{Handles, Timestamp};
use http::HeaderMap;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::address::AllowedAddresses;
use crate::discovery::{Destination, Discovery, Next};
use crate::download::Download;
use crate::exchange::{BoxFuture, Exchange, ExchangeError, Request, Response};
use connector::Connector;
use look_up::LookUp;
pub use tls::{TlsError, certificate_authorities, client_config, read_certificates};
use well_known::Known;

/// How requests to other servers are made.
#[derive(Debug, Clone)]
pub struct HttpsConfig {
    /// Refuse certificates that no known authority signed. Only a test or a closed network switches it off.
    pub verify_certificates: bool,
    /// Authorities known beside the system's: files in PEM.
    pub extra_ca_certificates: Vec<PathBuf>,
    /// Addresses that may be reached beside the public ones.
    pub allowed_addresses: AllowedAddresses,
}

/// How long an idle connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// Idle connections to one server.
const IDLE_PER_SERVER_MAX: usize = 4;
/// How often a connection is asked whether it is still there. One that has silently gone would swallow a request after another.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// An answer that comes at this rate may take longer than the request's time-out: it makes progress.
const PROGRESS_BYTES_PER_SECOND: u64 = 16 * 1024;
/// Who we say we are.
const USER_AGENT: &str = concat!("Althing/", env!("CARGO_PKG_VERSION"));

type Http = HyperClient<Connector, Full<Bytes>>;

/// Sends requests over HTTPS. Cheap to clone.
#[derive(Clone)]
pub struct Https {
    http: Http,
    connector: Connector,
    /// Well-known files have connections of their own: a host's web server and its Matrix server answer to the same name, at
    /// different ports, and connections are told apart by that name.
    well_known_http: Http,
    well_known_connector: Connector,
    well_known_port: u16,
    well_knowns: Arc<Mutex<BTreeMap<String, Known>>>,
    look_up: LookUp,
    handles: Handles,
}

impl Https {
    /// Reads the certificate authorities and the system's name service configuration.
    pub fn new(config: &HttpsConfig, handles: Handles) -> Result<Self, TlsError> {
        let look_up = LookUp::new(handles.clone());
        Self::with(config, handles, look_up, 443)
    }

    fn with(config: &HttpsConfig, handles: Handles, look_up: LookUp, well_known_port: u16) -> Result<Self, TlsError> {
        let tls = tls::client_config(config)?;
        let connector = Connector::new(Arc::clone(&tls), config.allowed_addresses.clone(), look_up.clone());
        let well_known_connector = Connector::new(tls, config.allowed_addresses.clone(), look_up.clone());
        Ok(Self {
            http: http_client(connector.clone()),
            connector,
            well_known_http: http_client(well_known_connector.clone()),
            well_known_connector,
            well_known_port,
            well_knowns: Arc::default(),
            look_up,
            handles,
        })
    }

    /// Finds out where `server` is, step by step. What was found lately is remembered.
    pub async fn discover(&self, server: &ServerName) -> Destination {
        let mut discovery = Discovery::new(server);
        loop {
            match discovery.next() {
                Next::WellKnown(host) => discovery.handle_well_known(self.delegate_of(&host).await.as_ref()),
                Next::Srv(name) => discovery.handle_srv(self.look_up.srv(&name).await),
                Next::Found(destination) => return destination,
            }
        }
    }

    /// Nobody was there: it may have moved.
    fn led_nowhere(&self, server: &ServerName, destination: &Destination) {
        self.look_up.forget(&destination.certificate_name);
        let mut all = self.well_knowns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(server.host()) {
            known.handle_led_nowhere(self.handles.clock.now());
        }
    }

    /// Returns the head of the response, and its body yet to be read.
    async fn begin(&self, request: Request) -> Result<http::Response<Incoming>, ExchangeError> {
        let server = request.destination;
        let unreachable = |reason: String| ExchangeError::Unreachable { server: server.clone(), reason };
        let destination = self.discover(&server).await;
        let uri = format!("https://{}{}", destination.authority, request.path_and_query);
        self.connector.learn(&destination);
        let mut builder =
            http::Request::builder().method(request.method).uri(uri).header(http::header::USER_AGENT, USER_AGENT);
        if let Some(authorization) = &request.authorization {
            builder = builder.header(http::header::AUTHORIZATION, authorization);
        }
        if request.body.is_some() {
            builder = builder.header(http::header::CONTENT_TYPE, "application/json");
        }
        let http_request = builder
            .body(Full::new(request.body.unwrap_or_default()))
            .map_err(|error| unreachable(error.to_string()))?;
        self.http.request(http_request).await.map_err(|error| {
            if error.is_connect() {
                self.led_nowhere(&server, &destination);
            }
            unreachable(with_causes(&error))
        })
    }

    /// Reads a body as long as it makes progress and is not too large.
    async fn read(
        &self,
        server: &ServerName,
        body: Incoming,
        bytes_max: usize,
        deadline: Duration,
    ) -> Result<Bytes, ExchangeError> {
        let mut pieces = self.pieces(server, body, bytes_max, deadline)?;
        let mut read = BytesMut::new();
        while let Some(piece) = pieces.next().await {
            read.extend_from_slice(&piece?);
        }
        Ok(read.freeze())
    }
}

/// The head of a response, and what reading its body takes.
struct Head {
    parts: http::response::Parts,
    body: Incoming,
    server: ServerName,
    bytes_max: usize,
    deadline: Duration,
}

impl Https {
    /// Sends a request and waits for the head of the response.
    async fn head(&self, request: Request) -> Result<Head, ExchangeError> {
        let (server, bytes_max) = (request.destination.clone(), request.response_bytes_max);
        let deadline = self.handles.clock.monotonic() + request.timeout;
        let timeout = self.handles.clock.sleep(request.timeout);
        let response = tokio::select! {
            biased;
            response = self.begin(request) => response?,
            () = timeout => return Err(ExchangeError::TimedOut(server)),
        };
        let (parts, body) = response.into_parts();
        refuse_compressed(&server, &parts.headers)?;
        Ok(Head { parts, body, server, bytes_max, deadline })
    }
}

impl Exchange for Https {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        Box::pin(async move {
            let Head { parts, body, server, bytes_max, deadline } = self.head(request).await?;
            let retry_after = retry_after(&parts.headers, self.handles.clock.now());
            let body = self.read(&server, body, bytes_max, deadline).await?;
            Ok(Response { status: parts.status.as_u16(), body, retry_after })
        })
    }

    fn open(&self, request: Request) -> BoxFuture<'_, Result<Download, ExchangeError>> {
        Box::pin(async move {
            let Head { parts, body, server, bytes_max, deadline } = self.head(request).await?;
            let body = self.pieces(&server, body, bytes_max, deadline)?;
            Ok(Download { status: parts.status.as_u16(), headers: parts.headers, body })
        })
    }
}

/// What `Retry-After` says, in seconds: it is a number of them, or a date. RFC 9110, section 10.2.3.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<u64> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let at = || {
        let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(at.as_secs().saturating_sub(u64::try_from(now / 1000).unwrap_or(0)))
    };
    text.parse().ok().or_else(at)
}

/// We announce no encodings. Whoever compresses all the same might send a little that becomes very much.
fn refuse_compressed(server: &ServerName, headers: &HeaderMap) -> Result<(), ExchangeError> {
    match headers.get(http::header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => Err(ExchangeError::Unreachable {
            server: server.clone(),
            reason: format!("it answers in the encoding {encoding:?}, which was not asked for"),
        }),
        Some(_) | None => Ok(()),
    }
}

fn http_client(connector: Connector) -> Http {
    HyperClient::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_PER_SERVER_MAX)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .http2_keep_alive_while_idle(true)
        .build(connector)
}

/// An error with what caused it: the message alone says "client error (Connect)".
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;

//! The real [`Exchange`]: finds the server, checks its address and its certificate, sends the request.

mod connector;
mod look_up;
mod tls;
mod well_known;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use events::ServerName;
use handles::{Handles, Timestamp};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::address::AllowedAddresses;
use crate::discovery::{Destination, Discovery, Next};
use crate::exchange::{BoxFuture, Exchange, ExchangeError, Request, Response};
use connector::Connector;
use look_up::LookUp;
pub use tls::{TlsError, certificate_authorities, read_certificates};

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

/// How long what was found out about a server counts, if nothing else was said.
const DISCOVERED_FOR: Duration = Duration::from_secs(3600);
/// Servers whose place is remembered.
const DISCOVERED_MAX: usize = 20_000;
/// How long an idle connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// Idle connections to one server.
const IDLE_PER_SERVER_MAX: usize = 4;

type Http = HyperClient<Connector, Full<Bytes>>;

/// Sends requests over HTTPS. Cheap to clone.
#[derive(Clone)]
pub struct Https {
    http: Http,
    connector: Connector,
    look_up: LookUp,
    handles: Handles,
    discovered: Arc<Mutex<BTreeMap<ServerName, Discovered>>>,
}

#[derive(Clone)]
struct Discovered {
    destination: Destination,
    until: Timestamp,
}

impl Https {
    /// Reads the certificate authorities and the system's name service configuration.
    pub fn new(config: &HttpsConfig, handles: Handles) -> Result<Self, TlsError> {
        let connector = Connector::new(tls::client(config)?, config.allowed_addresses.clone());
        let http = HyperClient::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_PER_SERVER_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector.clone());
        let look_up = LookUp::new();
        Ok(Self { http, connector, look_up, handles, discovered: Arc::default() })
    }

    /// Finds out where `server` is, from memory or step by step.
    pub async fn discover(&self, server: &ServerName) -> Destination {
        let now = self.handles.clock.now();
        if let Some(known) = self.lock().get(server).filter(|known| known.until > now) {
            return known.destination.clone();
        }
        let mut until = now + millis(DISCOVERED_FOR);
        let mut discovery = Discovery::new(server);
        let destination = loop {
            match discovery.next() {
                Next::WellKnown(host) => {
                    let found = self.well_known(&host).await;
                    until = now + millis(found.keep_for);
                    discovery.handle_well_known(found.delegate.as_ref());
                }
                Next::Srv(name) => discovery.handle_srv(self.look_up.srv(&name).await),
                Next::Found(destination) => break destination,
            }
        };
        let mut discovered = self.lock();
        if discovered.len() >= DISCOVERED_MAX {
            discovered.retain(|_, known| known.until > now);
        }
        if discovered.len() < DISCOVERED_MAX {
            discovered.insert(server.clone(), Discovered { destination: destination.clone(), until });
        }
        destination
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ServerName, Discovered>> {
        self.discovered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_request(&self, request: Request) -> Result<Response, ExchangeError> {
        let server = request.destination.clone();
        let unreachable = |reason: String| ExchangeError::Unreachable { server: server.clone(), reason };
        let destination = self.discover(&server).await;
        let uri = format!("https://{}{}", destination.authority, request.path_and_query);
        self.connector.learn(&destination);
        let mut builder = http::Request::builder().method(request.method).uri(uri);
        if let Some(authorization) = &request.authorization {
            builder = builder.header(http::header::AUTHORIZATION, authorization);
        }
        if request.body.is_some() {
            builder = builder.header(http::header::CONTENT_TYPE, "application/json");
        }
        builder = builder.header(http::header::USER_AGENT, concat!("Althing/", env!("CARGO_PKG_VERSION")));
        let http_request = builder
            .body(Full::new(request.body.unwrap_or_default()))
            .map_err(|error| unreachable(error.to_string()))?;
        let response = self.http.request(http_request).await.map_err(|error| {
            // Where it is may have changed: look again next time.
            self.lock().remove(&server);
            unreachable(with_causes(&error))
        })?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(http::header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|after| after.to_str().ok()?.parse().ok());
        let body = Limited::new(response.into_body(), request.response_bytes_max).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                ExchangeError::TooLarge(server.clone())
            } else {
                unreachable(format!("the answer broke off: {error}"))
            }
        })?;
        Ok(Response { status, body: body.to_bytes(), retry_after })
    }
}

impl Exchange for Https {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        Box::pin(async move {
            let server = request.destination.clone();
            let timeout = self.handles.clock.sleep(request.timeout);
            tokio::select! {
                biased;
                response = self.send_request(request) => response,
                () = timeout => Err(ExchangeError::TimedOut(server)),
            }
        })
    }
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

fn millis(duration: Duration) -> Timestamp {
    Timestamp::try_from(duration.as_millis()).unwrap_or(Timestamp::MAX)
}

//! A scripted server with many names: it has made rooms, lets others join them, and takes what is sent to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use events::signature::sign_json;
use events::{EventId, KeyId, Object, ServerName, SigningKey};
use handles::Handles;
use http::{Method, StatusCode};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use transport::address::AllowedAddresses;
use transport::https::{Https, HttpsConfig};
use transport::listener::{Certificate, serve};
use transport::x_matrix::SignedRequest;
use transport::{Exchange, PathBuilder};

use crate::made_room::{MadeRoom, Rooms};
use crate::report::{Failure, failed};

/// Bytes of a request that are read.
const BODY_BYTES_MAX: usize = 16 * 1_048_576;
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 16 * 1_048_576;
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How long a key is valid from its making on, in milliseconds.
const KEY_VALIDITY: i64 = 24 * 3_600_000;

/// Servers on as many loopback addresses, all with one key.
pub(crate) struct Peer {
    shared: Arc<Shared>,
    /// The names, in the order of their addresses.
    pub(crate) names: Vec<ServerName>,
    /// Transactions that came.
    pub(crate) arrivals: mpsc::UnboundedReceiver<Arrival>,
    https: Https,
    /// For requests of the second name: servers do not share connections.
    https_of_second: Https,
    stop: watch::Sender<bool>,
    _folder: TempDir,
}

/// A transaction as it came.
pub(crate) struct Arrival {
    /// When, on the monotonic clock.
    pub(crate) at: Duration,
    /// To whom.
    pub(crate) destination: String,
    /// What.
    pub(crate) body: Bytes,
}

struct Shared {
    key: SigningKey,
    rooms: Mutex<Rooms>,
    arrived: mpsc::UnboundedSender<Arrival>,
    /// The ids of the joins that were sent to us.
    joined: mpsc::UnboundedSender<EventId>,
    /// Whether who joins is told without the members, if they can do without.
    omits_members: AtomicBool,
    handles: Handles,
}

/// A request that is signed already.
pub(crate) struct Prepared(transport::Request);

impl Prepared {
    /// With so much space before its body, which is signed without it.
    pub(crate) fn padded(mut self, bytes: usize) -> Self {
        let body = self.0.body.take().unwrap_or_default();
        self.0.body = Some([vec![b' '; bytes].as_slice(), &body].concat().into());
        self
    }
}

impl Peer {
    /// Listens at so many addresses of 127.0.0.0/8, at the same port. Also returns where the joins arrive.
    pub(crate) async fn start(
        names: usize,
        handles: &Handles,
    ) -> Result<(Self, mpsc::UnboundedReceiver<EventId>), Failure> {
        let folder = TempDir::with_prefix("althing-load-").map_err(failed("a temporary folder"))?;
        let certificate = certificate(folder.path())?;
        let key = KeyId::parse("ed25519:load").map_err(failed("a key id"))?;
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let (joined, joins) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            key: SigningKey::from_seed(key, &[7; 32]),
            rooms: Mutex::default(),
            arrived,
            joined,
            omits_members: AtomicBool::new(false),
            handles: handles.clone(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let (stop, stopped) = watch::channel(false);
        let (mut port, mut all) = (0, Vec::with_capacity(names));
        for number in 0..names {
            let listener = TcpListener::bind(address(number, port)).await.map_err(failed("a listener"))?;
            let bound = listener.local_addr().map_err(failed("a listener"))?;
            port = bound.port();
            all.push(ServerName::parse(bound.to_string()).map_err(failed("a server name"))?);
            let serving =
                serve(listener, router.clone(), Some(Arc::clone(&certificate)), handles.clone(), stopped.clone());
            handles.tasks.spawn("peer", async move {
                if let Err(error) = serving.await {
                    eprintln!("the peer does not listen: {error}");
                }
            });
        }
        let config = HttpsConfig {
            verify_certificates: false,
            extra_ca_certificates: Vec::new(),
            allowed_addresses: AllowedAddresses::new(vec!["127.0.0.0/8".parse().map_err(failed("a range"))?]),
        };
        let https = Https::new(&config, handles.clone()).map_err(failed("TLS"))?;
        let https_of_second = Https::new(&config, handles.clone()).map_err(failed("TLS"))?;
        Ok((Self { shared, names: all, arrivals, https, https_of_second, stop, _folder: folder }, joins))
    }

    /// The key of all names.
    pub(crate) fn key(&self) -> &SigningKey {
        &self.shared.key
    }

    /// Makes a room with so many members, from all names in turn, and looks at it.
    pub(crate) fn make_room<T>(&self, members: usize, look: impl FnOnce(&MadeRoom) -> T) -> Result<T, Failure> {
        let room = MadeRoom::new(&self.names, members, self.key(), &self.shared.handles)?;
        let seen = look(&room);
        self.shared.lock().insert(room.id.to_string(), room);
        Ok(seen)
    }

    /// From now on leaves members out for those who can do without them.
    pub(crate) fn omit_members(&self) {
        self.shared.omits_members.store(true, Ordering::Relaxed);
    }

    /// Looks at a room that was made.
    pub(crate) fn look<T>(&self, room: &str, look: impl FnOnce(&MadeRoom) -> T) -> Result<T, Failure> {
        self.shared.lock().get(room).map(look).ok_or_else(|| Failure(format!("{room} was never made")))
    }

    /// Signs a transaction of the first name.
    pub(crate) fn prepare(&self, destination: &ServerName, transaction: &str, pdus: &[events::Pdu]) -> Prepared {
        self.prepare_as(&self.names[0], destination, transaction, pdus)
    }

    /// Signs a transaction of `origin`, one of the names.
    pub(crate) fn prepare_as(
        &self,
        origin: &ServerName,
        destination: &ServerName,
        transaction: &str,
        pdus: &[events::Pdu],
    ) -> Prepared {
        let path = PathBuilder::new("/_matrix/federation/v1/send").segment(transaction).finish();
        let pdus: Vec<&Object> = pdus.iter().map(events::Pdu::object).collect();
        let body = json!({ "origin": origin, "origin_server_ts": self.shared.handles.clock.now(), "pdus": pdus });
        let body = events::json::canonical_value(&body);
        self.sign(origin, destination, Method::PUT, path, Some(&body))
    }

    /// Signs a transaction of `origin`, one of the names, with nothing but EDUs: a list of them as canonical JSON.
    pub(crate) fn prepare_edus_as(
        &self,
        origin: &ServerName,
        destination: &ServerName,
        transaction: &str,
        edus: &str,
    ) -> Prepared {
        let path = PathBuilder::new("/_matrix/federation/v1/send").segment(transaction).finish();
        let now = self.shared.handles.clock.now();
        let body = format!(r#"{{"edus":{edus},"origin":"{origin}","origin_server_ts":{now},"pdus":[]}}"#);
        self.sign(origin, destination, Method::PUT, path, Some(&body))
    }

    /// Signs any request of `origin`, one of the names.
    pub(crate) fn sign(
        &self,
        origin: &ServerName,
        destination: &ServerName,
        method: Method,
        path: String,
        body: Option<&str>,
    ) -> Prepared {
        let signed = SignedRequest { method: method.as_str(), uri: &path, origin, destination };
        Prepared(transport::Request {
            destination: destination.clone(),
            authorization: Some(signed.sign(body, self.key())),
            method,
            path_and_query: path,
            body: body.map(|body| Bytes::from(body.to_owned())),
            timeout: ANSWER_MAX,
            response_bytes_max: ANSWER_BYTES_MAX,
        })
    }

    /// Sends what was prepared for the second name, whatever is answered. Returns the status, or `None` if there is no answer.
    pub(crate) async fn status_of(&self, request: Prepared) -> Option<u16> {
        self.https_of_second.send(request.0).await.ok().map(|response| response.status)
    }

    /// Sends what was prepared. Fails if a PDU was refused.
    pub(crate) async fn send(&self, request: Prepared) -> Result<(), Failure> {
        let response = self.https.send(request.0).await.map_err(failed("a transaction"))?;
        let answer: Value = serde_json::from_slice(&response.body).map_err(failed("its answer"))?;
        let refused = answer["pdus"].as_object().is_none_or(|pdus| pdus.values().any(|pdu| !pdu["error"].is_null()));
        if response.status != 200 || refused {
            return Err(Failure(format!("a transaction was answered with {} {answer}", response.status)));
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `GET /_matrix/key/v2/server`
    fn keys(&self, server: &str) -> Option<Value> {
        let server = ServerName::parse(server).ok()?;
        let keys = json!({
            "server_name": server, "old_verify_keys": {}, "valid_until_ts": self.handles.clock.now() + KEY_VALIDITY,
            "verify_keys": { self.key.id().as_str(): { "key": self.key.public().to_base64() } },
        });
        let Value::Object(mut keys) = keys else { return None };
        sign_json(&mut keys, &server, &self.key);
        Some(Value::Object(keys))
    }
}

/// Answers every request, for all names.
async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let server = parts.uri.authority().map(|authority| authority.as_str()).or(host).unwrap_or_default().to_owned();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else { return respond(StatusCode::BAD_REQUEST, "{}") };
    let segments: Vec<&str> = path.trim_start_matches("/_matrix/").split('/').collect();
    let found: Option<Bytes> = match segments.as_slice() {
        ["key", "v2", "server", ..] => shared.keys(&server).map(|keys| keys.to_string().into()),
        ["federation", "v1", "send", _] => {
            let at = shared.handles.clock.monotonic();
            // Nobody may be listening to what arrives.
            let _: Result<_, _> = shared.arrived.send(Arrival { at, destination: server, body });
            Some(Bytes::from_static(br#"{"pdus":{}}"#))
        }
        ["federation", "v1", "make_join", room, user] => {
            shared.lock().get(&decoded(room)).map(|room| room.join_template(&decoded(user)).to_string().into())
        }
        ["federation", "v2", "send_join", room, event] => {
            if let Ok(id) = EventId::parse(decoded(event)) {
                let _: Result<_, _> = shared.joined.send(id);
            }
            let omits = shared.omits_members.load(Ordering::Relaxed) && query.contains("omit_members=true");
            let answer = if omits { MadeRoom::join_answer_without_members } else { MadeRoom::join_answer };
            shared.lock().get(&decoded(room)).map(answer)
        }
        ["federation", "v1", "state", room] => shared.lock().get(&decoded(room)).map(|room| room.state_answer().into()),
        ["federation", "v1", "state_ids", room] => {
            shared.lock().get(&decoded(room)).map(|room| room.state_ids_answer().into())
        }
        _ => None,
    };
    match found {
        Some(body) => respond(StatusCode::OK, body),
        None => respond(StatusCode::NOT_FOUND, r#"{"errcode":"M_UNRECOGNIZED","error":"not in the script"}"#),
    }
}

fn respond(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// A segment of a path without its percent-encoding.
fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// The address of the name with this number: 127.1.0.1, 127.1.0.2, ...
fn address(number: usize, port: u16) -> SocketAddr {
    let [_, _, high, low] = u32::try_from(number + 1).unwrap_or(u32::MAX).to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 1, high, low), port))
}

fn certificate(folder: &Path) -> Result<Arc<Certificate>, Failure> {
    let key = KeyPair::generate().map_err(failed("a key"))?;
    let parameters = CertificateParams::new(["load.test".to_owned()]).map_err(failed("a certificate"))?;
    let certificate = parameters.self_signed(&key).map_err(failed("a certificate"))?;
    let (certificate_file, key_file) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate_file, certificate.pem()).map_err(failed("a certificate"))?;
    std::fs::write(&key_file, key.serialize_pem()).map_err(failed("a certificate"))?;
    Certificate::read(certificate_file, key_file).map_err(failed("a certificate"))
}

//! Real sockets for tests: a certificate authority, sites over HTTPS, a name server. All on addresses of 127.0.0.0/8.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use handles::{Handles, Tasks};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;

use crate::listener::{self, Certificate};

/// Signs certificates that only those believe who are told to.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    issued: AtomicUsize,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key), issued: AtomicUsize::new(0) }
    }

    /// Its own certificate.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for these names and addresses, and its key, both in PEM.
    pub(crate) fn pem(&self, names: &[&str]) -> (String, String) {
        let params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// The same, written to two files.
    pub(crate) fn files(&self, names: &[&str]) -> (PathBuf, PathBuf) {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let path = |kind| self.folder.path().join(format!("{number}.{kind}.pem"));
        let (certificate, key) = self.pem(names);
        std::fs::write(path("certificate"), certificate).unwrap();
        std::fs::write(path("key"), key).unwrap();
        (path("certificate"), path("key"))
    }
}

/// A site that runs until it is dropped.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    /// Requests that reached it.
    pub(crate) hits: Arc<AtomicUsize>,
    _stop: watch::Sender<bool>,
    _tasks: Tasks,
}

impl Site {
    /// Serves `router` on some port of `ip`, with a certificate for `names`.
    pub(crate) async fn start(authority: &Authority, ip: &str, names: &[&str], router: Router) -> Self {
        let (certificate, key) = authority.files(names);
        let certificate = Certificate::read(certificate, key).unwrap();
        let socket = TcpListener::bind((ip, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let hits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&hits);
        let counted =
            axum::middleware::from_fn(move |request: axum::extract::Request, next: axum::middleware::Next| {
                counter.fetch_add(1, Ordering::Relaxed);
                next.run(request)
            });
        let (stop, stopped) = watch::channel(false);
        let handles = Handles::system();
        let tasks = handles.tasks.clone();
        tasks.spawn("site", async move {
            listener::serve(socket, router.layer(counted), Some(certificate), handles, stopped).await.unwrap();
        });
        Self { address, hits, _stop: stop, _tasks: tasks }
    }

    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::Relaxed)
    }
}

/// Answers every request with `site`, and with what the request said.
pub(crate) fn echo(site: &'static str) -> Router {
    Router::new().fallback(async move |request: axum::extract::Request| {
        let header = request.headers().get("host").map(|host| host.to_str().unwrap().to_owned());
        let host = header.or_else(|| request.uri().authority().map(ToString::to_string));
        let path = request.uri().path_and_query().map(ToString::to_string);
        axum::Json(json!({ "site": site, "host": host, "path": path }))
    })
}

/// A name server that knows what it was told.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    /// Dropping them stops them.
    _tasks: Tasks,
}

#[derive(Default)]
struct Zone {
    records: BTreeMap<(String, u16), Vec<Vec<u8>>>,
    asked: Vec<String>,
}

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

impl NameServer {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let shared = Arc::clone(&zone);
        let handles = Handles::system();
        handles.tasks.spawn("name server", async move {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let found = answer(&mut shared.lock().unwrap(), &buffer[..length]);
                if let Some(answer) = found {
                    let _: Result<_, _> = socket.send_to(&answer, from).await;
                }
            }
        });
        Self { address, zone, _tasks: handles.tasks }
    }

    pub(crate) fn host(&self, name: &str, address: &str) {
        match address.parse().unwrap() {
            IpAddr::V4(v4) => self.put(name, A, v4.octets().to_vec()),
            IpAddr::V6(v6) => self.put(name, AAAA, v6.octets().to_vec()),
        }
    }

    pub(crate) fn srv(&self, name: &str, priority: u16, target: &str, port: u16) {
        let mut data: Vec<u8> = [priority, 0, port].iter().flat_map(|number| number.to_be_bytes()).collect();
        for label in target.split('.').filter(|label| !label.is_empty()) {
            data.push(u8::try_from(label.len()).unwrap());
            data.extend(label.as_bytes());
        }
        data.push(0);
        self.put(name, SRV, data);
    }

    /// How often it was asked for SRV records of this name.
    pub(crate) fn times_asked(&self, name: &str) -> usize {
        self.zone.lock().unwrap().asked.iter().filter(|asked| *asked == name).count()
    }

    fn put(&self, name: &str, kind: u16, data: Vec<u8>) {
        self.zone.lock().unwrap().records.entry((name.to_owned(), kind)).or_default().push(data);
    }
}

/// RFC 1035, section 4.
fn answer(zone: &mut Zone, question: &[u8]) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    while let Some(&length) = question.get(at).filter(|length| **length > 0) {
        let label = question.get(at + 1..at + 1 + usize::from(length))?;
        labels.push(String::from_utf8(label.to_ascii_lowercase()).ok()?);
        at += 1 + usize::from(length);
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes([*question.get(at + 1)?, *question.get(at + 2)?]);
    if kind == SRV {
        zone.asked.push(name.clone());
    }
    let found = zone.records.get(&(name.clone(), kind)).cloned().unwrap_or_default();
    let exists = zone.records.keys().any(|(known, _)| *known == name);
    let mut answer = question[..2].to_vec();
    answer.extend(if exists { [0x85, 0x80] } else { [0x85, 0x83] });
    for count in [1, u16::try_from(found.len()).ok()?, 0, 0] {
        answer.extend(count.to_be_bytes());
    }
    answer.extend(question.get(12..at + 5)?);
    for data in found {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

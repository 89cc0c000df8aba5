//! Requests over real sockets: names, `.well-known` files, SRV records and redirects, with TLS throughout.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use futures_util::stream;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::loopback::{Authority, NameServer, Site, echo};

/// Where requests may go. 127.200.0.0/16 stands for what is private.
const ALLOWED: &str = "127.0.0.0/9";
const FORBIDDEN: &str = "127.200.0.1";

struct World {
    authority: Authority,
    names: NameServer,
    web: Option<Site>,
}

impl World {
    async fn new() -> Self {
        Self { authority: Authority::new(), names: NameServer::start().await, web: None }
    }

    async fn site(&self, names: &[&str], router: Router) -> Site {
        Site::start(&self.authority, "127.0.0.1", names, router).await
    }

    /// A web server for `hosts`, at the port that stands for 443.
    async fn web(&mut self, hosts: &[&str], router: Router) {
        for host in hosts {
            self.names.host(host, "127.0.0.1");
        }
        self.web = Some(self.site(hosts, router).await);
    }

    fn https(&self) -> Https {
        self.https_with(true)
    }

    fn https_with(&self, verify_certificates: bool) -> Https {
        let config = HttpsConfig {
            verify_certificates,
            extra_ca_certificates: vec![self.authority.path()],
            allowed_addresses: AllowedAddresses::new(vec![ALLOWED.parse().unwrap()]),
        };
        let handles = Handles::system();
        let look_up = LookUp::at(self.names.address, handles.clone());
        // Nothing listens at port 1.
        let port = self.web.as_ref().map_or(1, |web| web.address.port());
        Https::with(&config, handles, look_up, port).unwrap()
    }

    /// Asks `server` for `/x` and returns what [`echo`] says.
    async fn ask(&self, server: &str) -> Result<Value, ExchangeError> {
        ask(&self.https(), server).await
    }
}

fn name(server: &str) -> ServerName {
    ServerName::parse(server).unwrap()
}

fn request(server: &str) -> Request {
    Request {
        destination: name(server),
        method: http::Method::GET,
        path_and_query: "/x".to_owned(),
        authorization: None,
        body: None,
        timeout: Duration::from_secs(20),
        response_bytes_max: 1 << 20,
    }
}

async fn ask(https: &Https, server: &str) -> Result<Value, ExchangeError> {
    let response = https.send(request(server)).await?;
    Ok(serde_json::from_slice(&response.body).unwrap())
}

fn said(site: &str, host: &str) -> Result<Value, ExchangeError> {
    Ok(json!({ "site": site, "host": host, "path": "/x" }))
}

/// A web server that delegates to `delegate`.
fn delegating(delegate: String) -> Router {
    crate::server::well_known_server(delegate)
}

#[tokio::test]
async fn an_ip_literal_has_a_certificate_for_the_address() {
    let world = World::new().await;
    let site = world.site(&["127.0.0.1"], echo("m")).await;
    let server = site.address.to_string();
    assert_eq!(world.ask(&server).await, said("m", &server));
    let other = world.site(&["m.test"], echo("m")).await;
    assert!(world.ask(&other.address.to_string()).await.is_err());
}

#[tokio::test]
async fn an_explicit_port_needs_only_an_address() {
    let world = World::new().await;
    let site = world.site(&["m.test"], echo("m")).await;
    world.names.host("m.test", "127.0.0.1");
    let server = format!("m.test:{}", site.address.port());
    assert_eq!(world.ask(&server).await, said("m", &server));
}

#[tokio::test]
async fn a_delegate_with_a_port_is_asked_in_its_own_name() {
    let mut world = World::new().await;
    let site = world.site(&["d.test"], echo("d")).await;
    let delegate = format!("d.test:{}", site.address.port());
    world.names.host("d.test", "127.0.0.1");
    world.web(&["m.test"], delegating(delegate.clone())).await;
    assert_eq!(world.ask("m.test").await, said("d", &delegate));
}

#[tokio::test]
async fn a_delegate_by_address_has_a_certificate_for_it() {
    let mut world = World::new().await;
    let site = world.site(&["127.0.0.1"], echo("d")).await;
    world.web(&["m.test"], delegating(site.address.to_string())).await;
    assert_eq!(world.ask("m.test").await, said("d", &site.address.to_string()));
}

#[tokio::test]
async fn a_delegate_without_a_port_is_found_by_srv_records_new_before_old() {
    let mut world = World::new().await;
    let (new, old) = (world.site(&["d.test"], echo("new")).await, world.site(&["d.test"], echo("old")).await);
    world.names.host("h.test", "127.0.0.1");
    world.names.srv("_matrix._tcp.d.test", 0, "h.test", old.address.port());
    world.web(&["m.test"], delegating("d.test".to_owned())).await;
    assert_eq!(world.ask("m.test").await, said("old", "d.test"));
    world.names.srv("_matrix-fed._tcp.d.test", 0, "h.test", new.address.port());
    assert_eq!(world.ask("m.test").await, said("new", "d.test"));
}

#[tokio::test]
async fn without_a_well_known_file_srv_records_lead_to_a_server_of_the_same_name() {
    let world = World::new().await;
    let site = world.site(&["m.test"], echo("m")).await;
    world.names.host("h.test", "127.0.0.1");
    world.names.srv("_matrix-fed._tcp.m.test", 0, "h.test", site.address.port());
    assert_eq!(world.ask("m.test").await, said("m", "m.test"));
    // The target of the record proves nothing: DNS can be forged.
    let forged = world.site(&["h.test"], echo("forged")).await;
    world.names.srv("_matrix-fed._tcp.n.test", 0, "h.test", forged.address.port());
    assert!(world.ask("n.test").await.is_err());
    assert_eq!(forged.hits(), 0);
}

#[tokio::test]
async fn the_next_srv_record_is_tried_when_nobody_is_at_the_first() {
    let world = World::new().await;
    let site = world.site(&["m.test"], echo("m")).await;
    world.names.host("h.test", "127.0.0.1");
    world.names.srv("_matrix-fed._tcp.m.test", 1, "h.test", 1);
    world.names.srv("_matrix-fed._tcp.m.test", 2, "nobody.test", 1);
    world.names.srv("_matrix-fed._tcp.m.test", 3, "h.test", site.address.port());
    assert_eq!(world.ask("m.test").await, said("m", "m.test"));
}

#[tokio::test]
async fn invalid_well_known_files_are_as_good_as_none() {
    for body in ["", "{", "[]", "{}", r#"{"m.server":1}"#, r#"{"m.server":"not a name"}"#, r#"{"m.server":""}"#] {
        let mut world = World::new().await;
        let site = world.site(&["m.test"], echo("m")).await;
        world.names.srv("_matrix-fed._tcp.m.test", 0, "m.test", site.address.port());
        world.web(&["m.test"], Router::new().fallback(async move || body)).await;
        assert_eq!(world.ask("m.test").await, said("m", "m.test"), "{body}");
        assert_eq!(world.web.as_ref().unwrap().hits(), 1);
    }
}

/// The pool tells connections apart by name, and both servers have the same one.
#[tokio::test]
async fn the_web_server_of_a_host_never_gets_what_is_for_its_matrix_server() {
    let mut world = World::new().await;
    let site = world.site(&["m.test"], echo("matrix")).await;
    world.names.srv("_matrix-fed._tcp.m.test", 0, "m.test", site.address.port());
    let web = Router::new().route("/.well-known/matrix/server", get(async || "{}")).merge(echo("web"));
    world.web(&["m.test"], web).await;
    let https = world.https();
    for _ in 0..3 {
        assert_eq!(ask(&https, "m.test").await, said("matrix", "m.test"));
    }
    assert_eq!((world.web.as_ref().unwrap().hits(), site.hits()), (1, 3));
    assert_eq!(world.names.times_asked("_matrix-fed._tcp.m.test"), 1, "records are remembered");
}

#[tokio::test]
async fn redirects_are_followed_a_few_times() {
    let mut world = World::new().await;
    let site = world.site(&["d.test"], echo("d")).await;
    world.names.host("d.test", "127.0.0.1");
    let delegate = json!({ "m.server": format!("d.test:{}", site.address.port()) });
    let router = Router::new()
        .route("/.well-known/matrix/server", get(async || Redirect::temporary("/a/b")))
        .route("/a/b", get(async || Redirect::permanent("c")))
        .route("/a/c", get(async || axum::Json(delegate)));
    world.web(&["m.test"], router).await;
    assert!(world.ask("m.test").await.is_ok());
    assert_eq!(site.hits(), 1);
}

#[tokio::test]
async fn redirects_in_circles_end() {
    let mut world = World::new().await;
    let router = Router::new().fallback(async || Redirect::temporary("/.well-known/matrix/server"));
    world.web(&["m.test"], router).await;
    assert_eq!(world.https().delegate_of("m.test").await, None);
    assert_eq!(world.web.as_ref().unwrap().hits(), 6);
}

#[tokio::test]
async fn nothing_leads_to_a_private_address() {
    let mut world = World::new().await;
    let names = ["private.test", FORBIDDEN, "m.test", "n.test"];
    let secret = Site::start(&world.authority, FORBIDDEN, &names, echo("secret")).await;
    let port = secret.address.port();
    world.names.host("private.test", FORBIDDEN);
    world.names.host("mapped.test", &format!("::ffff:{FORBIDDEN}"));
    world.names.srv("_matrix-fed._tcp.n.test", 0, "private.test", port);
    world.names.srv("_matrix-fed._tcp.o.test", 0, FORBIDDEN, port);
    for server in [
        format!("{FORBIDDEN}:{port}"),
        format!("[::ffff:{FORBIDDEN}]:{port}"),
        format!("private.test:{port}"),
        format!("mapped.test:{port}"),
        "n.test".to_owned(),
        "o.test".to_owned(),
    ] {
        // No certificate would stop it.
        let error = ask(&world.https_with(false), &server).await.unwrap_err().to_string();
        assert!(error.contains("allowed_ip_ranges"), "{server}: {error}");
    }
    for delegate in [format!("private.test:{port}"), format!("{FORBIDDEN}:{port}"), "n.test".to_owned()] {
        world.web(&["m.test"], delegating(delegate.clone())).await;
        let error = ask(&world.https_with(false), "m.test").await.unwrap_err().to_string();
        assert!(error.contains("allowed_ip_ranges"), "{delegate}: {error}");
    }
    for redirect in [format!("https://private.test:{port}/"), format!("https://{FORBIDDEN}:{port}/")] {
        let router = Router::new().fallback(async move || Redirect::temporary(&redirect));
        world.web(&["m.test"], router).await;
        assert_eq!(world.https_with(false).delegate_of("m.test").await, None);
        assert_eq!(world.web.as_ref().unwrap().hits(), 1);
    }
    assert_eq!(secret.hits(), 0);
}

#[tokio::test]
async fn certificates_must_be_right_unless_nobody_looks() {
    let world = World::new().await;
    let (right, strangers) = (Authority::new(), ["m.test"]);
    let site = Site::start(&right, "127.0.0.1", &strangers, echo("m")).await;
    world.names.host("m.test", "127.0.0.1");
    let server = format!("m.test:{}", site.address.port());
    let error = world.ask(&server).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(site.hits(), 0);
    assert_eq!(ask(&world.https_with(false), &server).await, said("m", &server));
}

#[tokio::test]
async fn what_a_host_says_is_remembered() {
    let mut world = World::new().await;
    let site = world.site(&["127.0.0.1"], echo("d")).await;
    world.web(&["m.test"], delegating(site.address.to_string())).await;
    let https = world.https();
    for _ in 0..3 {
        ask(&https, "m.test").await.unwrap();
    }
    assert_eq!(world.web.as_ref().unwrap().hits(), 1);
}

#[tokio::test]
async fn a_dead_address_costs_a_moment_only() {
    let world = World::new().await;
    let site = world.site(&["m.test"], echo("m")).await;
    // Nobody is there, and then somebody is.
    world.names.host("m.test", "127.0.0.9");
    world.names.host("m.test", "127.0.0.1");
    let server = format!("m.test:{}", site.address.port());
    assert_eq!(world.ask(&server).await, said("m", &server));
}

#[tokio::test]
async fn answers_are_read_up_to_their_limit() {
    let world = World::new().await;
    let router = Router::new()
        .route("/large", get(async || "x".repeat(1 << 20)))
        .route("/chunked", get(async || axum::body::Body::from_stream(endless(Duration::ZERO, 4096))));
    let site = world.site(&["127.0.0.1"], router).await;
    let https = world.https();
    for path in ["/large", "/chunked"] {
        let mut asked = request(&site.address.to_string());
        asked.path_and_query = path.to_owned();
        asked.response_bytes_max = (1 << 20) - 1;
        let answer = https.send(asked.clone()).await.map(|response| response.status);
        assert_eq!(answer, Err(ExchangeError::TooLarge(asked.destination)), "{path}");
    }
    let mut asked = request(&site.address.to_string());
    asked.path_and_query = "/large".to_owned();
    assert_eq!(https.send(asked).await.unwrap().body.len(), 1 << 20);
}

#[tokio::test]
async fn who_makes_no_progress_is_given_up_and_who_does_is_not() {
    let world = World::new().await;
    let router = Router::new()
        .route("/never", get(async || std::future::pending::<()>().await))
        .route("/drip", get(async || axum::body::Body::from_stream(endless(Duration::from_millis(20), 1))))
        .route(
            "/steady",
            get(async || {
                let pieces = endless(Duration::from_millis(100), 16_384);
                axum::body::Body::from_stream(futures_util::StreamExt::take(pieces, 12))
            }),
        );
    let site = world.site(&["127.0.0.1"], router).await;
    let https = world.https();
    let ask = async |path: &str| {
        let mut asked = request(&site.address.to_string());
        asked.path_and_query = path.to_owned();
        asked.timeout = Duration::from_millis(600);
        https.send(asked).await.map(|response| response.body.len())
    };
    assert!(matches!(ask("/never").await, Err(ExchangeError::TimedOut(_))));
    assert!(matches!(ask("/drip").await, Err(ExchangeError::TimedOut(_))));
    assert_eq!(ask("/steady").await, Ok(12 * 16_384), "it takes twice the time-out");
}

/// Says which HTTP a request came over.
fn versions() -> Router {
    Router::new().fallback(async |request: axum::extract::Request| format!("{:?}", request.version()))
}

/// A server that has never heard of HTTP/2. Counts connections.
async fn old_server(authority: &Authority, handles: &Handles) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let (certificate, key) = authority.files(&["127.0.0.1"]);
    let (chain, key) = (read_certificates(&certificate).unwrap(), PrivateKeyDer::from_pem_file(&key).unwrap());
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (socket.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (counter, tasks) = (Arc::clone(&connections), handles.tasks.clone());
    handles.tasks.spawn("old server", async move {
        while let Ok((stream, _)) = socket.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            let stream = TokioIo::new(tls.accept(stream).await.unwrap());
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(stream, TowerToHyperService::new(versions()));
            tasks.spawn("connection", async move { connection.await.unwrap() });
        }
    });
    (address, connections)
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_connections_that_stay_open() {
    let world = World::new().await;
    let handles = Handles::system();
    let (old, connections) = old_server(&world.authority, &handles).await;
    let site = world.site(&["127.0.0.1"], versions()).await;
    let https = world.https();
    for (address, version) in [(old, "HTTP/1.1"), (site.address, "HTTP/2.0")] {
        for _ in 0..5 {
            let answer = https.send(request(&address.to_string())).await.unwrap();
            assert_eq!(String::from_utf8(answer.body.to_vec()).unwrap(), version);
        }
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn nothing_compressed_is_asked_for_or_taken() {
    let world = World::new().await;
    let router = Router::new()
        .route("/x", get(async |headers: http::HeaderMap| headers.contains_key("accept-encoding").to_string()))
        .route("/bomb", get(async || ([("content-encoding", "gzip")], "x")));
    let site = world.site(&["127.0.0.1"], router).await;
    let https = world.https();
    assert_eq!(&*https.send(request(&site.address.to_string())).await.unwrap().body, b"false");
    let mut asked = request(&site.address.to_string());
    asked.path_and_query = "/bomb".to_owned();
    let error = https.send(asked).await.unwrap_err();
    assert!(error.to_string().contains("gzip"), "{error}");
}

#[test]
fn a_rest_is_asked_for_in_seconds_or_until_a_date() {
    for (header, seconds) in [
        (Some("120"), Some(120)),
        (Some("Thu, 01 Jan 1970 00:01:30 GMT"), Some(80)),
        (Some("Thu, 01 Jan 1970 00:00:01 GMT"), Some(0)),
        (Some("soon"), None),
        (Some("-1"), None),
        (None, None),
    ] {
        let headers = header.map(|value| (http::header::RETRY_AFTER, value.parse().unwrap())).into_iter().collect();
        assert_eq!(retry_after(&headers, 10_500), seconds, "{header:?}");
    }
}

#[tokio::test]
async fn what_speaks_no_http_is_unreachable() {
    let world = World::new().await;
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let handles = Handles::system();
    handles.tasks.spawn("garbage", async move {
        while let Ok((mut stream, _)) = socket.accept().await {
            let _: Result<_, _> = tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-x\r\n").await;
        }
    });
    let error = world.ask(&address.to_string()).await.unwrap_err();
    assert!(matches!(error, ExchangeError::Unreachable { .. }), "{error}");
}

/// Pieces of `bytes` bytes, with a pause before each.
fn endless(pause: Duration, bytes: usize) -> impl stream::Stream<Item = Result<Bytes, std::io::Error>> {
    let clock = Handles::system().clock;
    stream::unfold(clock, move |clock| async move {
        clock.sleep(pause).await;
        Some((Ok(Bytes::from(vec![b'x'; bytes])), clock))
    })
}

const DOWNLOAD_LIMITS: crate::CallLimits =
    crate::CallLimits { timeout: Duration::from_secs(20), response_bytes_max: 100_000 };

#[tokio::test]
async fn an_address_that_a_server_names_is_followed_only_where_requests_may_go() {
    use crate::download::Downloads;
    let mut world = World::new().await;
    world.names.host("inside.test", FORBIDDEN);
    let router = Router::new()
        .route("/x", get(async || "content"))
        .route("/on", get(async || Redirect::temporary("/x")))
        .route("/inside", get(async || Redirect::temporary("https://inside.test/x")))
        .route("/plain", get(async || Redirect::temporary("http://cdn.test/x")))
        .route("/round", get(async || Redirect::temporary("/round")));
    world.web(&["cdn.test"], router).await;
    let (https, named_by) = (world.https(), name("m.test"));
    for url in ["https://cdn.test/x", "https://cdn.test/on"] {
        let download = https.open_url(&named_by, url, DOWNLOAD_LIMITS).await.unwrap();
        let pieces: Vec<_> = download.body.collect().await;
        assert_eq!((download.status, pieces), (200, vec![Ok(Bytes::from("content"))]), "{url}");
    }
    for url in [
        "https://cdn.test/inside",
        "https://cdn.test/plain",
        "https://cdn.test/round",
        "https://inside.test/x",
        "https://127.200.0.1/x",
        "https://[::ffff:127.200.0.1]/x",
        "http://cdn.test/x",
        "https://user@cdn.test/x",
        "file:///etc/passwd",
        "/x",
        "x",
        "",
    ] {
        let refused = https.open_url(&named_by, url, DOWNLOAD_LIMITS).await.err();
        assert!(matches!(refused, Some(ExchangeError::Unreachable { .. })), "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn a_download_that_does_not_end_is_ended() {
    let world = World::new().await;
    let endless = get(async || {
        let pieces = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 10_000])));
        axum::body::Body::from_stream(pieces)
    });
    let site = world.site(&["m.test"], Router::new().route("/x", endless)).await;
    world.names.host("m.test", "127.0.0.1");
    let wanted = Request { response_bytes_max: 100_000, ..request(&format!("m.test:{}", site.address.port())) };
    let download = world.https().open(wanted).await.unwrap();
    let pieces: Vec<_> = download.body.collect().await;
    let read: usize = pieces.iter().flatten().map(Bytes::len).sum();
    assert!(read <= 100_000 && matches!(pieces.last(), Some(Err(ExchangeError::TooLarge(_)))), "{read}");
}

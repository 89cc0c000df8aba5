//! The accept loop, over real sockets.

use axum::routing::get;
use handles::Handles;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::address::AllowedAddresses;
use crate::exchange::{Exchange, ExchangeError, Request, Response};
use crate::https::{Https, HttpsConfig};
use crate::loopback::{Authority, Site, echo};

struct Plain {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    handles: Handles,
    ended: Arc<Notify>,
}

async fn plain(router: Router) -> Plain {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let (handles, ended) = (Handles::system(), Arc::new(Notify::new()));
    let (inner, end) = (handles.clone(), Arc::clone(&ended));
    handles.tasks.spawn("listener", async move {
        serve(socket, router, None, inner, stopped).await.unwrap();
        end.notify_one();
    });
    Plain { address, stop, handles, ended }
}

/// Sends `text` and returns everything that comes back until the connection is closed.
async fn converse_with(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is reset has been closed too.
    let _: Result<_, _> = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn ask(https: &Https, address: SocketAddr) -> Result<Response, ExchangeError> {
    let request = Request {
        destination: events::ServerName::parse(address.to_string()).unwrap(),
        method: http::Method::GET,
        path_and_query: "/x".to_owned(),
        authorization: None,
        body: None,
        timeout: Duration::from_secs(20),
        response_bytes_max: 1 << 20,
    };
    https.send(request).await
}

fn https(authority: &Authority) -> Https {
    let config = HttpsConfig {
        verify_certificates: true,
        extra_ca_certificates: vec![authority.path()],
        allowed_addresses: AllowedAddresses::new(vec!["127.0.0.0/8".parse().unwrap()]),
    };
    Https::new(&config, Handles::system()).unwrap()
}

#[tokio::test]
async fn plain_http_answers_both_versions() {
    let server = plain(echo("plain")).await;
    let answer = converse_with(server.address, "GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""host":"a.test""#), "{answer}");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "the first frame of a server of HTTP/2 has its settings");
}

#[tokio::test]
async fn handlers_see_the_address_of_the_client() {
    let router =
        Router::new().route("/", get(async |ConnectInfo(address): ConnectInfo<SocketAddr>| address.ip().to_string()));
    let server = plain(router).await;
    let answer = converse_with(server.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

/// Under paused time: whoever waits for nothing but a deadline meets it at once.
#[tokio::test(start_paused = true)]
async fn who_does_not_begin_or_does_not_end_its_request_is_let_go() {
    let server = plain(echo("plain")).await;
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a.test\r\nX: "] {
        let began = server.handles.clock.monotonic();
        let answer = converse_with(server.address, beginning).await;
        assert!(!answer.contains("200"), "{beginning:?}: {answer}");
        // The deadline for idle connections would end it too, but much later.
        let lasted = server.handles.clock.monotonic() - began;
        assert!(lasted < 2 * HEAD_TIMEOUT, "{beginning:?} was waited for: {lasted:?} of virtual time");
    }
    // Also those that said something before.
    let answer = converse_with(server.address, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(answer.contains("200"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_given_up() {
    let authority = Authority::new();
    let site = Site::start(&authority, "127.0.0.1", &["127.0.0.1"], echo("m")).await;
    assert_eq!(converse_with(site.address, "").await, "");
    assert_eq!(converse_with(site.address, "\x16\x03\x01").await, "");
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = plain(echo("plain")).await;
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(2 * HEAD_BYTES_MAX));
    let answer = converse_with(server.address, &endless).await;
    assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
}

#[tokio::test]
async fn an_answer_reaches_who_is_still_sending() {
    let server = plain(Router::new().fallback(async || (http::StatusCode::PAYLOAD_TOO_LARGE, "too large"))).await;
    for _ in 0..20 {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let head = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1500000\r\n\r\n";
        writer.write_all(head.as_bytes()).await.unwrap();
        // Without a look at what comes back, as simple clients do it.
        writer.write_all(&vec![b'x'; 1_500_000]).await.unwrap();
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413") && answer.ends_with("too large"), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "it says that nothing else is taken: {answer}");
    }
}

#[tokio::test]
async fn requests_in_flight_are_finished_before_the_end() {
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrival, permission) = (Arc::clone(&arrived), Arc::clone(&go_on));
    let router = Router::new().route(
        "/",
        get(async move || {
            arrival.notify_one();
            permission.notified().await;
            "finished"
        }),
    );
    let server = plain(router).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    arrived.notified().await;
    server.stop.send(true).unwrap();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go_on.notify_one();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("finished"), "{answer}");
    server.ended.notified().await;
    assert!(server.handles.tasks.count() <= 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_do_not_finish_do_not_hold_up_the_end_for_long() {
    let arrived = Arc::new(Notify::new());
    let arrival = Arc::clone(&arrived);
    let router = Router::new().fallback(async move || {
        arrival.notify_one();
        std::future::pending::<()>().await;
    });
    let server = plain(router).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    arrived.notified().await;
    let began = server.handles.clock.monotonic();
    server.stop.send(true).unwrap();
    server.ended.notified().await;
    assert!(server.handles.clock.monotonic() - began < Duration::from_secs(10));
}

#[test]
fn a_certificate_and_a_key_that_are_no_pair_are_named() {
    let authority = Authority::new();
    let ((certificate, _), (_, other_key)) = (authority.files(&["a.test"]), authority.files(&["a.test"]));
    let error = Certificate::read(certificate.clone(), other_key.clone()).unwrap_err().to_string();
    for path in [certificate, other_key] {
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let (certificate_path, key_path) = old.files(&["127.0.0.1"]);
    let certificate = Certificate::read(certificate_path.clone(), key_path.clone()).unwrap();
    let handles = Handles::system();
    certificate.watch(&handles);
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    let (inner, shown) = (handles.clone(), Arc::clone(&certificate));
    handles.tasks.spawn("listener", async move {
        serve(socket, echo("m"), Some(shown), inner, stopped).await.unwrap();
    });
    assert!(ask(&https(&old), address).await.is_ok());

    // The key of the new certificate is not there yet.
    let (new_certificate, new_key) = new.pem(&["127.0.0.1"]);
    std::fs::write(&certificate_path, new_certificate).unwrap();
    handles.clock.sleep(Duration::from_secs(25)).await;
    assert!(ask(&https(&old), address).await.is_ok());

    std::fs::write(&key_path, new_key).unwrap();
    handles.clock.sleep(Duration::from_secs(25)).await;
    assert!(ask(&https(&new), address).await.is_ok());
    assert!(ask(&https(&old), address).await.is_err());
}

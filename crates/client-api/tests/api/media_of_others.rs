//! Files of other servers: of one like us, and of some that are not.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use events::ServerName;
use futures_util::{future, stream};
use http::Method;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use crate::harness::{Server, server, servers};
use crate::media::{download, png, send, upload};

fn name(server: &str) -> ServerName {
    ServerName::parse(server).unwrap()
}

/// How many requests to download something left a server.
fn fetches(server: &Server) -> usize {
    server.network.trace().iter().filter(|line| line.contains("/media/download/")).count()
}

#[tokio::test(start_paused = true)]
async fn a_file_of_another_server_is_fetched_once_and_kept() {
    let [a, b] = servers(["a.test", "b.test"]).await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let content = b"\r\n--boundary\r\n".repeat(1000);
    let place = upload(&a, &alice, "text/csv", "?filename=%C3%A9.csv", &content).await;
    // At the same moment.
    let both = future::join(download(&b, &bob, &place), download(&b, &bob, &place)).await;
    for answer in [both.0, both.1, download(&b, &bob, &place).await] {
        assert_eq!((answer.status, &answer.bytes[..]), (200, &content[..]));
        assert_eq!(answer.headers[CONTENT_TYPE], "text/csv");
        assert_eq!(answer.headers[CONTENT_DISPOSITION], "inline; filename*=utf-8''%C3%A9.csv");
    }
    assert_eq!(fetches(&b), 1);
    // It is there also when its server is not.
    b.network.cut(&name("a.test"), &name("b.test"));
    assert_eq!(download(&b, &bob, &place).await.status, 200);
    let other = upload(&a, &alice, "text/csv", "", b"other").await;
    assert_eq!(download(&b, &bob, &other).await.error(), (502, "M_UNKNOWN"));
}

#[tokio::test(start_paused = true)]
async fn a_file_of_another_server_has_thumbnails() {
    let [a, b] = servers(["a.test", "b.test"]).await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let place = upload(&a, &alice, "image/png", "", &png(400, 300)).await;
    let answer = b.get(&format!("v1/media/thumbnail/{place}?width=32&height=32&method=crop"), &bob).await;
    assert_eq!(answer.status, 200);
    let image = image::load_from_memory(&answer.bytes).unwrap();
    assert_eq!((image.width(), image.height()), (32, 32));
    let bomb = upload(&a, &alice, "image/png", "", &png(50_000, 1)).await;
    let answer = b.get(&format!("v1/media/thumbnail/{bomb}?width=32&height=32"), &bob).await;
    assert_eq!(answer.error(), (502, "M_TOO_LARGE"));
}

#[tokio::test(start_paused = true)]
async fn what_another_server_does_not_have_yet_is_waited_for_there() {
    let [a, b] = servers(["a.test", "b.test"]).await;
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    assert_eq!(download(&b, &bob, "a.test/unknown").await.error(), (404, "M_NOT_FOUND"));
    let created = send(&a, Method::POST, "/_matrix/media/v1/create", &alice, &[], Body::empty()).await.ok();
    let place = created["content_uri"].as_str().unwrap().strip_prefix("mxc://").unwrap().to_owned();
    let early = download(&b, &bob, &format!("{place}?timeout_ms=100")).await;
    assert_eq!(early.error(), (504, "M_NOT_YET_UPLOADED"));
    let later = async {
        a.handles.clock.sleep(Duration::from_secs(2)).await;
        let path = format!("/_matrix/media/v3/upload/{place}");
        send(&a, Method::PUT, &path, &alice, &[], Body::from("late")).await.ok()
    };
    let (waited, _) = future::join(download(&b, &bob, &place), later).await;
    assert_eq!((waited.status, &waited.bytes[..]), (200, &b"late"[..]));
}

const DOWNLOAD: &str = "/_matrix/federation/v1/media/download/{id}";
const MULTIPART: [(&str, &str); 1] = [("content-type", "multipart/mixed; boundary=b")];

/// A server that answers a download with `body`.
async fn with_peer(router: Router) -> (Server, String) {
    let server = server().await;
    server.network.attach(&name("peer.test"), router, server.handles.tasks.clone());
    let token = server.register("alice").await;
    (server, token)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_knows_only_the_old_endpoint_is_asked_there() {
    let old = get(async |uri: http::Uri| ([("content-type", "text/plain")], uri.to_string()));
    let unrecognized = get(async || (http::StatusCode::NOT_FOUND, "{\"errcode\":\"M_UNRECOGNIZED\"}"));
    let router = Router::new().route(DOWNLOAD, unrecognized).route("/_matrix/media/v3/download/peer.test/{id}", old);
    let (server, token) = with_peer(router).await;
    let answer = download(&server, &token, "peer.test/x").await;
    let asked = "/_matrix/media/v3/download/peer.test/x?allow_remote=false&timeout_ms=20000";
    assert_eq!((answer.status, &answer.bytes[..]), (200, asked.as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_in_the_second_part_is_followed() {
    let parts = "--b\r\n\r\n{}\r\n--b\r\nLocation: https://cdn.test/x?y\r\n\r\n\r\n--b--";
    let (server, token) = with_peer(Router::new().route(DOWNLOAD, get(async move || (MULTIPART, parts)))).await;
    let cdn = get(async || ([("content-type", "image/png"), ("content-disposition", "inline; filename=x.png")], "cdn"));
    server.network.attach(&name("cdn.test"), Router::new().route("/x", cdn), server.handles.tasks.clone());
    let answer = download(&server, &token, "peer.test/x").await;
    assert_eq!((answer.status, &answer.bytes[..]), (200, &b"cdn"[..]));
    assert_eq!(answer.headers[CONTENT_DISPOSITION], "inline; filename=\"x.png\"");
    // The CDN gets no signature of ours.
    assert!(server.network.trace().iter().any(|line| line.contains("cdn.test GET /x?y")));
}

#[tokio::test(start_paused = true)]
async fn answers_of_hostile_servers_cost_no_more_than_they_may() {
    let endless = get(async || {
        let head = Bytes::from("--b\r\n\r\n{}\r\n--b\r\n\r\n");
        let pieces = std::iter::once(head)
            .chain(std::iter::repeat(Bytes::from(vec![0; 64 * 1024])))
            .map(Ok::<_, std::io::Error>);
        (MULTIPART, Body::from_stream(stream::iter(pieces)))
    });
    let unfinished = get(async || (MULTIPART, "--b\r\n\r\n{}\r\n--b\r\n\r\nhalf"));
    let no_parts = get(async || (MULTIPART, "x".repeat(100_000)));
    let no_multipart = get(async || "plain");
    let nowhere = get(async || (MULTIPART, "--b\r\n\r\n{}\r\n--b\r\nLocation: http:///\r\n\r\n\r\n--b--"));
    let too_large = get(async || (http::StatusCode::BAD_GATEWAY, "{\"errcode\":\"M_TOO_LARGE\"}"));
    for (endpoint, expected) in [
        (endless, (502, "M_TOO_LARGE")),
        (too_large, (502, "M_TOO_LARGE")),
        (unfinished, (502, "M_UNKNOWN")),
        (no_parts, (502, "M_UNKNOWN")),
        (no_multipart, (502, "M_UNKNOWN")),
        (nowhere, (502, "M_UNKNOWN")),
    ] {
        let (server, token) = with_peer(Router::new().route(DOWNLOAD, endpoint)).await;
        assert_eq!(download(&server, &token, "peer.test/x").await.error(), expected);
    }
}

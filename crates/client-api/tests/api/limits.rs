use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use serde_json::{Value, json};
use users::Registration;
use users::rate_limits::{Limit, Rates};

use crate::harness::{Answer, Server, server, server_with};

async fn limited() -> (Server, String) {
    let server = server_with(Registration::Open, Rates::default()).await;
    let token = server.register("alice").await;
    (server, token)
}

#[tokio::test(start_paused = true)]
async fn whoever_does_too_much_has_to_wait_a_little() {
    let (server, token) = limited().await;
    let bob = server.register("bob").await;
    let room = server.post("v3/createRoom", &token, json!({})).await.ok()["room_id"].as_str().unwrap().to_owned();
    let path = |number: u32| format!("v3/rooms/{room}/send/m.room.message/{number}");
    let burst = Limit::Messages.default_rate().burst;
    for number in 0..burst {
        server.put(&path(number), &token, json!({ "body": "x" })).await.ok();
    }
    let refused = server.put(&path(burst), &token, json!({ "body": "x" })).await;
    assert_eq!(refused.error(), (429, "M_LIMIT_EXCEEDED"));
    assert_eq!(
        (&refused.body["retry_after_ms"], &refused.headers["retry-after"]),
        (&json!(5_000), &"5".parse().unwrap())
    );
    server.get("v3/account/whoami", &token).await.ok();
    let other = server.put(&path(0), &bob, json!({ "body": "x" })).await;
    assert_eq!(other.error(), (403, "M_FORBIDDEN"), "others are not held up");
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    server.put(&path(burst), &token, json!({ "body": "x" })).await.ok();
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_request_is_limited() {
    let (server, token) = limited().await;
    for (limit, method, path) in [
        (Limit::Joins, "POST", "v3/join/!x:a.test"),
        (Limit::Invites, "POST", "v3/rooms/!x:a.test/invite"),
        (Limit::RoomCreations, "POST", "v3/createRoom"),
        (Limit::KeyClaims, "POST", "v3/keys/claim"),
        (Limit::ProfileChanges, "PUT", "v3/profile/@alice:a.test/displayname"),
        (Limit::Messages, "PUT", "v3/rooms/!x:a.test/state/m.room.topic/"),
    ] {
        let ask = || server.ask(method.parse().unwrap(), path, &token, json!({}));
        for _ in 0..limit.default_rate().burst {
            assert_ne!(ask().await.status, 429, "{limit:?}");
        }
        assert_eq!(ask().await.error(), (429, "M_LIMIT_EXCEEDED"), "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn switched_off_nothing_is_limited() {
    let server = server().await;
    let token = server.register("alice").await;
    for _ in 0..200 {
        server.put("v3/profile/@alice:a.test/displayname", &token, json!({ "displayname": "x" })).await.ok();
    }
}

async fn log_in_from(server: &Server, peer: &str, forwarded: &str, name: &str) -> Answer {
    let body = json!({ "type": "m.login.password", "user": name, "password": "wrong" });
    let mut request = Request::post("/_matrix/client/v3/login")
        .header("x-forwarded-for", forwarded)
        .body(Body::from(body.to_string()))
        .unwrap();
    request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    server.send(request).await
}

#[tokio::test(start_paused = true)]
async fn clients_behind_a_trusted_proxy_have_limits_of_their_own() {
    let (server, _) = limited().await;
    let burst = Limit::LoginFailuresPerAddress.default_rate().burst;
    let status = async |peer: &str, forwarded: &str, number: u32| -> (u16, Value) {
        let answer = log_in_from(&server, peer, forwarded, &format!("user{number}")).await;
        (answer.status, answer.body)
    };
    for number in 0..burst {
        assert_eq!(status("10.0.0.1:1", "198.51.100.1", number).await.0, 403);
    }
    assert_eq!(status("10.0.0.1:1", "198.51.100.1", 99).await.0, 429);
    assert_eq!(status("10.0.0.1:1", "198.51.100.2", 99).await.0, 403, "another client of the same proxy");
    // Whoever is no proxy cannot borrow addresses.
    for number in 0..burst {
        let forwarded = format!("203.0.113.{number}");
        assert_eq!(status("192.0.2.200:1", &forwarded, 100 + number).await.0, 403);
    }
    assert_eq!(status("192.0.2.200:1", "203.0.113.200", 999).await.0, 429);
}

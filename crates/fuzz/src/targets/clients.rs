//! What clients send, with a valid token.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use client_api::{ClientApi, ClientApiConfig, PublicDirectory, router};
use events::RoomVersion;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use users::rate_limits::Rates;
use users::{Neighbours, Registration, Users, UsersConfig};

use super::world::{World, in_runtime};

/// A method and a path, then a body. `{room}` is a room that the user, `@alice:victim.test`, has made.
pub(super) fn request(input: &[u8]) {
    let text = String::from_utf8_lossy(input).into_owned();
    in_runtime(async move |world| {
        let router = client_api(&world);
        let account = json!({ "username": "alice", "password": "secret", "auth": { "type": "m.login.dummy" } });
        let (_, account) = ask(&router, "POST /_matrix/client/v3/register", "", account.to_string().into()).await;
        let token = account["access_token"].as_str().expect("the name is free").to_owned();
        let room = World::room(&world.victim, &world.alice, RoomVersion::V11).await;
        let text = text.replace("{room}", room.as_str());
        let (head, body) = text.split_once('\n').unwrap_or((&text, ""));
        let (status, answer) = ask(&router, head, &token, body.to_owned().into_bytes()).await;
        assert_ne!(status, 500, "an answer that only a defect gives: {answer}");
        let is_told_why = answer["errcode"].is_string() || (status == 401 && answer["flows"].is_array());
        assert!(status < 400 || is_told_why, "a refusal says why: {status} {answer}");
        world.aftermath().await;
    });
}

fn client_api(world: &World) -> Router {
    let messaging = world.victim.messaging().clone();
    let config = UsersConfig { registration: Registration::Open, shared_secret: None, rates: Rates::off() };
    let (database, notifier) = (messaging.database().clone(), messaging.notifier().clone());
    let name = world.victim.name().clone();
    let users = Users::new(name, database, world.handles.clone(), notifier, config, Neighbours::default());
    let config = ClientApiConfig {
        trusted_proxies: Vec::new(),
        default_version: RoomVersion::V11,
        public_directory: PublicDirectory::Everyone,
    };
    router(ClientApi::new(users, messaging, world.victim.media().clone(), config))
}

/// Status and body of the answer. What is no request at all is as if it had been answered.
async fn ask(router: &Router, head: &str, token: &str, body: Vec<u8>) -> (u16, Value) {
    let (method, path) = head.split_once(' ').unwrap_or((head, "/"));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/json")
        .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4711))))
        .body(Body::from(body));
    let Ok(request) = request else { return (200, Value::Null) };
    let Ok(answer) = router.clone().oneshot(request).await;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

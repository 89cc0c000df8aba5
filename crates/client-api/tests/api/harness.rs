//! A server in memory, and a client of it.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use client_api::{ClientApi, ClientApiConfig, PublicDirectory, router};
use events::{RoomVersion, ServerName};
use handles::Handles;
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use simulation::{Network, SimulatedServer};
use tower::ServiceExt;
use users::rate_limits::Rates;
use users::{Neighbours, Registration, Users, UsersConfig};

/// The address that requests come from.
pub(crate) const ADDRESS: &str = "192.0.2.1:4711";

/// A server.
pub(crate) struct Server {
    router: Router,
    /// What lies between it and others.
    pub(crate) network: Network,
    /// Its clock, and all else of the world.
    pub(crate) handles: Handles,
    /// What answers.
    pub(crate) simulated: SimulatedServer,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// The body as it came.
    pub(crate) bytes: Bytes,
}

impl Answer {
    /// Status and errcode.
    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status, self.body["errcode"].as_str().unwrap_or_default())
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }
}

/// Starts a server without limits, on which everybody may register.
pub(crate) async fn server() -> Server {
    server_with(Registration::Open, Rates::off()).await
}

/// Starts a server.
pub(crate) async fn server_with(registration: Registration, rates: Rates) -> Server {
    let handles = Handles::simulated(11);
    server_in(&Network::new(handles.clone()), handles, "a.test", registration, rates).await
}

/// Starts servers of these names that reach each other.
pub(crate) async fn servers<const N: usize>(names: [&str; N]) -> [Server; N] {
    let handles = Handles::simulated(11);
    let network = Network::new(handles.clone());
    let mut servers = Vec::new();
    for name in names {
        let handles = Handles { tasks: handles::Tasks::default(), ..handles.clone() };
        servers.push(server_in(&network, handles, name, Registration::Open, Rates::off()).await);
    }
    servers.try_into().unwrap_or_else(|_| panic!("as many as there are names"))
}

async fn server_in(
    network: &Network,
    handles: Handles,
    name: &str,
    registration: Registration,
    rates: Rates,
) -> Server {
    let name = ServerName::parse(name).unwrap();
    let server = SimulatedServer::start(network, &name, handles.clone()).await.unwrap();
    let messaging = server.messaging().clone();
    let config = UsersConfig { registration, shared_secret: Some("shared".to_owned()), rates };
    let (database, notifier) = (messaging.database().clone(), messaging.notifier().clone());
    let users = Users::new(name, database, handles.clone(), notifier, config, Neighbours::default());
    let config = ClientApiConfig {
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        default_version: RoomVersion::V11,
        public_directory: PublicDirectory::Everyone,
    };
    let api = ClientApi::new(users, messaging, server.media().clone(), config);
    Server { router: router(api), network: network.clone(), handles, simulated: server }
}

impl Server {
    /// Sends a request. `token` is an access token, or empty.
    pub(crate) async fn ask(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        let request = Request::builder().method(method).uri(format!("/_matrix/client/{path}"));
        let request =
            if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) };
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            request.extensions_mut().insert(ConnectInfo(ADDRESS.parse::<SocketAddr>().unwrap()));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), bytes }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(Method::GET, path, token, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, token, body).await
    }

    pub(crate) async fn put(&self, path: &str, token: &str, body: Value) -> Answer {
        self.ask(Method::PUT, path, token, body).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Answer {
        self.ask(Method::DELETE, path, token, Value::Null).await
    }

    /// Registers somebody with the password `secret`, and returns the access token of the device `PHONE`.
    pub(crate) async fn register(&self, username: &str) -> String {
        let body = json!({
            "username": username, "password": "secret", "device_id": "PHONE", "auth": { "type": "m.login.dummy" },
        });
        let answer = self.post("v3/register", "", body).await.ok();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

/// The proof that somebody knows the password `secret`.
pub(crate) fn password(user: &str) -> Value {
    json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": user }, "password": "secret" })
}

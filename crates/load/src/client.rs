//! A Matrix client, as far as the measurements need one.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use handles::Handles;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::report::{Failure, failed};

/// How long any answer may take, beside what a /sync waits.
const ANSWER_MAX: Duration = Duration::from_secs(180);

/// A connection to a server, with a user's token.
#[derive(Clone)]
pub(crate) struct Client {
    http: HyperClient<HttpConnector, Full<Bytes>>,
    server: SocketAddr,
    token: Option<String>,
    handles: Handles,
    /// Who it is; nobody before it has registered.
    pub(crate) user: String,
}

impl Client {
    /// A client of its own, with connections of its own.
    pub(crate) fn new(server: SocketAddr, handles: &Handles) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = HyperClient::builder(TokioExecutor::new()).build(connector);
        Self { http, server, token: None, handles: handles.clone(), user: String::new() }
    }

    /// Makes an account and logs in.
    pub(crate) async fn register(server: SocketAddr, handles: &Handles, name: &str) -> Result<Self, Failure> {
        let mut client = Self::new(server, handles);
        let body = json!({ "username": name, "password": name, "auth": { "type": "m.login.dummy" } });
        let answer = client.call(Method::POST, "/_matrix/client/v3/register", Some(&body)).await?;
        client.token = answer["access_token"].as_str().map(str::to_owned);
        client.user = text(&answer, "user_id")?;
        Ok(client)
    }

    /// Makes a room that everybody may join.
    pub(crate) async fn create_room(&self) -> Result<String, Failure> {
        let body = json!({ "preset": "public_chat" });
        text(&self.call(Method::POST, "/_matrix/client/v3/createRoom", Some(&body)).await?, "room_id")
    }

    /// Joins a room, through `server` if it is one of another server.
    pub(crate) async fn join(&self, room: &str, server: Option<&str>) -> Result<(), Failure> {
        let via = server.map(|server| format!("?via={server}")).unwrap_or_default();
        let path = format!("/_matrix/client/v3/join/{room}{via}");
        self.call(Method::POST, &path, Some(&json!({}))).await.map(drop)
    }

    /// Sends a message; returns its event id.
    pub(crate) async fn send(&self, room: &str, transaction: &str, body: &str) -> Result<String, Failure> {
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/{transaction}");
        let content = json!({ "msgtype": "m.text", "body": body });
        text(&self.call(Method::PUT, &path, Some(&content)).await?, "event_id")
    }

    /// What is new since `since`; waits for `wait` if nothing is.
    pub(crate) async fn sync(&self, since: Option<&str>, wait: Duration) -> Result<Value, Failure> {
        let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
        let path = format!("/_matrix/client/v3/sync?timeout={}{since}", wait.as_millis());
        self.call(Method::GET, &path, None).await
    }

    /// Sends a request and returns its JSON; anything but success is a failure.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let what = format!("{method} {path}");
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.server));
        if let Some(token) = &self.token {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body)).map_err(failed(&what))?;
        let answered = async {
            let response = self.http.request(request).await.map_err(failed(&what))?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(failed(&what))?.to_bytes();
            if !status.is_success() {
                return Err(Failure(format!("{what}: {status} {}", String::from_utf8_lossy(&body))));
            }
            serde_json::from_slice(&body).map_err(failed(&what))
        };
        tokio::select! {
            answer = answered => answer,
            () = self.handles.clock.sleep(ANSWER_MAX) => Err(Failure(format!("{what}: no answer in time"))),
        }
    }
}

/// Returns the text at `key`.
pub(crate) fn text(value: &Value, key: &str) -> Result<String, Failure> {
    value[key].as_str().map(str::to_owned).ok_or_else(|| Failure(format!("the answer has no {key}")))
}

/// The events of all joined rooms in an answer of /sync.
pub(crate) fn timeline(answer: &Value) -> impl Iterator<Item = &Value> {
    let rooms = answer["rooms"]["join"].as_object().into_iter().flat_map(|rooms| rooms.values());
    rooms.flat_map(|room| room["timeline"]["events"].as_array().into_iter().flatten())
}

//! Servers of one process, for tests: requests reach the router of the destination without sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use events::{EventId, KeyId, Object, RoomAlias, RoomId, ServerName, SigningKey, UserId};
use handles::Handles;
use http_body_util::BodyExt;
use persistence::Database;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::client::Client;
use crate::error::ApiError;
use crate::exchange::{BoxFuture, Exchange, ExchangeError, Request, Response};
use crate::health::Health;
use crate::key_ring::{KeyRing, OldKey};
use crate::questions::*;
use crate::server::{ServerContext, Shares, router};
use crate::streamed::StreamedAnswer;
use persistence::transactions::graph::Direction;

/// How long an answer takes.
const LATENCY: Duration = Duration::from_millis(50);

/// All servers. A name that is not among them cannot be reached.
pub(crate) struct Network {
    routers: Mutex<BTreeMap<ServerName, axum::Router>>,
    /// Every request, as `GET b.test /path`.
    pub(crate) seen: Mutex<Vec<String>>,
    handles: Handles,
}

/// One of them.
pub(crate) struct Peer {
    pub(crate) name: ServerName,
    pub(crate) client: Client,
    pub(crate) key_ring: KeyRing,
    pub(crate) health: Arc<Health>,
    pub(crate) database: Database,
    pub(crate) calls: Arc<Calls>,
    pub(crate) router: axum::Router,
}

impl Network {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { routers: Mutex::default(), seen: Mutex::default(), handles: Handles::simulated(1) })
    }

    pub(crate) fn handles(&self) -> &Handles {
        &self.handles
    }

    pub(crate) async fn peer(self: &Arc<Self>, server: &str) -> Peer {
        self.peer_with(server, key("1"), Vec::new(), &[]).await
    }

    pub(crate) async fn peer_with(
        self: &Arc<Self>,
        server: &str,
        signing: SigningKey,
        old: Vec<OldKey>,
        notaries: &[&str],
    ) -> Peer {
        let database = Database::open_inline(None).unwrap();
        self.peer_over(server, database, signing, old, notaries).await
    }

    pub(crate) async fn peer_over(
        self: &Arc<Self>,
        server: &str,
        database: Database,
        signing: SigningKey,
        old: Vec<OldKey>,
        notaries: &[&str],
    ) -> Peer {
        let (server, handles) = (name(server), self.handles.clone());
        let health = Health::open(database.clone(), handles.clone()).await.unwrap();
        let signing = Arc::new(signing);
        let exchange = Arc::clone(self) as Arc<dyn Exchange>;
        let notaries = notaries.iter().copied().map(name).collect();
        let client = Client::new(server.clone(), Arc::clone(&signing), exchange, handles.clone(), Arc::clone(&health));
        let shares = Shares::new(Arc::clone(&handles.clock));
        let key_ring = KeyRing::new(signing, old, client.clone(), database.clone(), handles, notaries);
        let calls = Arc::new(Calls::default());
        let context = ServerContext {
            server_name: server.clone(),
            key_ring: key_ring.clone(),
            inbox: Arc::clone(&calls) as _,
            deliveries: Arc::clone(&calls) as _,
            events: Arc::clone(&calls) as _,
            membership: Arc::clone(&calls) as _,
            directory: Arc::clone(&calls) as _,
            users: Arc::clone(&calls) as _,
            media: Arc::clone(&calls) as _,
            heard_from: Arc::clone(&health) as _,
            shares,
        };
        let router = router(context);
        self.routers.lock().unwrap().insert(server.clone(), router.clone());
        Peer { name: server, client, key_ring, health, database, calls, router }
    }

    pub(crate) fn put_router(&self, server: &str, router: axum::Router) {
        self.routers.lock().unwrap().insert(name(server), router);
    }

    pub(crate) fn take_down(&self, server: &str) {
        self.routers.lock().unwrap().remove(&name(server));
    }

    /// How many requests had `text` in them.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|request| request.contains(text)).count()
    }
}

impl Exchange for Network {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        Box::pin(async move {
            let Request { destination: server, method, path_and_query, authorization, body, .. } = request;
            self.seen.lock().unwrap().push(format!("{method} {server} {path_and_query}"));
            self.handles.clock.sleep(LATENCY).await;
            let router = self.routers.lock().unwrap().get(&server).cloned();
            let Some(router) = router else {
                return Err(ExchangeError::Unreachable { server, reason: "connection refused".to_owned() });
            };
            let mut request = http::Request::builder().method(method).uri(path_and_query);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let body = axum::body::Body::from(body.unwrap_or_default());
            let (status, body) = serve(&router, request.body(body).unwrap()).await;
            Ok(Response { status, body, retry_after: None })
        })
    }
}

pub(crate) async fn serve(router: &axum::Router, request: http::Request<axum::body::Body>) -> (u16, Bytes) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.unwrap().to_bytes())
}

pub(crate) fn name(server: &str) -> ServerName {
    ServerName::parse(server).unwrap()
}

pub(crate) fn key_id(version: &str) -> KeyId {
    KeyId::parse(format!("ed25519:{version}")).unwrap()
}

/// The key of this version. All servers have the same ones.
pub(crate) fn key(version: &str) -> SigningKey {
    SigningKey::from_seed(key_id(version), &[version.as_bytes()[0]; 32])
}

/// Takes note of every question, in words, and answers each with what was noted.
#[derive(Default)]
pub(crate) struct Calls(Mutex<Vec<String>>);

impl Calls {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn note(&self, call: String) -> Answer<'_> {
        assert!(!call.contains("panic"), "a handler panics, as the test wants");
        self.0.lock().unwrap().push(call.clone());
        Box::pin(async move {
            if call.contains("forbidden") {
                return Err(ApiError::forbidden("no").with("extra", 1));
            }
            Ok(json!({ "call": call }))
        })
    }
}

impl Inbox for Calls {
    fn receive<'a>(&'a self, origin: &'a ServerName, id: &'a str, body: TransactionBody) -> Answer<'a> {
        self.note(format!("{origin} send {id} {:?} {:?}", body.pdus, body.edus))
    }
}

impl DeliveryQuestions for Calls {
    fn delivered_after<'a>(&'a self, origin: &'a ServerName, after: DeliveredAfter) -> Answer<'a> {
        self.note(format!("{origin} delivered {after:?}"))
    }
}

impl EventQuestions for Calls {
    fn event<'a>(&'a self, origin: &'a ServerName, event_id: &'a EventId) -> Answer<'a> {
        self.note(format!("{origin} event {event_id}"))
    }
    fn state<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> StreamedAnswer<'a> {
        streamed(self.note(format!("{origin} state {room_id} {event_id}")))
    }
    fn state_ids<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> Answer<'a> {
        self.note(format!("{origin} state_ids {room_id} {event_id}"))
    }
    fn event_auth<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> Answer<'a> {
        self.note(format!("{origin} event_auth {room_id} {event_id}"))
    }
    fn event_by_time<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        at: i64,
        direction: Direction,
    ) -> Answer<'a> {
        self.note(format!("{origin} event_by_time {room_id} {at} {direction:?}"))
    }
    fn backfill<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        from: Vec<EventId>,
        limit: usize,
    ) -> Answer<'a> {
        self.note(format!("{origin} backfill {room_id} {from:?} {limit}"))
    }
    fn missing_events<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        question: MissingEvents,
    ) -> Answer<'a> {
        let MissingEvents { earliest_events, latest_events, limit, min_depth } = question;
        self.note(format!("{origin} missing {room_id} {earliest_events:?} {latest_events:?} {limit} {min_depth}"))
    }
}

fn streamed(answer: Answer<'_>) -> StreamedAnswer<'_> {
    Box::pin(async move { answer.await.map(Into::into) })
}

impl MembershipQuestions for Calls {
    fn make<'a>(
        &'a self,
        origin: &'a ServerName,
        handshake: Handshake,
        room_id: &'a RoomId,
        user_id: &'a UserId,
        versions: Vec<String>,
    ) -> Answer<'a> {
        self.note(format!("{origin} make {handshake:?} {room_id} {user_id} {versions:?}"))
    }
    fn send<'a>(
        &'a self,
        origin: &'a ServerName,
        handshake: Handshake,
        room_id: &'a RoomId,
        event_id: &'a EventId,
        event: Object,
        members: Members,
    ) -> StreamedAnswer<'a> {
        let omitted = if members == Members::Omitted { " without members" } else { "" };
        streamed(
            self.note(format!("{origin} send {handshake:?} {room_id} {event_id} {}{omitted}", Value::Object(event))),
        )
    }
    fn invite<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        event_id: &'a EventId,
        body: Object,
    ) -> Answer<'a> {
        self.note(format!("{origin} invite {room_id} {event_id} {}", Value::Object(body)))
    }
}

impl DirectoryQuestions for Calls {
    fn directory<'a>(&'a self, origin: &'a ServerName, alias: &'a RoomAlias) -> Answer<'a> {
        self.note(format!("{origin} directory {alias}"))
    }
    fn public_rooms<'a>(
        &'a self,
        origin: &'a ServerName,
        limit: usize,
        since: Option<String>,
        filter: DirectoryFilter,
    ) -> Answer<'a> {
        let filter = serde_json::to_string(&filter).unwrap_or_default();
        self.note(format!("{origin} public_rooms {limit} {since:?} {filter}"))
    }
}

impl UserQuestions for Calls {
    fn profile<'a>(&'a self, origin: &'a ServerName, user_id: &'a UserId, field: Option<String>) -> Answer<'a> {
        self.note(format!("{origin} profile {user_id} {field:?}"))
    }
    fn devices<'a>(&'a self, origin: &'a ServerName, user_id: &'a UserId) -> Answer<'a> {
        self.note(format!("{origin} devices {user_id}"))
    }
    fn query_keys<'a>(&'a self, origin: &'a ServerName, body: Object) -> Answer<'a> {
        self.note(format!("{origin} query_keys {}", Value::Object(body)))
    }
    fn claim_keys<'a>(&'a self, origin: &'a ServerName, body: Object) -> Answer<'a> {
        self.note(format!("{origin} claim_keys {}", Value::Object(body)))
    }
}

impl MediaQuestions for Calls {
    fn download<'a>(
        &'a self,
        origin: &'a ServerName,
        media_id: &'a str,
        patience: Option<Duration>,
    ) -> BoxFuture<'a, Result<FileAnswer, ApiError>> {
        self.file(format!("{origin} download {media_id} {patience:?}"))
    }
    fn thumbnail<'a>(
        &'a self,
        origin: &'a ServerName,
        media_id: &'a str,
        question: ThumbnailQuestion,
        patience: Option<Duration>,
    ) -> BoxFuture<'a, Result<FileAnswer, ApiError>> {
        self.file(format!("{origin} thumbnail {media_id} {question:?} {patience:?}"))
    }
}

impl Calls {
    /// Answers with the call as the content of a file.
    fn file(&self, call: String) -> BoxFuture<'_, Result<FileAnswer, ApiError>> {
        let noted = self.note(call.clone());
        Box::pin(async move {
            noted.await?;
            let (content, bytes) = (Bytes::from(call.clone()), call.len() as u64);
            let content = Box::pin(futures_util::stream::once(async move { Ok(content) }));
            let (content_type, disposition) = ("text/plain".to_owned(), "inline".to_owned());
            Ok(FileAnswer { content_type, disposition, bytes, content })
        })
    }
}

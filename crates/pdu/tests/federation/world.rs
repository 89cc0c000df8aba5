//! Servers of one process: real ones, and peers that a test plays itself. Virtual time, no sockets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use events::{EventId, KeyId, Object, RoomId, RoomVersion, ServerName, SigningKey, UserId, Value};
use handles::{Handles, Notifier};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::BodyExt;
use pdu::{Draft, Graph, JoinError, Joined, NewRoom, Parts, SendError, StoredBodies};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::rooms as room_rows;
use persistence::transactions::{events as event_rows, state as state_rows};
use persistence::{Database, ReadTx, RoomNumber, StoreError};
use serde_json::json;
use tower::ServiceExt;
use transaction::{Inbound, Outbound, Pulls, Requests, Volume};
use transport::exchange::BoxFuture;
use transport::questions::{
    Answer, DirectoryFilter, DirectoryQuestions, FileAnswer, Handshake, MediaQuestions, Members, MembershipQuestions,
    ThumbnailQuestion, UserQuestions,
};
use transport::{
    ApiError, Client, Exchange, ExchangeError, Health, HeardFrom, KeyRing, Request, Response, ServerContext,
    StreamedAnswer,
};

use crate::peer::Peer;

/// How long a request takes on its way.
const LATENCY: Duration = Duration::from_millis(10);
/// How long, in virtual time, a test waits for something.
const WAIT_MAX: Duration = Duration::from_secs(30 * 3600);

/// What one server may have another store in a day.
pub(crate) const DAY_BYTES: u64 = 8 << 20;

pub(crate) struct World {
    pub(crate) handles: Handles,
    network: Arc<Network>,
}

struct Network {
    handles: Handles,
    nodes: Mutex<BTreeMap<ServerName, Node>>,
}

#[derive(Clone)]
enum Node {
    Real(axum::Router),
    Played(Arc<Peer>),
}

impl World {
    pub(crate) fn new() -> Self {
        let handles = Handles::simulated(7);
        Self { network: Arc::new(Network { handles: handles.clone(), nodes: Mutex::default() }), handles }
    }

    pub(crate) async fn server(&self, server: &str) -> Server {
        Server::start(self, name(server)).await
    }

    /// A peer that answers as the test says.
    pub(crate) async fn peer(&self, server: &str) -> Arc<Peer> {
        let peer = Arc::new(self.earlier_self(server).await);
        self.attach(server, Node::Played(Arc::clone(&peer)));
        peer
    }

    /// A server as it was before it went on with a backup: nobody reaches it, but it signs.
    pub(crate) async fn earlier_self(&self, server: &str) -> Peer {
        let client = self.client(&name(server), Arc::new(signing_key(server))).await;
        Peer::new(name(server), signing_key(server), client, self.handles.clone())
    }

    /// From now on nobody reaches `server`.
    pub(crate) fn take_down(&self, server: &str) -> TakenDown {
        TakenDown(self.network.nodes.lock().unwrap().remove(&name(server)).unwrap())
    }

    pub(crate) fn bring_back(&self, server: &str, node: TakenDown) {
        self.attach(server, node.0);
    }

    fn attach(&self, server: &str, node: Node) {
        self.network.nodes.lock().unwrap().insert(name(server), node);
    }

    async fn client(&self, server: &ServerName, key: Arc<SigningKey>) -> Client {
        let database = Database::open_inline(None).unwrap();
        let health = Health::open(database, self.handles.clone()).await.unwrap();
        Client::new(server.clone(), key, Arc::clone(&self.network) as _, self.handles.clone(), health)
    }

    /// Lets time pass until `condition` holds.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, condition: impl Fn() -> F) {
        let deadline = self.handles.clock.monotonic() + WAIT_MAX;
        while !condition().await {
            assert!(self.handles.clock.monotonic() < deadline, "waited in vain for: {what}");
            self.handles.clock.sleep(Duration::from_millis(500)).await;
        }
    }
}

pub(crate) struct TakenDown(Node);

impl Exchange for Network {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        Box::pin(async move {
            self.handles.clock.sleep(LATENCY).await;
            let to = request.destination.clone();
            let node = self.nodes.lock().unwrap().get(&to).cloned();
            let unreachable = || ExchangeError::Unreachable { server: to.clone(), reason: "it is down".to_owned() };
            match node.ok_or_else(unreachable)? {
                Node::Played(peer) => Ok(peer.answer(request).await),
                Node::Real(router) => {
                    let mut built = http::Request::builder().method(request.method).uri(request.path_and_query);
                    if let Some(authorization) = request.authorization {
                        built = built.header(AUTHORIZATION, authorization);
                    }
                    let body = request.body.map_or_else(Body::empty, Body::from);
                    let built = built.header(CONTENT_TYPE, "application/json").body(body).unwrap();
                    let answer = router.oneshot(built).await.unwrap();
                    let status = answer.status().as_u16();
                    let body = answer.into_body().collect().await.unwrap().to_bytes();
                    Ok(Response { status, body, retry_after: None })
                }
            }
        })
    }
}

/// A real server, without what lies above the event graph.
pub(crate) struct Server {
    pub(crate) name: ServerName,
    pub(crate) graph: Graph,
    pub(crate) database: Database,
}

impl Server {
    async fn start(world: &World, server: ServerName) -> Self {
        Self::start_over(world, server, Database::open_inline(None).unwrap()).await
    }

    /// The same server after a restart: nothing is left but its database.
    pub(crate) async fn restarted(self, world: &World) -> Self {
        Self::start_over(world, self.name, self.database).await
    }

    async fn start_over(world: &World, server: ServerName, database: Database) -> Self {
        let handles = world.handles.clone();
        let key = Arc::new(signing_key(server.as_str()));
        let health = Health::open(database.clone(), handles.clone()).await.unwrap();
        let exchange = Arc::clone(&world.network) as Arc<dyn Exchange>;
        let client = Client::new(server.clone(), Arc::clone(&key), exchange, handles.clone(), Arc::clone(&health));
        let key_ring =
            KeyRing::new(Arc::clone(&key), Vec::new(), client.clone(), database.clone(), handles.clone(), Vec::new());
        let bodies = Arc::new(StoredBodies);
        let outbound = Outbound::new(server.clone(), database.clone(), handles.clone(), client.clone(), bodies);
        let volume = Volume::new(Some(DAY_BYTES), handles.clock.clone());
        let graph = Graph::new(Parts {
            server_name: server.clone(),
            signing_key: key,
            database: database.clone(),
            handles: handles.clone(),
            key_ring: Arc::new(key_ring.clone()),
            requests: Requests::new(client.clone()),
            outbound: outbound.clone(),
            notifier: Notifier::default(),
            volume: volume.clone(),
        });
        let inbound = Inbound::new(database.clone(), handles.clone(), Arc::new(graph.clone()), Vec::new(), volume);
        let shares = transport::server::Shares::new(Arc::clone(&handles.clock));
        let pulls = Pulls::new(database.clone(), handles, Requests::new(client), inbound.clone());
        let context = ServerContext {
            server_name: server.clone(),
            key_ring,
            inbox: Arc::new(inbound),
            deliveries: Arc::new(outbound.clone()),
            events: Arc::new(graph.clone()),
            membership: Arc::new(Below(graph.clone())),
            directory: Arc::new(Below(graph.clone())),
            users: Arc::new(Below(graph.clone())),
            media: Arc::new(Below(graph.clone())),
            heard_from: Arc::new(Awake(outbound.clone())),
            shares,
        };
        world.attach(server.as_str(), Node::Real(transport::router(context)));
        graph.start().await.unwrap();
        pulls.start();
        outbound.start();
        Self { name: server, graph, database }
    }

    /// A room that everybody may join, made by `creator`.
    pub(crate) async fn create_room(&self, creator: &str, version: RoomVersion) -> RoomId {
        self.create_room_with(creator, version, json!({})).await
    }

    pub(crate) async fn create_room_with(&self, creator: &str, version: RoomVersion, create: Value) -> RoomId {
        let mut content = create.as_object().unwrap().clone();
        content.insert("room_version".to_owned(), json!(version.as_str()));
        if version.rules().auth.creator_in_content {
            content.insert("creator".to_owned(), json!(creator));
        }
        let id = (version != RoomVersion::V12).then(|| {
            RoomId::parse(format!("!room{}:{}", self.graph.handles().random.below(1 << 40), self.name)).unwrap()
        });
        let create = Draft { content, ..draft(creator, "m.room.create", Some(""), json!({})) };
        let levels = if version == RoomVersion::V12 { json!({}) } else { json!({ "users": { creator: 100 } }) };
        let following = vec![
            draft(creator, "m.room.member", Some(creator), json!({ "membership": "join" })),
            draft(creator, "m.room.power_levels", Some(""), levels),
            draft(creator, "m.room.join_rules", Some(""), json!({ "join_rule": "public" })),
        ];
        let new = NewRoom { version, room_id: id, create, following };
        self.graph.create_room(new, None).await.unwrap().0
    }

    pub(crate) async fn send(&self, room: &RoomId, draft: Draft) -> Result<EventId, SendError> {
        let sent = self.graph.send(room, vec![draft], None).await?;
        Ok(sent[0].pdu.event_id().clone())
    }

    pub(crate) async fn say(&self, room: &RoomId, sender: &str, text: &str) -> EventId {
        self.send(room, message(sender, text)).await.unwrap()
    }

    pub(crate) async fn join(&self, room: &RoomId, user: &str, via: &[&ServerName]) -> Result<Joined, JoinError> {
        let via: Vec<ServerName> = via.iter().map(|server| (*server).clone()).collect();
        self.graph.join_remote(room, &user_id(user), Object::new(), &via).await
    }

    pub(crate) async fn read<T: Send + 'static>(
        &self,
        room: &RoomId,
        read: impl FnOnce(&ReadTx<'_>, RoomNumber, RoomVersion) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        let room = room.clone();
        let found = self.database.read(move |tx| {
            let row = room_rows::by_id(tx, &room)?.expect("the room is known");
            read(tx, row.number, row.version)
        });
        found.await.unwrap()
    }

    pub(crate) async fn place(&self, room: &RoomId, event: &EventId) -> Option<Place> {
        let event = event.clone();
        self.read(room, move |tx, room, _| match event_rows::number(tx, room, &event)? {
            Some(number) => graph_rows::place(tx, number),
            None => Ok(None),
        })
        .await
    }

    pub(crate) async fn outcome(&self, room: &RoomId, event: &EventId) -> Option<Outcome> {
        self.place(room, event).await.map(|place| place.outcome)
    }

    /// What is stored of an event, as it would be shown.
    pub(crate) async fn visible(&self, room: &RoomId, event: &EventId) -> Option<events::Pdu> {
        let event = event.clone();
        self.read(room, move |tx, room, version| match event_rows::number(tx, room, &event)? {
            Some(number) => Ok(event_rows::load(tx, version, number)?.map(|stored| stored.visible())),
            None => Ok(None),
        })
        .await
    }

    pub(crate) async fn extremities(&self, room: &RoomId) -> Vec<EventId> {
        self.read(room, |tx, room, _| {
            let extremities = graph_rows::extremities(tx, room)?;
            extremities.into_iter().map(|event| event_rows::id(tx, event)).collect()
        })
        .await
    }

    /// The ids of the events of a state: `None` if the event has none.
    pub(crate) async fn state_before(&self, room: &RoomId, event: &EventId) -> Option<Vec<EventId>> {
        let snapshot = self.place(room, event).await?.state_before?;
        let ids = self.read(room, move |tx, _, _| {
            let state = state_rows::load(tx, snapshot)?;
            state.iter().map(|(_, event)| event_rows::id(tx, event)).collect()
        });
        Some(ids.await)
    }

    /// The ids of the events of the current state.
    pub(crate) async fn current_state(&self, room: &RoomId) -> Vec<EventId> {
        let mut ids = self
            .read(room, |tx, room, _| {
                let snapshot = room_rows::by_number(tx, room)?.state.expect("the room has a state");
                let state = state_rows::load(tx, snapshot)?;
                state.iter().map(|(_, event)| event_rows::id(tx, event)).collect::<Result<Vec<_>, _>>()
            })
            .await;
        ids.sort_unstable();
        ids
    }

    /// The id of an event of the current state.
    pub(crate) async fn current(&self, room: &RoomId, event_type: &str, state_key: &str) -> Option<EventId> {
        let (event_type, state_key) = (event_type.to_owned(), state_key.to_owned());
        self.read(room, move |tx, room, _| {
            let event = room_rows::current(tx, room, &event_type, &state_key)?;
            event.map(|event| event_rows::id(tx, event)).transpose()
        })
        .await
    }

    /// The membership that a user of this server has, as the user is told.
    pub(crate) async fn standing(&self, room: &RoomId, user: &str) -> Option<room_rows::Standing> {
        let user = user_id(user);
        self.read(room, move |tx, room, _| room_rows::standing_in(tx, &user, room)).await
    }
}

/// What the layers above would answer: the handshakes handed down, nothing else.
struct Below(Graph);

impl MembershipQuestions for Below {
    fn make<'a>(
        &'a self,
        origin: &'a ServerName,
        handshake: Handshake,
        room_id: &'a RoomId,
        user_id: &'a UserId,
        versions: Vec<String>,
    ) -> Answer<'a> {
        Box::pin(async move { self.0.make(origin, handshake, room_id, user_id, &versions).await })
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
        Box::pin(self.0.accept(origin, handshake, room_id, event_id, event, members))
    }

    fn invite<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        event_id: &'a EventId,
        body: Object,
    ) -> Answer<'a> {
        Box::pin(self.0.accept_invite(origin, room_id, event_id, body))
    }
}

fn nothing<'a>() -> Answer<'a> {
    Box::pin(async { Err(ApiError::not_found("there is nothing of the kind in this test")) })
}

impl DirectoryQuestions for Below {
    fn directory<'a>(&'a self, _: &'a ServerName, _: &'a events::RoomAlias) -> Answer<'a> {
        nothing()
    }

    fn public_rooms<'a>(&'a self, _: &'a ServerName, _: usize, _: Option<String>, _: DirectoryFilter) -> Answer<'a> {
        nothing()
    }
}

impl MediaQuestions for Below {
    fn download<'a>(
        &'a self,
        _: &'a ServerName,
        _: &'a str,
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<FileAnswer, ApiError>> {
        Box::pin(async { Err(ApiError::not_found("nothing is known of that")) })
    }

    fn thumbnail<'a>(
        &'a self,
        _: &'a ServerName,
        _: &'a str,
        _: ThumbnailQuestion,
        _: Option<Duration>,
    ) -> BoxFuture<'a, Result<FileAnswer, ApiError>> {
        Box::pin(async { Err(ApiError::not_found("nothing is known of that")) })
    }
}

impl UserQuestions for Below {
    fn profile<'a>(&'a self, _: &'a ServerName, _: &'a UserId, _: Option<String>) -> Answer<'a> {
        nothing()
    }

    fn devices<'a>(&'a self, _: &'a ServerName, _: &'a UserId) -> Answer<'a> {
        nothing()
    }

    fn query_keys<'a>(&'a self, _: &'a ServerName, _: Object) -> Answer<'a> {
        nothing()
    }

    fn claim_keys<'a>(&'a self, _: &'a ServerName, _: Object) -> Answer<'a> {
        nothing()
    }
}

struct Awake(Outbound);

impl HeardFrom for Awake {
    fn heard_from(&self, server: &ServerName) {
        self.0.heard_from(server);
    }
}

pub(crate) fn signing_key(server: &str) -> SigningKey {
    let mut seed = [9; 32];
    seed.iter_mut().zip(server.bytes()).for_each(|(to, from)| *to = from);
    SigningKey::from_seed(KeyId::parse("ed25519:1").unwrap(), &seed)
}

pub(crate) fn name(server: &str) -> ServerName {
    ServerName::parse(server).unwrap()
}

pub(crate) fn user_id(user: &str) -> UserId {
    UserId::parse(user).unwrap()
}

pub(crate) fn draft(sender: &str, event_type: &str, state_key: Option<&str>, content: Value) -> Draft {
    Draft {
        sender: user_id(sender),
        event_type: event_type.to_owned(),
        state_key: state_key.map(str::to_owned),
        content: content.as_object().unwrap().clone(),
        redacts: None,
    }
}

pub(crate) fn message(sender: &str, text: &str) -> Draft {
    draft(sender, "m.room.message", None, json!({ "msgtype": "m.text", "body": text }))
}

pub(crate) fn state(sender: &str, event_type: &str, content: Value) -> Draft {
    draft(sender, event_type, Some(""), content)
}

//! A server's users in memory, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use events::json::{Object, Value};
use events::{KeyId, RoomId, RoomVersion, ServerName, SigningKey, UserId};
use handles::{Handles, Notifier};
use persistence::transactions::devices::DeviceId;
use persistence::transactions::{remote_devices, rooms};
use persistence::{Database, EventNumber, StoreError, WriteTx};
use serde_json::json;
use transaction::EduIntake;
use transport::questions::{Answer, Edu, UserQuestions};

use crate::accounts::{NewAccount, Role};
use crate::rate_limits::Rates;
use crate::sessions::{Authentication, DeviceRequest, Session, TokenOwner};
use crate::{BoxFuture, Neighbours, OtherServers, ProfileListener, Registration, RemoteError, Users, UsersConfig};

/// What the rooms heard.
#[derive(Default)]
pub(crate) struct Heard(Mutex<Vec<String>>);

impl Heard {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn note(&self, what: String) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(what);
        Box::pin(std::future::ready(()))
    }
}

impl ProfileListener for Heard {
    fn profile_changed(&self, user: UserId) -> BoxFuture<'_, ()> {
        self.note(format!("profile of {user}"))
    }
    fn user_deactivated(&self, user: UserId) -> BoxFuture<'_, ()> {
        self.note(format!("end of {user}"))
    }
}

/// The other servers, as one server reaches them.
#[derive(Default)]
pub(crate) struct World {
    /// Those that answer.
    peers: Mutex<BTreeMap<ServerName, Users>>,
    /// What was asked, as `devices @alice:a.test`.
    asked: Mutex<Vec<String>>,
    /// What waits to be sent.
    queued: Mutex<Vec<(ServerName, Edu)>>,
}

impl World {
    /// Lets `server` answer.
    pub(crate) fn connect(&self, server: &Server) {
        self.peers.lock().unwrap().insert(server.users.server_name().clone(), server.users.clone());
    }

    /// Lets nobody answer any more.
    pub(crate) fn cut(&self) {
        self.peers.lock().unwrap().clear();
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// What was queued since the last time.
    pub(crate) fn queued(&self) -> Vec<(ServerName, Edu)> {
        std::mem::take(&mut *self.queued.lock().unwrap())
    }

    fn ask<'a>(
        &'a self,
        server: ServerName,
        question: String,
        ask: impl for<'q> FnOnce(&'q Users, &'q ServerName) -> Answer<'q> + Send + 'a,
    ) -> BoxFuture<'a, Result<Object, RemoteError>> {
        self.asked.lock().unwrap().push(question);
        let peer = self.peers.lock().unwrap().get(&server).cloned();
        Box::pin(async move {
            let peer = peer.ok_or_else(|| RemoteError::Failed(format!("{server} is away")))?;
            let origin = ServerName::parse("asking.test").unwrap();
            match ask(&peer, &origin).await {
                Ok(answer) => Ok(object(answer)),
                Err(_) => Err(RemoteError::NotFound),
            }
        })
    }
}

impl OtherServers for World {
    fn profile<'a>(&'a self, user: &'a UserId, field: Option<&'a str>) -> BoxFuture<'a, Result<Object, RemoteError>> {
        let (asked, field) = (user.clone(), field.map(str::to_owned));
        let question = format!("profile {user}");
        self.ask(user.server(), question, move |peer, origin| {
            Box::pin(async move { UserQuestions::profile(peer, origin, &asked, field).await })
        })
    }

    fn devices<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Object, RemoteError>> {
        let asked = user.clone();
        self.ask(user.server(), format!("devices {user}"), move |peer, origin| {
            Box::pin(async move { UserQuestions::devices(peer, origin, &asked).await })
        })
    }

    fn query_keys<'a>(&'a self, server: &'a ServerName, keys: Object) -> BoxFuture<'a, Result<Object, RemoteError>> {
        let body = object(json!({ "device_keys": keys }));
        self.ask(server.clone(), format!("query {server}"), move |peer, origin| {
            UserQuestions::query_keys(peer, origin, body)
        })
    }

    fn claim_keys<'a>(&'a self, server: &'a ServerName, keys: Object) -> BoxFuture<'a, Result<Object, RemoteError>> {
        let body = object(json!({ "one_time_keys": keys }));
        self.ask(server.clone(), format!("claim {server}"), move |peer, origin| {
            UserQuestions::claim_keys(peer, origin, body)
        })
    }

    fn enqueue(&self, _tx: &mut WriteTx<'_>, destinations: &BTreeSet<ServerName>, edu: &Edu) -> Result<(), StoreError> {
        self.queued.lock().unwrap().extend(destinations.iter().map(|server| (server.clone(), edu.clone())));
        Ok(())
    }
}

pub(crate) struct Server {
    pub(crate) users: Users,
    pub(crate) database: Database,
    pub(crate) notifier: Notifier,
    pub(crate) heard: Arc<Heard>,
    pub(crate) world: Arc<World>,
}

pub(crate) fn server() -> Server {
    server_with("a.test", Rates::off())
}

pub(crate) fn server_with(name: &str, rates: Rates) -> Server {
    let database = Database::open_inline(None).unwrap();
    let (heard, notifier, world) = (Arc::new(Heard::default()), Notifier::default(), Arc::new(World::default()));
    let config = UsersConfig { registration: Registration::Open, shared_secret: Some("shared".to_owned()), rates };
    let neighbours = Neighbours { profile_listener: heard.clone(), other_servers: world.clone() };
    let name = ServerName::parse(name).unwrap();
    let users = Users::new(name, database.clone(), Handles::simulated(7), notifier.clone(), config, neighbours);
    Server { users, database, notifier, heard, world }
}

/// Two servers that can reach each other, and a user of each; they share a room on both.
pub(crate) async fn two_servers() -> (Server, Session, Server, Session) {
    let (a, b) = (server(), server_with("b.test", Rates::off()));
    let (alice, bob) = (a.user("alice", "PHONE").await, b.user("bob", "PHONE").await);
    for (one, other) in [(&a, &b), (&b, &a)] {
        one.world.connect(other);
        one.set_membership(&alice.user_id, "join").await;
        one.set_membership(&bob.user_id, "join").await;
    }
    (a, alice, b, bob)
}

impl Server {
    /// Changes a membership of the one room that there is.
    pub(crate) async fn set_membership(&self, user: &UserId, membership: &'static str) {
        let (user, us) = (user.clone(), self.users.server_name().clone());
        self.database
            .write(move |tx| {
                let room = rooms::intern(tx, &RoomId::parse("!r:a.test").unwrap(), RoomVersion::V11)?;
                rooms::set_member(tx, room, &user, Some((membership, EventNumber(1))))?;
                if membership == "join" { Ok(()) } else { remote_devices::forget_apart(tx, room, &user, &us) }
            })
            .await
            .unwrap();
    }

    /// Takes EDUs from `origin`.
    pub(crate) async fn receive(&self, origin: &str, edus: Vec<Edu>) {
        let (users, origin) = (self.users.clone(), ServerName::parse(origin).unwrap());
        self.database.write(move |tx| edus.iter().try_for_each(|edu| users.apply(tx, &origin, edu))).await.unwrap();
    }

    /// Takes what `other` has queued for us. Returns how much that was.
    pub(crate) async fn receive_from(&self, other: &Server) -> usize {
        let queued = other.world.queued().into_iter().filter(|(to, _)| to == self.users.server_name());
        let edus: Vec<Edu> = queued.map(|(_, edu)| edu).collect();
        let count = edus.len();
        self.receive(other.users.server_name().as_str(), edus).await;
        count
    }

    /// Registers somebody without a password, with a device.
    pub(crate) async fn user(&self, localpart: &str, device: &str) -> Session {
        let new = NewAccount { localpart: Some(localpart.to_owned()), password: None, role: Role::User };
        let device =
            DeviceRequest { device_id: DeviceId::parse(device), display_name: None, ..DeviceRequest::default() };
        self.users.register(new, Some(device), None).await.unwrap().1.unwrap()
    }

    /// Whom an access token stands for.
    pub(crate) async fn owner(&self, access_token: &str) -> Option<TokenOwner> {
        match self.users.authenticate(access_token, None).await.unwrap() {
            Authentication::Owner(owner) => Some(owner),
            Authentication::Expired | Authentication::Unknown => None,
        }
    }

    /// Gives somebody another device.
    pub(crate) async fn device(&self, user: &UserId, device: &str) -> DeviceId {
        let device = DeviceRequest {
            device_id: DeviceId::parse(device),
            display_name: Some(format!("{device} of mine")),
            ..DeviceRequest::default()
        };
        self.users.start_session(user.clone(), device, None).await.unwrap().device_id
    }
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn object(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

/// A client's ed25519 key.
pub(crate) struct ClientKey(SigningKey);

impl ClientKey {
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_seed(KeyId::parse("ed25519:x").unwrap(), &[seed; 32]))
    }

    pub(crate) fn public(&self) -> String {
        self.0.public().to_base64()
    }

    /// Adds a signature, as clients do.
    pub(crate) fn sign(&self, value: Value, user: &UserId, key_id: &str) -> Object {
        let mut object = object(value);
        let signature = self.0.signature_of(&object);
        crate::signed_keys::add_signature(&mut object, user, key_id, signature);
        object
    }

    /// The identity keys of a device that has this key.
    pub(crate) fn device_keys(&self, user: &UserId, device: &DeviceId) -> Object {
        let keys = json!({
            "user_id": user.as_str(),
            "device_id": device.as_str(),
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": {
                (format!("curve25519:{device}")): self.public(),
                (format!("ed25519:{device}")): self.public(),
            },
        });
        self.sign(keys, user, &format!("ed25519:{device}"))
    }

    /// A one-time key, signed by this key.
    pub(crate) fn one_time_key(&self, user: &UserId, device: &DeviceId, seed: u8) -> Value {
        let key = json!({ "key": ClientKey::new(seed).public() });
        Value::Object(self.sign(key, user, &format!("ed25519:{device}")))
    }
}

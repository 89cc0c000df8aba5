//! A server's users in memory, for tests.

use std::sync::{Arc, Mutex};

use events::json::{Object, Value};
use events::{KeyId, ServerName, SigningKey, UserId};
use handles::{Handles, Notifier};
use persistence::Database;
use persistence::transactions::devices::DeviceId;
use serde_json::json;

use crate::accounts::{NewAccount, Role};
use crate::sessions::{DeviceRequest, Session};
use crate::{BoxFuture, Neighbours, NoOtherServers, ProfileListener, RateLimits, Registration, Users, UsersConfig};

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
    fn devices_changed(&self, user: UserId) -> BoxFuture<'_, ()> {
        self.note(format!("devices of {user}"))
    }
}

pub(crate) struct Server {
    pub(crate) users: Users,
    pub(crate) database: Database,
    pub(crate) notifier: Notifier,
    pub(crate) heard: Arc<Heard>,
}

pub(crate) fn server() -> Server {
    server_with(RateLimits::Off)
}

pub(crate) fn server_with(rate_limits: RateLimits) -> Server {
    let database = Database::open_inline(None).unwrap();
    let (heard, notifier) = (Arc::new(Heard::default()), Notifier::default());
    let config =
        UsersConfig { registration: Registration::Open, shared_secret: Some("shared".to_owned()), rate_limits };
    let neighbours = Neighbours { profile_listener: heard.clone(), remote_profiles: Arc::new(NoOtherServers) };
    let name = ServerName::parse("a.test").unwrap();
    let users = Users::new(name, database.clone(), Handles::simulated(7), notifier.clone(), config, neighbours);
    Server { users, database, notifier, heard }
}

impl Server {
    /// Registers somebody without a password, with a device.
    pub(crate) async fn user(&self, localpart: &str, device: &str) -> Session {
        let new = NewAccount { localpart: Some(localpart.to_owned()), password: None, role: Role::User };
        let device = DeviceRequest { device_id: DeviceId::parse(device), display_name: None };
        self.users.register(new, Some(device), None).await.unwrap().1.unwrap()
    }

    /// Gives somebody another device.
    pub(crate) async fn device(&self, user: &UserId, device: &str) -> DeviceId {
        let device =
            DeviceRequest { device_id: DeviceId::parse(device), display_name: Some(format!("{device} of mine")) };
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

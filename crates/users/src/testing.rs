//! A server's users in memory, for tests.

use std::sync::{Arc, Mutex};

use events::json::{Object, Value};
use events::{ServerName, UserId};
use handles::{Handles, Notifier};
use persistence::Database;
use persistence::transactions::devices::DeviceId;

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
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn object(value: Value) -> Object {
    value.as_object().unwrap().clone()
}

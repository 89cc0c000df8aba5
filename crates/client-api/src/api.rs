//! What the endpoints need.

use std::sync::Arc;

use events::RoomVersion;
use ipnet::IpNet;
use messaging::Messaging;
use users::Users;

/// The state of all endpoints. Cheap to clone.
#[derive(Clone)]
pub struct ClientApi(Arc<Parts>);

struct Parts {
    users: Users,
    messaging: Messaging,
    config: ClientApiConfig,
}

/// What an operator decides about clients.
#[derive(Debug, Clone)]
pub struct ClientApiConfig {
    /// Reverse proxies that are believed about the addresses of clients.
    pub trusted_proxies: Vec<IpNet>,
    /// The version of rooms whose creator names none.
    pub default_version: RoomVersion,
    /// Who may publish rooms.
    pub public_directory: PublicDirectory,
}

/// Who may publish rooms in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicDirectory {
    /// Every user.
    Everyone,
    /// Administrators.
    Admins,
    /// No user.
    Nobody,
}

impl ClientApi {
    /// Serves `users` and `messaging`.
    pub fn new(users: Users, messaging: Messaging, config: ClientApiConfig) -> Self {
        Self(Arc::new(Parts { users, messaging, config }))
    }

    pub(crate) fn users(&self) -> &Users {
        &self.0.users
    }

    pub(crate) fn messaging(&self) -> &Messaging {
        &self.0.messaging
    }

    pub(crate) fn config(&self) -> &ClientApiConfig {
        &self.0.config
    }
}

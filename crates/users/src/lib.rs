//! Users: their accounts, devices, keys, messages to devices, profiles and settings. Ours, and answered to other servers.
//!
//! [`Users`] is what everybody holds. Its methods are in the modules, one concern each: [`accounts`] registers,
//! [`sessions`] logs in and out and knows who a token stands for, [`devices`] lists them, [`profiles`], [`account_data`],
//! [`push_rules`] and [`filters`] keep what users say and wish, [`keys`], [`cross_signing`], [`key_backups`] and
//! [`to_device`] carry what encrypted rooms need; [`remote_keys`] knows the keys of users of other servers. [`answers`] answers
//! those servers.
//!
//! **Invariant:** nothing here knows what happens in rooms, only who shares one with whom. What follows there,
//! [`ProfileListener`] does.
//! **Invariant:** passwords and access tokens are stored only as hashes, and never logged.
//! **Invariant:** keys of our own users pass the same checks as those of strangers.

pub mod account_data;
pub mod accounts;
pub mod answers;
pub mod cross_signing;
pub mod devices;
mod edus;
pub mod filters;
pub mod key_backups;
pub mod keys;
mod neighbours;
mod passwords;
pub mod profiles;
pub mod push_rules;
pub mod rate_limits;
pub mod remote_keys;
pub mod sessions;
mod signed_keys;
pub mod to_device;

use std::sync::Arc;

use events::{ServerName, UserId};
use handles::{Handles, Notifier};
use persistence::Database;

pub use neighbours::{
    BoxFuture, Neighbours, NoOtherServers, NobodyListens, OtherServers, ProfileListener, RemoteError,
};
pub use persistence::transactions::devices::DeviceId;

use rate_limits::{Limits, Rates};

/// The users of this server. Cheap to clone.
#[derive(Clone)]
pub struct Users(Arc<Inner>);

/// Who may register, and which limits hold.
#[derive(Debug, Clone)]
pub struct UsersConfig {
    /// Who may register.
    pub registration: Registration,
    /// The secret of the administrator's registration protocol; `None` switches it off.
    pub shared_secret: Option<String>,
    /// How often what may be done.
    pub rates: Rates,
}

/// Who may register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// Nobody.
    Closed,
    /// Who knows one of these.
    Token(Vec<String>),
    /// Everybody.
    Open,
}

struct Inner {
    server_name: ServerName,
    database: Database,
    handles: Handles,
    notifier: Notifier,
    config: UsersConfig,
    neighbours: Neighbours,
    limits: Limits,
    nonces: accounts::Nonces,
    remote_profiles: profiles::RemoteProfiles,
}

impl Users {
    /// The users of `server_name`.
    pub fn new(
        server_name: ServerName,
        database: Database,
        handles: Handles,
        notifier: Notifier,
        config: UsersConfig,
        neighbours: Neighbours,
    ) -> Self {
        let limits = Limits::new(&config.rates);
        let nonces = accounts::Nonces::default();
        let remote_profiles = profiles::RemoteProfiles::default();
        Self(Arc::new(Inner {
            server_name,
            database,
            handles,
            notifier,
            config,
            neighbours,
            limits,
            nonces,
            remote_profiles,
        }))
    }

    /// Begins what goes on in the background. Once, and when rooms and other servers can be reached.
    pub fn start(&self) {
        self.follow_keys();
        self.finish_deactivations();
    }

    /// The server whose users these are.
    pub fn server_name(&self) -> &ServerName {
        &self.0.server_name
    }

    /// Who may register.
    pub fn registration(&self) -> &Registration {
        &self.0.config.registration
    }

    /// Says whether `user` belongs to this server, whether or not there is such an account.
    pub fn is_local(&self, user: &UserId) -> bool {
        user.server() == self.0.server_name
    }

    /// Returns the user id that a client means by `name`: a whole id, or the localpart of one of ours.
    pub fn resolve(&self, name: &str) -> Option<UserId> {
        if name.starts_with('@') {
            return UserId::parse(name).ok();
        }
        UserId::parse(format!("@{name}:{}", self.0.server_name)).ok()
    }
}

#[cfg(test)]
pub(crate) mod testing;

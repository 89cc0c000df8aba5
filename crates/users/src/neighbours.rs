//! What users need of those beside and below: rooms that follow a profile, other servers' profiles.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use events::UserId;
use events::json::Object;

/// A future that can be sent to other threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Hears what happens to users and must be seen in their rooms. `messaging` implements it.
pub trait ProfileListener: Send + Sync {
    /// The display name or the avatar changed: the member events in joined rooms say so.
    fn profile_changed(&self, user: UserId) -> BoxFuture<'_, ()>;
    /// The account is gone for good: it leaves its rooms.
    fn user_deactivated(&self, user: UserId) -> BoxFuture<'_, ()>;
    /// Devices or keys changed: whoever shares a room with the user is to be woken.
    fn devices_changed(&self, user: UserId) -> BoxFuture<'_, ()>;
}

/// Asks other servers about their users' profiles.
pub trait RemoteProfiles: Send + Sync {
    /// Asks the user's server for the profile, or only for `field` of it.
    fn profile<'a>(&'a self, user: &'a UserId, field: Option<&'a str>) -> BoxFuture<'a, Result<Object, RemoteError>>;
}

/// Why another server's answer could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It says that there is no such thing.
    #[error("there is no such user or field")]
    NotFound,
    /// It does not answer, or not with sense.
    #[error("{0}")]
    Failed(String),
}

/// Who listens and who can be asked.
#[derive(Clone)]
pub struct Neighbours {
    /// Hears of changed profiles.
    pub profile_listener: Arc<dyn ProfileListener>,
    /// Asks other servers.
    pub remote_profiles: Arc<dyn RemoteProfiles>,
}

impl Default for Neighbours {
    /// Nobody.
    fn default() -> Self {
        Self { profile_listener: Arc::new(NobodyListens), remote_profiles: Arc::new(NoOtherServers) }
    }
}

/// For a command line that changes accounts while no server runs.
pub struct NobodyListens;

impl ProfileListener for NobodyListens {
    fn profile_changed(&self, _user: UserId) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn user_deactivated(&self, _user: UserId) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn devices_changed(&self, _user: UserId) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// For a server that talks to no other.
pub struct NoOtherServers;

impl RemoteProfiles for NoOtherServers {
    fn profile<'a>(&'a self, user: &'a UserId, _field: Option<&'a str>) -> BoxFuture<'a, Result<Object, RemoteError>> {
        let error = RemoteError::Failed(format!("{} cannot be asked: this server does not federate", user.server()));
        Box::pin(std::future::ready(Err(error)))
    }
}

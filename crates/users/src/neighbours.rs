//! What users need of those beside and below: rooms that follow a profile, and other servers.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use events::json::Object;
use events::{ServerName, UserId};
use persistence::{StoreError, WriteTx};
use transport::questions::Edu;

/// A future that can be sent to other threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Hears what happens to users and must be seen in their rooms. `messaging` implements it.
pub trait ProfileListener: Send + Sync {
    /// The display name or the avatar changed: the member events in joined rooms say so.
    fn profile_changed(&self, user: UserId) -> BoxFuture<'_, ()>;
    /// The account is gone for good: it leaves its rooms.
    fn user_deactivated(&self, user: UserId) -> BoxFuture<'_, ()>;
}

/// Asks other servers about their users, and tells them about ours.
pub trait OtherServers: Send + Sync {
    /// Asks the user's server for the profile, or only for `field` of it.
    fn profile<'a>(&'a self, user: &'a UserId, field: Option<&'a str>) -> BoxFuture<'a, Result<Object, RemoteError>>;
    /// Asks the user's server for all devices: `GET /user/devices/{userId}`.
    fn devices<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Object, RemoteError>>;
    /// `POST /user/keys/query`
    fn query_keys<'a>(
        &'a self,
        server: &'a ServerName,
        device_keys: Object,
    ) -> BoxFuture<'a, Result<Object, RemoteError>>;
    /// `POST /user/keys/claim`
    fn claim_keys<'a>(
        &'a self,
        server: &'a ServerName,
        one_time_keys: Object,
    ) -> BoxFuture<'a, Result<Object, RemoteError>>;
    /// Queues an EDU that must arrive, in the transaction that makes it necessary.
    fn enqueue(&self, tx: &mut WriteTx<'_>, destinations: &BTreeSet<ServerName>, edu: &Edu) -> Result<(), StoreError>;
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
    /// The rest of the world.
    pub other_servers: Arc<dyn OtherServers>,
}

impl Default for Neighbours {
    /// Nobody.
    fn default() -> Self {
        Self { profile_listener: Arc::new(NobodyListens), other_servers: Arc::new(NoOtherServers) }
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
}

/// For a server that talks to no other.
pub struct NoOtherServers;

impl NoOtherServers {
    fn refuse(server: &ServerName) -> BoxFuture<'static, Result<Object, RemoteError>> {
        let error = RemoteError::Failed(format!("{server} cannot be asked: this server does not federate"));
        Box::pin(std::future::ready(Err(error)))
    }
}

impl OtherServers for NoOtherServers {
    fn profile<'a>(&'a self, user: &'a UserId, _field: Option<&'a str>) -> BoxFuture<'a, Result<Object, RemoteError>> {
        Self::refuse(&user.server())
    }

    fn devices<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Object, RemoteError>> {
        Self::refuse(&user.server())
    }

    fn query_keys<'a>(&'a self, server: &'a ServerName, _: Object) -> BoxFuture<'a, Result<Object, RemoteError>> {
        Self::refuse(server)
    }

    fn claim_keys<'a>(&'a self, server: &'a ServerName, _: Object) -> BoxFuture<'a, Result<Object, RemoteError>> {
        Self::refuse(server)
    }

    fn enqueue(&self, _: &mut WriteTx<'_>, _: &BTreeSet<ServerName>, _: &Edu) -> Result<(), StoreError> {
        Ok(())
    }
}

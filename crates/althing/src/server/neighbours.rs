//! What one layer needs of another that it must not know: each a trait of the one, answered by the other.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use events::{Object, ServerName, UserId};
use handles::Clock;
use messaging::{Messaging, UserDirectory};
use persistence::transactions::{accounts, rooms};
use persistence::{Database, StoreError, WriteTx};
use transaction::{Outbound, RequestError, Requests};
use transport::Health;
use transport::exchange::BoxFuture;
use transport::questions::Edu;
use transport::server::HeardFrom;
use users::profiles::read_profile;
use users::rate_limits::{Limit, Limits};
use users::{OtherServers, ProfileListener, RemoteError};

/// For messaging: who has an account here, and may be invited.
pub(super) struct Accounts {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
}

impl UserDirectory for Accounts {
    fn exists<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<bool, StoreError>> {
        let user = user.clone();
        Box::pin(self.database.read(move |tx| {
            let account = accounts::get(tx, &user)?;
            Ok(account.is_some_and(|account| account.deactivated_at.is_none()))
        }))
    }

    fn count_invite(&self, from: &ServerName, user: &UserId) -> Result<(), Duration> {
        let now = self.clock.monotonic();
        let pair = format!("{from} {user}");
        let (all, to_user) = (Limit::InvitesFromServer, Limit::InvitesFromServerToUser);
        self.limits.take(to_user, &pair, now).map_err(|limited| limited.retry_after)?;
        self.limits.take(all, from.as_str(), now).map_err(|limited| {
            self.limits.give_back(to_user, &pair);
            limited.retry_after
        })
    }
}

/// For users: the rooms in which a change is seen.
pub(super) struct Rooms(pub(super) Messaging);

impl Rooms {
    async fn renew_profile(&self, user: UserId) {
        let who = user.clone();
        let profile: Result<Object, StoreError> = self.0.database().read(move |tx| read_profile(tx, &who)).await;
        let renewed = match profile {
            Ok(profile) => self.0.renew_profile(&user, profile).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = renewed {
            tracing::warn!(user.id = %user, "the rooms of {user} do not show the new profile: {error}");
        }
    }

    async fn leave_all(&self, user: UserId) {
        let who = user.clone();
        let standings = self.0.database().read(move |tx| {
            let standings = rooms::standings(tx, &who)?;
            standings
                .into_iter()
                .filter(|standing| ["join", "invite", "knock"].contains(&standing.membership.as_str()))
                .map(|standing| Ok::<_, StoreError>(rooms::by_number(tx, standing.room)?.room_id))
                .collect::<Result<Vec<_>, StoreError>>()
        });
        let left = match standings.await {
            Ok(left) => left,
            Err(error) => {
                tracing::error!(user.id = %user, "{user} stays in rooms although deactivated: {error}");
                return;
            }
        };
        for room in left {
            if let Err(error) = self.0.leave(&user, &room, Object::new()).await {
                tracing::warn!(user.id = %user, room.id = %room, "{user} stays in {room} although deactivated: {error}");
            }
        }
    }
}

impl ProfileListener for Rooms {
    fn profile_changed(&self, user: UserId) -> BoxFuture<'_, ()> {
        Box::pin(self.renew_profile(user))
    }

    fn user_deactivated(&self, user: UserId) -> BoxFuture<'_, ()> {
        Box::pin(self.leave_all(user))
    }
}

/// For users: the rest of the world.
pub(super) struct RestOfTheWorld {
    pub(super) requests: Requests,
    pub(super) outbound: Outbound,
}

impl OtherServers for RestOfTheWorld {
    fn profile<'a>(&'a self, user: &'a UserId, field: Option<&'a str>) -> BoxFuture<'a, Result<Object, RemoteError>> {
        Box::pin(async move { self.requests.query_profile(user, field).await.map_err(remote_error) })
    }

    fn devices<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Object, RemoteError>> {
        Box::pin(async move { self.requests.devices(user).await.map_err(remote_error) })
    }

    fn query_keys<'a>(
        &'a self,
        server: &'a ServerName,
        device_keys: Object,
    ) -> BoxFuture<'a, Result<Object, RemoteError>> {
        Box::pin(async move { self.requests.query_keys(server, device_keys).await.map_err(remote_error) })
    }

    fn claim_keys<'a>(
        &'a self,
        server: &'a ServerName,
        one_time_keys: Object,
    ) -> BoxFuture<'a, Result<Object, RemoteError>> {
        Box::pin(async move { self.requests.claim_keys(server, one_time_keys).await.map_err(remote_error) })
    }

    fn enqueue(&self, tx: &mut WriteTx<'_>, destinations: &BTreeSet<ServerName>, edu: &Edu) -> Result<(), StoreError> {
        self.outbound.enqueue_edu(tx, destinations, edu, None)
    }
}

fn remote_error(error: RequestError) -> RemoteError {
    match error {
        RequestError::Refused { status: 404, .. } => RemoteError::NotFound,
        RequestError::Refused { .. } | RequestError::Failed(_) | RequestError::Malformed { .. } => {
            RemoteError::Failed(error.to_string())
        }
    }
}

/// For transport: who wants to know that a server is awake.
pub(super) struct Awake {
    pub(super) health: Arc<Health>,
    pub(super) outbound: Outbound,
}

impl HeardFrom for Awake {
    fn heard_from(&self, server: &ServerName) {
        self.health.heard_from(server);
        self.outbound.heard_from(server);
    }
}

#[cfg(test)]
mod tests {
    use handles::Handles;
    use users::rate_limits::Rates;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_invites_so_often_and_each_user_more_seldom() {
        let handles = Handles::simulated(1);
        let accounts = Accounts {
            database: Database::open_inline(None).unwrap(),
            clock: handles.clock.clone(),
            limits: Limits::new(&Rates::default()),
        };
        let invites = |from: &str, user: String| {
            accounts.count_invite(&ServerName::parse(from).unwrap(), &UserId::parse(user).unwrap())
        };
        let many = |from: &str, prefix: &str, users: u32, each: u32| {
            (0..users * each).filter(|n| invites(from, format!("@{prefix}{}:a.test", n % users)).is_ok()).count()
        };
        let (all, to_user) = (Limit::InvitesFromServer.default_rate(), Limit::InvitesFromServerToUser.default_rate());
        let bursts = [all.burst, to_user.burst].map(|burst| usize::try_from(burst).unwrap());
        assert_eq!(many("b.test", "one", 1, 2 * to_user.burst), bursts[1]);
        assert_eq!(many("b.test", "user", 2 * all.burst, 1), bursts[0] - bursts[1]);
        assert!(invites("c.test", "@one0:a.test".to_owned()).is_ok(), "others may");
        handles.clock.sleep(all.interval).await;
        assert!(invites("b.test", "@new:a.test".to_owned()).is_ok(), "one more after a while");
        assert!(invites("b.test", "@new:a.test".to_owned()).is_err());
    }
}

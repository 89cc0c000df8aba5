//! Whoever joins a room is seen there with their devices: `messaging` knows who joins, `users` which devices there are. S2S
//! API, "Device Management".

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use events::{ServerName, UserId};
use handles::Handles;
use messaging::Messaging;
use messaging::subscription::{Happened, Subscription, Wanted};
use persistence::StoreError;
use persistence::transactions::{companions, rooms};
use users::Users;

/// The name of the subscription: its position outlives restarts.
const NAME: &str = "introductions of devices";
/// After an error of the database.
const RETRY: Duration = Duration::from_secs(60);

/// Begins to introduce the devices of users of ours to servers that they come to share a room with.
pub(super) async fn start(messaging: &Messaging, users: &Users, handles: &Handles) -> Result<(), StoreError> {
    let mut subscription = Some(messaging.subscribe(NAME, Wanted::Memberships).await?);
    let (messaging, users, clock) = (messaging.clone(), users.clone(), handles.clock.clone());
    handles.tasks.spawn("introductions", async move {
        loop {
            let Err(error) = introduce_all(&messaging, &users, subscription.take()).await;
            tracing::error!("other servers are told of devices later: {error}");
            clock.sleep(RETRY).await;
        }
    });
    Ok(())
}

/// Introduces devices until the database fails. Without a subscription it begins a new one: what was returned by the last, and is not
/// acknowledged, comes again.
async fn introduce_all(
    messaging: &Messaging,
    users: &Users,
    subscription: Option<Subscription>,
) -> Result<Infallible, StoreError> {
    let mut subscription = match subscription {
        Some(subscription) => subscription,
        None => messaging.subscribe(NAME, Wanted::Memberships).await?,
    };
    loop {
        introduce(messaging, users, &mut subscription).await?;
    }
}

async fn introduce(messaging: &Messaging, users: &Users, subscription: &mut Subscription) -> Result<(), StoreError> {
    let page = subscription.next().await?;
    for happened in &page {
        let user = happened.pdu.state_key().and_then(|key| UserId::parse(key).ok());
        let Some(user) = user.filter(|user| users.is_local(user) && happened.pdu.membership() == Some("join")) else {
            continue;
        };
        let servers = new_servers(messaging, happened, &user).await?;
        if !servers.is_empty() {
            users.introduce_devices(&user, servers).await?;
        }
    }
    match page.last() {
        Some(last) => subscription.acknowledge(last.position).await,
        None => Ok(()),
    }
}

/// Returns the servers in the room that share no other room with the user: they get no news of the user's devices yet. None if
/// the user was in the room before.
async fn new_servers(
    messaging: &Messaging,
    happened: &Happened,
    user: &UserId,
) -> Result<BTreeSet<ServerName>, StoreError> {
    if happened.membership_before.as_deref() == Some("join") {
        return Ok(BTreeSet::new());
    }
    let (us, room_id, user) = (messaging.server_name().clone(), happened.room_id.clone(), user.clone());
    messaging
        .database()
        .read(move |tx| {
            let Some(room) = rooms::by_id(tx, &room_id)? else { return Ok(BTreeSet::new()) };
            let known = companions::servers_sharing_another_room(tx, &user, room.number)?;
            let here = rooms::servers(tx, room.number)?;
            Ok(here.into_iter().filter(|server| *server != us && !known.contains(server)).collect())
        })
        .await
}

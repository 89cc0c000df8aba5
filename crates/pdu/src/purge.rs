//! Removes rooms completely.
//!
//! First a room is out of sight, in one transaction. What of it waits for other servers, such as that our last user has left, is
//! still delivered; then its rows go, a few at a time, so that nobody waits. A restart goes on where it was.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::{RoomId, UserId};
use handles::Handles;
use persistence::transactions::purging::{self as rows, Purge};
use persistence::transactions::rooms as room_rows;
use persistence::{Database, StoreError};
use tokio::sync::Notify;

use crate::due::{milliseconds, rest};
use crate::graph::Graph;
use crate::limits::{ENDED_OUTSIDE_PER_USER_MAX, PURGE_AWAITED_MAX, PURGE_PAUSE, PURGE_WINDOW, STAGED_RETRY_FIRST};

/// Wakes the task that purges rooms.
#[derive(Default)]
pub(crate) struct Purger {
    woken: Notify,
    /// Users of ours who were just let out of a room that nobody here has been in.
    let_out: Mutex<BTreeSet<UserId>>,
}

impl Purger {
    /// Has the rooms be looked at that a user of ours was invited to, or had knocked at, and is out of.
    pub(crate) fn look_after(&self, user: UserId) {
        self.let_out().insert(user);
        self.woken.notify_one();
    }

    fn let_out(&self) -> MutexGuard<'_, BTreeSet<UserId>> {
        self.let_out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a room is not purged.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// There is nothing to purge.
    #[error("this server knows no room {0}")]
    Unknown(RoomId),
    /// Somebody is in it.
    #[error(
        "the room {room} is in use here: {users} of our users are in it, invited, or have knocked, {first} among them; they have \
         to leave it first"
    )]
    InUse {
        /// Which room.
        room: RoomId,
        /// How many.
        users: usize,
        /// One of them.
        first: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Graph {
    /// Removes a room completely: it is out of sight at once, and its rows go in the background. Its encryption keys in users'
    /// backups and its files stay: they are the users'.
    pub async fn purge(&self, room_id: &RoomId) -> Result<(), PurgeError> {
        let id = room_id.clone();
        let Some(row) = self.database().read(move |tx| room_rows::by_id(tx, &id)).await? else {
            return Err(PurgeError::Unknown(room_id.clone()));
        };
        // Whoever is at work in the room finishes, and finds it gone afterwards.
        let turn = self.turn_of(row.number).await?;
        begin(self.database(), self.handles(), room_id).await?;
        drop(turn);
        self.unload(row.number);
        self.purger().woken.notify_one();
        Ok(())
    }

    /// Returns how many rooms are being purged: their rows are not all gone.
    pub async fn purges_left(&self) -> Result<usize, StoreError> {
        Ok(self.database().read(rows::begun).await?.len())
    }

    /// Starts the task that purges rooms; takes up what was begun before a restart.
    pub(crate) fn start_purger(&self) {
        let graph = self.clone();
        self.handles().tasks.spawn("purge of rooms", async move {
            loop {
                let pause = graph.purge_due().await.unwrap_or_else(|error| {
                    tracing::error!("rooms are not purged for now, since the database failed: {error}");
                    Some(STAGED_RETRY_FIRST)
                });
                rest(&*graph.handles().clock, &graph.purger().woken, pause).await;
            }
        });
    }

    /// Does what the task is there for. Returns when there is something to do again; `None` if nothing is left.
    async fn purge_due(&self) -> Result<Option<Duration>, StoreError> {
        let next = || self.purger().let_out().pop_first();
        while let Some(user) = next() {
            if let Err(error) = self.forget_ended_outside(&user).await {
                self.purger().let_out().insert(user);
                return Err(error);
            }
        }
        self.purge_begun().await
    }

    /// Whoever invites and takes that back, again and again, leaves something with us each time: of one user so much is kept and no more.
    async fn forget_ended_outside(&self, user: &UserId) -> Result<(), StoreError> {
        let who = user.clone();
        let ended = self.database().read(move |tx| room_rows::ended_outside(tx, &who, ENDED_OUTSIDE_PER_USER_MAX));
        for row in ended.await? {
            let who = user.clone();
            let is_seen =
                self.database().write(move |tx| room_rows::remove_ended_outside(tx, &who, row.number)).await?;
            if is_seen {
                continue;
            }
            match self.purge(&row.room_id).await {
                // Somebody was invited anew, or somebody else was quicker.
                Ok(()) | Err(PurgeError::InUse { .. } | PurgeError::Unknown(_)) => {}
                Err(PurgeError::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Purges rooms until their rows are gone. Returns when to look at those that have to wait; `None` if none do.
    async fn purge_begun(&self) -> Result<Option<Duration>, StoreError> {
        let mut awaited = false;
        for purge in self.database().read(rows::begun).await? {
            let age = self.handles().clock.now() - purge.since;
            let is_old = age > milliseconds(PURGE_AWAITED_MAX);
            if !is_old && self.database().read(move |tx| rows::is_awaited(tx, purge.room)).await? {
                awaited = true;
                continue;
            }
            delete_rows(self.database(), self.handles(), purge).await?;
        }
        Ok(awaited.then_some(PURGE_PAUSE))
    }
}

/// Removes a room completely, while no server runs on the database. Returns when all is gone; what of it waited for other servers
/// they never hear.
pub async fn purge_alone(database: &Database, handles: &Handles, room_id: &RoomId) -> Result<(), PurgeError> {
    begin(database, handles, room_id).await?;
    for purge in database.read(rows::begun).await? {
        delete_rows(database, handles, purge).await?;
    }
    Ok(())
}

/// Takes a room out of sight, unless users of ours are in it.
async fn begin(database: &Database, handles: &Handles, room_id: &RoomId) -> Result<(), PurgeError> {
    let (id, now) = (room_id.clone(), handles.clock.now());
    database
        .write(move |tx| {
            let Some(row) = room_rows::by_id(tx, &id)? else { return Err(PurgeError::Unknown(id)) };
            let users = room_rows::users_concerned(tx, row.number)?;
            if let Some(first) = users.first() {
                return Err(PurgeError::InUse { room: id, users: users.len(), first: first.to_string() });
            }
            if rows::begin(tx, &id, now)? { Ok(()) } else { Err(PurgeError::Unknown(id)) }
        })
        .await?;
    tracing::info!(room.id = %room_id, "Purging {room_id}");
    Ok(())
}

/// Deletes the rows of a room that is out of sight.
async fn delete_rows(database: &Database, handles: &Handles, purge: Purge) -> Result<(), StoreError> {
    while database.write(move |tx| rows::delete_rows(tx, purge.room)).await? > 0 {
        breathe(handles).await;
    }
    let mut purge = purge;
    loop {
        let window = database
            .read(move |tx| Ok::<_, StoreError>((rows::events(tx, &purge, PURGE_WINDOW)?, rows::newest_event(tx)?)));
        let (events, newest) = window.await?;
        let looked_at = (purge.looked_at + PURGE_WINDOW).min(newest);
        let found = purge.found + i64::try_from(events.len()).unwrap_or(i64::MAX);
        if !events.is_empty() || looked_at > purge.looked_at {
            database.write(move |tx| rows::delete_events(tx, &purge, &events, looked_at)).await?;
            breathe(handles).await;
        }
        if looked_at < newest {
            purge = Purge { looked_at, found, ..purge };
        } else if found > 0 {
            // Somebody who was at work in the room may have stored events meanwhile.
            database.write(move |tx| rows::look_again(tx, &purge)).await?;
            purge = Purge { looked_at: 0, found: 0, ..purge };
        } else {
            return database.write(move |tx| rows::finish(tx, &purge)).await;
        }
    }
}

/// Lets others write.
async fn breathe(handles: &Handles) {
    handles.clock.sleep(Duration::from_millis(1)).await;
}

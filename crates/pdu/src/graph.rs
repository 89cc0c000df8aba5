//! The handle of this layer, and the rooms that it keeps in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events::{RoomId, ServerName, SigningKey};
use handles::{Handles, Notifier, watch};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::{Database, ReadTx, RoomNumber, StoreError};
use tokio::sync::OwnedMutexGuard;
use transaction::{Outbound, Requests, Volume};
use transport::key_ring::KeyRing;
use transport::turns::Turns;

use crate::acl::Acls;
use crate::counted_in::CountedIn;
use crate::counted_out::Removal;
use crate::limits::{EVENTS_LOADED_MAX, FETCHES_PER_ORIGIN_MAX, ROOMS_LOADED_MAX};
use crate::looks::Looks;
use crate::missed::Filler;
use crate::partial::Joins;
use crate::purge::Purger;
use crate::removed::Removed;
use crate::room::Room;
use crate::send::WaitingMessages;
use crate::unanswered_joins::UnansweredJoins;
use crate::unverified::Verifier;
use crate::workers::{Queue, Workers};

/// The event graphs of all rooms. Cheap to clone.
#[derive(Clone)]
pub struct Graph(Arc<Inner>);

/// What a [`Graph`] is made of.
pub struct Parts {
    /// Our name.
    pub server_name: ServerName,
    /// Our key.
    pub signing_key: Arc<SigningKey>,
    /// Where everything is kept.
    pub database: Database,
    /// The outside world.
    pub handles: Handles,
    /// The keys of other servers.
    pub key_ring: Arc<KeyRing>,
    /// Questions to other servers.
    pub requests: Requests,
    /// Queues to other servers.
    pub outbound: Outbound,
    /// Wakes the users of ours for whom there is news.
    pub notifier: Notifier,
    /// What other servers have us store.
    pub volume: Volume,
}

struct Inner {
    parts: Parts,
    loaded: Mutex<BTreeMap<RoomNumber, Loaded>>,
    workers: Workers,
    verifier: Verifier,
    filler: Filler,
    unanswered_joins: UnansweredJoins,
    counted_in: CountedIn,
    counted_out: Looks<Removal>,
    removed: Removed,
    joins: Joins,
    purger: Purger,
    /// To fetch what events of an origin refer to: after an outage one server may be asked about hundreds of rooms, and neither it nor
    /// our memory is to feel that.
    fetch_turns: Turns,
    acls: Acls,
    waiting_messages: WaitingMessages,
    newest: watch::Sender<u64>,
}

/// A room's turn: whoever holds the lock advances the room.
type Turn = Arc<tokio::sync::Mutex<Option<Room>>>;

struct Loaded {
    turn: Turn,
    /// Greater is more recent.
    used: u64,
    weight: usize,
}

/// The right to advance a room.
pub(crate) struct RoomTurn {
    pub(crate) row: RoomRow,
    guard: OwnedMutexGuard<Option<Room>>,
}

impl Graph {
    /// Puts the parts together. Nothing runs before [`Graph::start`].
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            loaded: Mutex::new(BTreeMap::new()),
            workers: Workers::default(),
            verifier: Verifier::default(),
            filler: Filler::default(),
            unanswered_joins: UnansweredJoins::default(),
            counted_in: CountedIn::default(),
            counted_out: Looks::default(),
            removed: Removed::default(),
            joins: Joins::default(),
            purger: Purger::default(),
            fetch_turns: Turns::new(FETCHES_PER_ORIGIN_MAX),
            acls: Acls::default(),
            waiting_messages: WaitingMessages::default(),
            newest: watch::Sender::new(0),
        }))
    }

    /// Our name.
    pub fn server_name(&self) -> &ServerName {
        &self.0.parts.server_name
    }

    /// The database.
    pub fn database(&self) -> &Database {
        &self.0.parts.database
    }

    /// The outside world.
    pub fn handles(&self) -> &Handles {
        &self.0.parts.handles
    }

    /// Queues to other servers.
    pub fn outbound(&self) -> &Outbound {
        &self.0.parts.outbound
    }

    /// Questions to other servers.
    pub fn requests(&self) -> &Requests {
        &self.0.parts.requests
    }

    /// Wakes the users of ours for whom there is news.
    pub fn notifier(&self) -> &Notifier {
        &self.0.parts.notifier
    }

    /// Changes with every commit to any room.
    pub fn newest(&self) -> &watch::Sender<u64> {
        &self.0.newest
    }

    pub(crate) fn signing_key(&self) -> &SigningKey {
        &self.0.parts.signing_key
    }

    pub(crate) fn key_ring(&self) -> &KeyRing {
        &self.0.parts.key_ring
    }

    pub(crate) fn volume(&self) -> &Volume {
        &self.0.parts.volume
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.0.workers
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    pub(crate) fn filler(&self) -> &Filler {
        &self.0.filler
    }

    pub(crate) fn counted_in(&self) -> &CountedIn {
        &self.0.counted_in
    }

    /// What removes users of ours that we count in.
    pub(crate) fn counted_out(&self) -> &Looks<Removal> {
        &self.0.counted_out
    }

    pub(crate) fn removed(&self) -> &Removed {
        &self.0.removed
    }

    pub(crate) fn unanswered_joins(&self) -> &UnansweredJoins {
        &self.0.unanswered_joins
    }

    pub(crate) fn joins(&self) -> &Joins {
        &self.0.joins
    }

    pub(crate) fn purger(&self) -> &Purger {
        &self.0.purger
    }

    pub(crate) fn fetch_turns(&self) -> &Turns {
        &self.0.fetch_turns
    }

    pub(crate) fn waiting_messages(&self) -> &WaitingMessages {
        &self.0.waiting_messages
    }

    pub(crate) fn acls(&self) -> &Acls {
        &self.0.acls
    }

    /// Waits for the turn of a room. `None` if there is no such room.
    pub(crate) async fn turn(&self, room_id: &RoomId) -> Result<Option<RoomTurn>, StoreError> {
        let id = room_id.clone();
        let Some(row) = self.database().read(move |tx| room_rows::by_id(tx, &id)).await? else { return Ok(None) };
        self.turn_of(row.number).await.map(Some)
    }

    /// Waits for the turn of a room that exists, and loads it.
    pub(crate) async fn turn_of(&self, number: RoomNumber) -> Result<RoomTurn, StoreError> {
        let mut guard = self.lock_of(number).lock_owned().await;
        let row = self.database().read(move |tx| room_rows::by_number(tx, number)).await?;
        if guard.as_ref().is_none_or(|room| room.turn != row.turn) {
            let load = row.clone();
            *guard = Some(self.database().read(move |tx| Room::load(tx, &load)).await?);
        }
        self.make_space(number, guard.as_ref().map_or(0, Room::weight));
        Ok(RoomTurn { row, guard })
    }

    /// Takes a room out of memory for a queue that has no worker, if its turn is free within `patience`. What is in the database may be
    /// newer.
    pub(crate) async fn room_if_free(
        &self,
        queue: &Queue,
        patience: Duration,
    ) -> Option<(OwnedMutexGuard<Option<Room>>, Room)> {
        let free = async {
            // What came from there before goes first.
            let is_idle = self.workers().until_idle(queue).await;
            if is_idle { Some(self.lock_of(queue.0).lock_owned().await) } else { None }
        };
        let mut guard = tokio::select! {
            biased;
            guard = free => guard?,
            () = self.handles().clock.sleep(patience) => return None,
        };
        let room = guard.take()?;
        Some((guard, room))
    }

    /// Has `work` read the database and change the room. On an error the room is empty, and to be dropped.
    pub(crate) async fn with_room<T: Send + 'static>(
        &self,
        room: &mut Room,
        work: impl FnOnce(&mut Room, &ReadTx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut taken = room.take();
        let (taken, result) = self
            .database()
            .read(move |tx| {
                let result = work(&mut taken, tx)?;
                Ok::<_, StoreError>((taken, result))
            })
            .await?;
        *room = taken;
        Ok(result)
    }

    fn lock_of(&self, number: RoomNumber) -> Turn {
        let mut loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = loaded.values().map(|other| other.used).max().unwrap_or(0) + 1;
        let entry = loaded.entry(number).or_insert_with(|| Loaded { turn: Turn::default(), used: 0, weight: 0 });
        entry.used = newest;
        Arc::clone(&entry.turn)
    }

    /// Drops a room from memory.
    pub(crate) fn unload(&self, number: RoomNumber) {
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// Drops rooms from memory that have not been used for longest, until the limits hold.
    pub(crate) fn make_space(&self, current: RoomNumber, weight: usize) {
        let mut loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = loaded.get_mut(&current) {
            entry.weight = weight;
        }
        while loaded.len() > ROOMS_LOADED_MAX
            || loaded.values().map(|room| room.weight).sum::<usize>() > EVENTS_LOADED_MAX
        {
            // A room whose turn somebody has or waits for stays: its lock is what orders them.
            let idle = loaded.iter().filter(|(number, room)| **number != current && Arc::strong_count(&room.turn) == 1);
            let Some(oldest) = idle.min_by_key(|(_, room)| room.used).map(|(number, _)| *number) else { return };
            loaded.remove(&oldest);
        }
    }
}

impl RoomTurn {
    /// The turn of whoever has locked a room. `row` is how the room stands in the database.
    pub(crate) fn new(row: RoomRow, guard: OwnedMutexGuard<Option<Room>>) -> Self {
        Self { row, guard }
    }

    /// Takes the room out, to work on it. What is not [put back](RoomTurn::put_back) is loaded again at the next turn.
    pub(crate) fn take(&mut self) -> Option<Room> {
        self.guard.take()
    }

    /// Puts the room back: what is in memory is what is in the database.
    pub(crate) fn put_back(&mut self, room: Room) {
        *self.guard = Some(room);
    }

    /// The room, if nobody took it out, to change what is not in the database.
    pub(crate) fn room_mut(&mut self) -> Option<&mut Room> {
        self.guard.as_mut()
    }

    /// The room, if nobody took it out.
    pub(crate) fn room(&self) -> Option<&Room> {
        self.guard.as_ref()
    }
}

//! Advances rooms by the events that were staged for them: one worker a room, while there is work.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use events::auth_graph::Standing;
use events::{EventId, Pdu, ServerName};
use persistence::transactions::graph::Outcome;
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::staging::{self, Staged};
use persistence::{RoomNumber, StoreError};

use crate::commit::{CommitError, Entry};
use crate::fetch::{Adopted, Fetched};
use crate::graph::{Graph, RoomTurn};
use crate::judge::{Candidate, JudgeError, judge};
use crate::limits::{BATCH_EVENTS_MAX, STAGED_HORIZON, STAGED_RETRY_FIRST, STAGED_RETRY_MAX, UNJUDGED_MAX};
use crate::outliers::in_order_of_parents;
use crate::past::{Behind, Past};
use crate::room::Room;

/// The rooms that have a worker, and whether it was woken since it last looked.
#[derive(Default)]
pub(crate) struct Workers(Mutex<BTreeMap<RoomNumber, Woken>>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Woken {
    No,
    Again,
}

/// What became of a staged batch.
enum Progress {
    /// There may be more.
    More,
    /// Nothing is due before this many milliseconds since 1970; `None`: nothing is staged.
    IdleUntil(Option<i64>),
}

/// Why a batch was not committed, or leaves no room in memory.
enum BatchError {
    /// It cannot be judged. The room is as it was.
    Judge(JudgeError, Box<Room>),
    /// Somebody else took the room's turn.
    Overtaken,
    /// It was committed, but the room in memory is not what is in the database.
    StaleInMemory,
    Store(StoreError),
}

impl From<StoreError> for BatchError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CommitError> for BatchError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Overtaken => Self::Overtaken,
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

impl Graph {
    /// Takes up the work that was staged before a restart.
    pub async fn start(&self) -> Result<(), StoreError> {
        let rooms = self.database().read(staging::rooms).await?;
        for (room, _) in rooms {
            self.wake_room(room);
        }
        self.start_verifier();
        Ok(())
    }

    /// Has the room's worker look for staged events; starts one if there is none.
    pub(crate) fn wake_room(&self, room: RoomNumber) {
        {
            let mut workers = self.workers().lock();
            if let Some(woken) = workers.get_mut(&room) {
                *woken = Woken::Again;
                return;
            }
            workers.insert(room, Woken::No);
        }
        let graph = self.clone();
        self.handles().tasks.spawn("room", async move { graph.work(room).await });
    }

    async fn work(&self, room: RoomNumber) {
        loop {
            match self.work_once(room).await {
                Ok(Progress::More) => {}
                Ok(Progress::IdleUntil(due)) => {
                    if self.workers().rest(room) {
                        if let Some(due) = due {
                            self.wake_room_at(room, due);
                        }
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!("a room's staged events wait, since the database failed: {error}");
                    self.handles().clock.sleep(STAGED_RETRY_FIRST).await;
                }
            }
        }
    }

    fn wake_room_at(&self, room: RoomNumber, due: i64) {
        let wait = u64::try_from(due - self.handles().clock.now()).unwrap_or(0);
        let graph = self.clone();
        let clock = self.handles().clock.clone();
        self.handles().tasks.spawn("room-retry", async move {
            clock.sleep(Duration::from_millis(wait)).await;
            graph.wake_room(room);
        });
    }

    /// Judges what is staged and due.
    async fn work_once(&self, room: RoomNumber) -> Result<Progress, StoreError> {
        let row = self.database().read(move |tx| room_rows::by_number(tx, room)).await?;
        let (version, now) = (row.version, self.handles().clock.now());
        let limit = u32::try_from(BATCH_EVENTS_MAX).unwrap_or(u32::MAX);
        let staged = self.database().read(move |tx| staging::due(tx, room, version, now, limit)).await?;
        if staged.is_empty() {
            let due = self.database().read(move |tx| staging::next_due(tx, room)).await?;
            return Ok(Progress::IdleUntil(due));
        }
        // Events of one sender are fetched for together; it is the one to ask.
        let origin = staged[0].origin.clone();
        let (staged, _): (Vec<Staged>, Vec<Staged>) = staged.into_iter().partition(|event| event.origin == origin);
        let pdus: Vec<Pdu> = staged.iter().map(|event| event.pdu.clone()).collect();
        self.receive(&row, &origin, pdus).await?;
        tracing::debug!(room.id = %row.room_id, server.name = %origin, "Looked at {} staged events", staged.len());
        self.postpone_undecided(room, staged).await?;
        Ok(Progress::More)
    }

    /// Fetches what checked events refer to, then takes the room's turn and advances the room by them, as far as that goes.
    pub(crate) async fn receive(&self, row: &RoomRow, origin: &ServerName, pdus: Vec<Pdu>) -> Result<(), StoreError> {
        let Fetched { batch, outliers, adopted } = self.fetch_around(row, origin, pdus).await?;
        let mut turn = self.turn_of(row.number).await?;
        let Some(mut room) = turn.take() else { return Ok(()) };
        self.store_outliers(&mut room, outliers.into_pdus()).await?;
        for Adopted { pdu, before, given_by } in adopted {
            tracing::info!(server.name = %given_by, room.id = %room.room_id, event.id = %pdu.event_id(), "Took the state before {} from {given_by}", pdu.event_id());
            let given = BTreeMap::from([(pdu.event_id().clone(), before)]);
            let past = Past { pdus: vec![pdu], given, given_by, room_for: Behind::Everything };
            self.place_past(&mut room, past).await?;
        }
        let ready = self.ready(&room, batch).await?;
        turn.put_back(room);
        self.judge_all(&mut turn, origin, ready).await?;
        self.join_extremities(&mut turn).await
    }

    /// Judges and commits, a batch at a time. An event that cannot be judged holds up nobody but those that build on it.
    async fn judge_all(&self, turn: &mut RoomTurn, origin: &ServerName, ready: Vec<Pdu>) -> Result<(), StoreError> {
        let mut batches: VecDeque<Vec<Pdu>> = ready.chunks(BATCH_EVENTS_MAX).map(<[Pdu]>::to_vec).collect();
        let mut failures = 0;
        while let Some(batch) = batches.pop_front() {
            let Some(room) = turn.take() else { return Ok(()) };
            match self.judge_and_commit(room, origin, batch.clone()).await {
                Ok(room) => turn.put_back(room),
                Err(BatchError::Store(error)) => return Err(error),
                // The rest stays staged, and is judged on what somebody else left.
                Err(BatchError::Overtaken) => return Ok(()),
                Err(BatchError::StaleInMemory) => self.reload(turn).await?,
                Err(BatchError::Judge(error, room)) => {
                    tracing::error!(room.id = %turn.row.room_id, server.name = %origin, "Staged events wait: {error}");
                    turn.put_back(*room);
                    failures += 1;
                    if failures > UNJUDGED_MAX {
                        return Ok(());
                    }
                    if batch.len() > 1 {
                        batch.into_iter().rev().for_each(|pdu| batches.push_front(vec![pdu]));
                    }
                }
            }
        }
        Ok(())
    }

    /// Loads the room of a turn again: what is in memory is no longer what is in the database.
    async fn reload(&self, turn: &mut RoomTurn) -> Result<(), StoreError> {
        let number = turn.row.number;
        let (row, room) = self
            .database()
            .read(move |tx| {
                let row = room_rows::by_number(tx, number)?;
                let room = Room::load(tx, &row)?;
                Ok::<_, StoreError>((row, room))
            })
            .await?;
        turn.row = row;
        turn.put_back(room);
        Ok(())
    }

    /// Judges on the processor pool, then commits.
    async fn judge_and_commit(&self, room: Room, origin: &ServerName, pdus: Vec<Pdu>) -> Result<Room, BatchError> {
        let mut room = room;
        let around = self.surroundings(&mut room, &pdus).await?;
        let room_id = room.room_id.clone();
        let accepted = |pdu: &&Pdu| {
            let index = room.graph.index_of(pdu.event_id());
            index.is_some_and(|index| room.graph.standing(index) == Standing::Accepted)
        };
        let accepted: BTreeSet<EventId> = pdus.iter().filter(accepted).map(|pdu| pdu.event_id().clone()).collect();
        let candidates = pdus.into_iter().map(|pdu| Candidate { pdu, origin: Some(origin.clone()) }).collect();
        let judged = self
            .handles()
            .compute
            .run(move || {
                let advance = judge(&mut room, candidates, &around);
                (room, advance)
            })
            .await;
        let (mut room, advance) = judged;
        let advance = match advance {
            Ok(advance) => advance,
            Err(error) => return Err(BatchError::Judge(error, Box::new(room))),
        };
        let mut stale = false;
        for judged in &advance.judged {
            if let Some(rejection) = &judged.verdict.rejection {
                let id = judged.pdu.event_id();
                tracing::info!(server.name = %origin, room.id = %room_id, event.id = %id, "{:?} {id} from {origin}: {rejection}", judged.verdict.outcome());
                stale |= judged.verdict.outcome() == Outcome::Rejected && accepted.contains(id);
            }
        }
        self.commit(&mut room, advance, Entry::FromOthers, None).await?;
        // An outlier was accepted by what it cites, and is refused by the state before it: the graph in memory has it wrong.
        if stale { Err(BatchError::StaleInMemory) } else { Ok(room) }
    }

    /// Returns those of `batch` whose parents and auth events are all known, parents first.
    async fn ready(&self, room: &Room, batch: Vec<Pdu>) -> Result<Vec<Pdu>, StoreError> {
        let missing = self.missing_prev_events(room.number, &batch).await?;
        let around = {
            let ids: BTreeSet<EventId> = batch.iter().flat_map(Pdu::auth_events).cloned().collect();
            let number = room.number;
            self.database()
                .read(move |tx| {
                    let mut known = BTreeSet::new();
                    for id in ids {
                        if crate::serve::has_body(tx, number, &id)? {
                            known.insert(id);
                        }
                    }
                    Ok::<_, StoreError>(known)
                })
                .await?
        };
        let placed = {
            let ids: Vec<EventId> = batch.iter().map(|pdu| pdu.event_id().clone()).collect();
            let number = room.number;
            self.database()
                .read(move |tx| {
                    let mut placed = BTreeSet::new();
                    for id in ids {
                        if crate::intake::is_placed(tx, number, &id)? {
                            placed.insert(id);
                        }
                    }
                    Ok::<_, StoreError>(placed)
                })
                .await?
        };
        let inside: BTreeSet<EventId> = batch.iter().map(|pdu| pdu.event_id().clone()).collect();
        let mut left_out: BTreeSet<EventId> = missing;
        let mut ready = Vec::new();
        for pdu in in_order_of_parents(batch) {
            let lacks_parent = pdu.prev_events().iter().any(|id| left_out.contains(id));
            let lacks_auth = pdu.auth_events().iter().any(|id| {
                left_out.contains(id)
                    || !(inside.contains(id) || around.contains(id) || room.graph.index_of(id).is_some())
            });
            if placed.contains(pdu.event_id()) {
                continue;
            }
            if lacks_parent || lacks_auth {
                left_out.insert(pdu.event_id().clone());
            } else {
                ready.push(pdu);
            }
        }
        Ok(ready)
    }

    /// Staged events that were not decided about wait longer each time, until their horizon.
    async fn postpone_undecided(&self, room: RoomNumber, staged: Vec<Staged>) -> Result<(), StoreError> {
        let now = self.handles().clock.now();
        let horizon = i64::try_from(STAGED_HORIZON.as_millis()).unwrap_or(i64::MAX);
        self.database()
            .write(move |tx| {
                for event in staged {
                    let id = event.pdu.event_id();
                    if crate::intake::is_placed(tx, room, id)? {
                        staging::remove(tx, room, id)?;
                    } else if now - event.received > horizon {
                        tracing::warn!(event.id = %id, server.name = %event.origin, "Gave up on {id}: what it refers to could not be had");
                        staging::remove(tx, room, id)?;
                    } else {
                        staging::postpone(tx, event.number, now + retry_after(event.attempts))?;
                    }
                }
                Ok(())
            })
            .await
    }
}

/// The pause before the next attempt, in milliseconds.
pub(crate) fn retry_after(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 16)).unwrap_or(0);
    let pause = STAGED_RETRY_FIRST.saturating_mul(1 << doublings).min(STAGED_RETRY_MAX);
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}

impl Workers {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<RoomNumber, Woken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the worker, unless it was woken since it looked. Returns whether it ends.
    fn rest(&self, room: RoomNumber) -> bool {
        let mut workers = self.lock();
        match workers.get(&room) {
            Some(Woken::Again) => {
                workers.insert(room, Woken::No);
                false
            }
            Some(Woken::No) | None => {
                workers.remove(&room);
                true
            }
        }
    }
}

//! Advances rooms by the events that were staged for them.
//!
//! Each origin has a worker of its own in each room, while there is work: an origin whose events need what nobody gives holds up
//! its own, and not those of others. The workers of a room take turns only to judge.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use events::auth_graph::Standing;
use events::{EventId, Pdu, ServerName};
use persistence::transactions::graph::Outcome;
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::staging::{self, Staged};
use persistence::{ReadTx, RoomNumber, StoreError};

use crate::commit::{CommitError, Entry};
use crate::due::{doubled, milliseconds};
use crate::fetch::{Adopted, Fetched, Outliers};
use crate::gates::may_be_in_room;
use crate::graph::{Graph, RoomTurn};
use crate::judge::{Advance, Candidate, JudgeError, Surroundings, judge};
use crate::limits::{
    BATCH_EVENTS_MAX, FETCHED_EVENTS_MAX, STAGED_HORIZON, STAGED_RETRY_FIRST, STAGED_RETRY_MAX, UNJUDGED_MAX,
};
use crate::past::{Behind, Past};
use crate::room::Room;
use crate::sorting::{Sorted, sort};
use crate::surroundings::is_history;
use crate::waiting::is_placed;
use crate::workers::Queue;

/// What became of a staged batch.
enum Progress {
    /// There may be more.
    More,
    /// Nothing is due before this many milliseconds since 1970; `None`: nothing is staged.
    IdleUntil(Option<i64>),
}

/// A batch that can be committed.
pub(crate) struct JudgedBatch {
    pub(crate) room: Room,
    pub(crate) advance: Advance,
    /// An outlier was accepted by what it cites, and is refused by the state before it: the graph in memory has it wrong, and the room
    /// is to be dropped from memory after the commit.
    pub(crate) is_stale: bool,
}

/// Why a batch was not committed, or leaves no room in memory.
pub(crate) enum BatchError {
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
        for queue in self.database().read(staging::queues).await? {
            self.wake_worker(queue);
        }
        self.start_verifier();
        self.start_filler();
        self.start_leaving_again();
        self.start_leaving_unheard();
        self.start_joins().await?;
        self.start_unanswered_joins().await?;
        self.start_purger();
        Ok(())
    }

    /// Has the queue's worker look for staged events; starts one if there is none.
    pub(crate) fn wake_worker(&self, queue: Queue) {
        if !self.workers().wake(&queue) {
            return;
        }
        let graph = self.clone();
        self.handles().tasks.spawn("room", async move { graph.work(queue).await });
    }

    async fn work(&self, queue: Queue) {
        loop {
            match self.work_once(&queue).await {
                Ok(Progress::More) => {}
                Ok(Progress::IdleUntil(due)) => {
                    if self.workers().rest(&queue) {
                        if let Some(due) = due {
                            self.wake_worker_at(queue, due);
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

    fn wake_worker_at(&self, queue: Queue, due: i64) {
        let wait = u64::try_from(due - self.handles().clock.now()).unwrap_or(0);
        let graph = self.clone();
        let clock = self.handles().clock.clone();
        self.handles().tasks.spawn("room-retry", async move {
            clock.sleep(Duration::from_millis(wait)).await;
            graph.wake_worker(queue);
        });
    }

    /// Judges what is staged and due.
    async fn work_once(&self, queue: &Queue) -> Result<Progress, StoreError> {
        let (room, origin) = queue.clone();
        let now = self.handles().clock.now();
        let limit = u32::try_from(BATCH_EVENTS_MAX).unwrap_or(u32::MAX);
        let (row, staged, due) = self
            .database()
            .read(move |tx| {
                let row = room_rows::by_number(tx, room)?;
                let staged = staging::due(tx, room, row.version, &origin, now, limit)?;
                let due = staging::next_due(tx, room, &origin)?;
                Ok::<_, StoreError>((row, staged, due))
            })
            .await?;
        if staged.is_empty() {
            return Ok(Progress::IdleUntil(due));
        }
        let origin = &queue.1;
        let pdus: Vec<Pdu> = staged.iter().map(|event| event.pdu.clone()).collect();
        // What needs nothing from others does not wait for what does.
        let pdus = self.with_staged_ancestors(&row, pdus).await?;
        if let Some(depth) = self.depth_in_doubt(&row, &pdus).await? {
            self.workers().set_asks_others(queue, true);
            let filled = self.backfill_to_depth(&row, depth).await;
            self.workers().set_asks_others(queue, false);
            filled?;
        }
        let lacking = self.advance_by(&row, origin, pdus, Outliers::default(), Vec::new()).await?;
        let lacking = self.without_what_was_before_us(&row, lacking).await?;
        if !lacking.is_empty() && !self.is_left_behind(&row, &lacking).await? {
            self.workers().set_asks_others(queue, true);
            let received = self.receive(&row, origin, lacking).await;
            self.workers().set_asks_others(queue, false);
            received?;
        }
        tracing::debug!(room.id = %row.room_id, server.name = %origin, "Looked at {} staged events", staged.len());
        self.postpone_undecided(room, staged).await?;
        Ok(Progress::More)
    }

    /// Whether the room was left since events of it were staged: nobody would give us what they lack. They are forgotten then, like
    /// those that come after it.
    async fn is_left_behind(&self, row: &RoomRow, lacking: &[Pdu]) -> Result<bool, StoreError> {
        let (number, us) = (row.number, self.server_name().clone());
        let is_in = move |tx: &ReadTx<'_>| may_be_in_room(tx, &room_rows::by_number(tx, number)?, &us);
        if self.database().read(is_in).await? {
            return Ok(false);
        }
        tracing::info!(room.id = %row.room_id, "Forgot {} events of {}, which lack others: nobody here is in the room any more", lacking.len(), row.room_id);
        let ids: Vec<EventId> = lacking.iter().map(|pdu| pdu.event_id().clone()).collect();
        self.database().write(move |tx| ids.iter().try_for_each(|id| staging::remove(tx, number, id))).await?;
        Ok(true)
    }

    /// Adds the staged events that `batch` refers to, whoever sent them: they need not be fetched.
    async fn with_staged_ancestors(&self, row: &RoomRow, batch: Vec<Pdu>) -> Result<Vec<Pdu>, StoreError> {
        let (room, version) = (row.number, row.version);
        self.database()
            .read(move |tx| {
                let mut seen: BTreeSet<EventId> = batch.iter().map(|pdu| pdu.event_id().clone()).collect();
                let mut to_look: VecDeque<Pdu> = batch.iter().cloned().collect();
                let mut batch = batch;
                while let Some(pdu) = to_look.pop_front() {
                    for id in pdu.prev_events().iter().chain(pdu.auth_events()) {
                        if batch.len() < FETCHED_EVENTS_MAX
                            && seen.insert(id.clone())
                            && let Some(staged) = staging::find(tx, room, version, id)?
                        {
                            to_look.push_back(staged.pdu.clone());
                            batch.push(staged.pdu);
                        }
                    }
                }
                Ok(batch)
            })
            .await
    }

    /// Fetches what checked events refer to, then takes the room's turn and advances the room by them, as far as that goes.
    pub(crate) async fn receive(&self, row: &RoomRow, origin: &ServerName, pdus: Vec<Pdu>) -> Result<(), StoreError> {
        let Fetched { batch, outliers, adopted } = self.fetch_around(row, origin, pdus).await?;
        self.advance_by(row, origin, batch, outliers, adopted).await?;
        Ok(())
    }

    /// Takes the room's turn and advances the room by those of `batch` of which everything is known. Returns the others, as far
    /// as they have no place yet.
    async fn advance_by(
        &self,
        row: &RoomRow,
        origin: &ServerName,
        batch: Vec<Pdu>,
        outliers: Outliers,
        adopted: Vec<Adopted>,
    ) -> Result<Vec<Pdu>, StoreError> {
        let mut turn = self.turn_of(row.number).await?;
        let Some(mut room) = turn.take() else { return Ok(batch) };
        self.store_outliers(&mut room, outliers.into_pdus()).await?;
        let entered_at = if adopted.is_empty() { None } else { self.depth_of_entry(row).await? };
        for Adopted { pdu, before } in adopted {
            let given_by = before.first().map_or_else(|| origin.clone(), |told| told.by.clone());
            tracing::info!(server.name = %given_by, room.id = %room.room_id, event.id = %pdu.event_id(), "Took the state before {} from {given_by}", pdu.event_id());
            let (number, id) = (room.number, pdu.event_id().clone());
            let is_history = self.database().read(move |tx| is_history(tx, number, &id)).await?;
            // Beside our entry is not behind it, either.
            let was_before_us = entered_at.is_some_and(|entered_at| pdu.depth() <= entered_at);
            let room_for = match (is_history, was_before_us) {
                (true, _) => Behind::Children,
                (false, true) => Behind::OurEntry,
                (false, false) => Behind::Everything,
            };
            let given = BTreeMap::from([(pdu.event_id().clone(), before)]);
            let past = Past { pdus: vec![pdu], given, given_by, room_for };
            self.place_past(&mut room, past).await?;
        }
        let Sorted { ready, lacking, .. } = self.with_room(&mut room, move |room, tx| sort(room, tx, batch)).await?;
        turn.put_back(room);
        self.judge_all(&mut turn, origin, ready).await?;
        self.join_extremities(&mut turn).await?;
        Ok(lacking)
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

    /// Judges, then commits.
    async fn judge_and_commit(&self, mut room: Room, origin: &ServerName, pdus: Vec<Pdu>) -> Result<Room, BatchError> {
        let around = self.surroundings(&mut room, &pdus).await?;
        let JudgedBatch { mut room, advance, is_stale } = self.judge_batch(room, origin, pdus, around).await?;
        self.commit(&mut room, advance, Entry::FromOthers, None).await?;
        if is_stale { Err(BatchError::StaleInMemory) } else { Ok(room) }
    }

    /// Judges on the processor pool.
    pub(crate) async fn judge_batch(
        &self,
        mut room: Room,
        origin: &ServerName,
        pdus: Vec<Pdu>,
        around: Surroundings,
    ) -> Result<JudgedBatch, BatchError> {
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
        let (room, advance) = match judged {
            (room, Ok(advance)) => (room, advance),
            (room, Err(error)) => return Err(BatchError::Judge(error, Box::new(room))),
        };
        let mut is_stale = false;
        for judged in &advance.judged {
            if let Some(rejection) = &judged.verdict.rejection {
                let id = judged.pdu.event_id();
                tracing::info!(server.name = %origin, room.id = %room.room_id, event.id = %id, "{:?} {id} from {origin}: {rejection}", judged.verdict.outcome());
                is_stale |= judged.verdict.outcome() == Outcome::Rejected && accepted.contains(id);
            }
        }
        Ok(JudgedBatch { room, advance, is_stale })
    }

    /// Staged events that were not decided about wait longer each time, until their horizon.
    async fn postpone_undecided(&self, room: RoomNumber, staged: Vec<Staged>) -> Result<(), StoreError> {
        let now = self.handles().clock.now();
        let horizon = milliseconds(STAGED_HORIZON);
        let undecided = self.database().read(move |tx| {
            let still_there = |event: Staged| Ok(staging::waits(tx, event.number)?.then_some(event));
            staged
                .into_iter()
                .filter_map(|event| still_there(event).transpose())
                .collect::<Result<Vec<Staged>, StoreError>>()
        });
        let undecided = undecided.await?;
        // As a rule nothing is left, and the disk need not be asked once more.
        if undecided.is_empty() {
            return Ok(());
        }
        self.database()
            .write(move |tx| {
                for event in undecided {
                    let id = event.pdu.event_id();
                    if is_placed(tx, room, id)? {
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
    doubled(STAGED_RETRY_FIRST, STAGED_RETRY_MAX, attempts)
}

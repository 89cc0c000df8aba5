//! Writes what was decided about a batch: one transaction for events, verdicts, states, extremities, current state and queues.

use std::collections::{BTreeMap, BTreeSet};

use defects::Defect;
use events::auth_graph::StateMap;
use events::membership::Membership;
use events::{EventId, Pdu, ServerName, UserId};
use persistence::transactions::events::{self as event_rows, Numbers, StoredAs};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{remote_devices, rooms as room_rows, staging};
use persistence::{EventNumber, Position, RoomNumber, SnapshotNumber, StoreError, WriteTx};

use crate::graph::Graph;
use crate::judge::{Advance, Judged, NewHead};
use crate::redaction::{apply_own_redaction, apply_redactions};
use crate::room::{Head, Room};
use crate::send::Beside;
use crate::state_records::{Change, ParentState, StateRecord, changes, reference, state_records, write_states};

/// Why a batch was not committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Somebody else took the room's turn; judge on what it left.
    #[error("the room advanced meanwhile")]
    Overtaken,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How a batch is committed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Our own events, and those that enter the room through us: sent on to the servers in the room.
    ThroughUs,
    /// Events of our own that nobody is sent: others fetch them when something builds on them.
    Unannounced,
    /// Events that others send on.
    FromOthers,
}

/// An event that was committed.
#[derive(Debug, Clone)]
pub(crate) struct Committed {
    pub(crate) number: EventNumber,
    pub(crate) arrival: Position,
}

/// One judged event, ready to be written.
struct EventRecord {
    pdu: Pdu,
    verdict: String,
    outcome: Outcome,
    topological: i64,
    before: Option<ParentState>,
    after: ParentState,
    destinations: BTreeSet<ServerName>,
}

/// A whole batch, ready to be written.
pub(crate) struct Batch {
    room: RoomNumber,
    turn: i64,
    states: Vec<StateRecord>,
    events: Vec<EventRecord>,
    current: ParentState,
    current_changes: Vec<Change>,
    removed_heads: Vec<EventNumber>,
    added_heads: Vec<EventId>,
    /// Servers that are in the room now and were not before.
    newcomers: BTreeSet<ServerName>,
}

/// What the transaction returns, to bring the room in memory up to date.
pub(crate) struct Written {
    snapshots: Vec<SnapshotNumber>,
    events: Vec<Committed>,
}

impl Graph {
    /// Commits `advance` and brings `room` up to date. On any error the room is to be dropped from memory.
    pub(crate) async fn commit(
        &self,
        room: &mut Room,
        advance: Advance,
        entry: Entry,
        beside: Option<Beside>,
    ) -> Result<Vec<Committed>, CommitError> {
        let batch = Batch::new(room, &advance, entry, self.server_name());
        let this = self.clone();
        let (written, batch) = self
            .database()
            .write(move |tx| {
                if let Some(beside) = beside {
                    let ids: Vec<EventId> = batch.events.iter().map(|record| record.pdu.event_id().clone()).collect();
                    beside(tx, &ids)?;
                }
                let written = this.write_batch(tx, &batch)?;
                Ok::<_, CommitError>((written, batch))
            })
            .await?;
        room.take_up(advance, batch, &written);
        Ok(written.events)
    }

    /// Writes a batch. After the commit the room in memory is to [take it up](Room::take_up).
    pub(crate) fn write_batch(&self, tx: &mut WriteTx<'_>, batch: &Batch) -> Result<Written, CommitError> {
        let mut written = Written { snapshots: Vec::new(), events: Vec::new() };
        written.snapshots = write_states(tx, batch.room, &batch.states)?;
        if !room_rows::advance(tx, batch.room, batch.turn, written.resolve(&batch.current))? {
            return Err(CommitError::Overtaken);
        }
        let mut numbers = Numbers::new(batch.room);
        if !batch.events.is_empty() {
            let mut arrival = streams::next_of(tx, Stream::Events, batch.events.len())?;
            for record in &batch.events {
                let number = self.write_event(tx, &mut numbers, batch.room, record, arrival, &written)?;
                written.events.push(Committed { number, arrival });
                arrival.0 += 1;
            }
            // Most events come when nothing waits in their room.
            if staging::holds_any(tx, batch.room)? {
                batch.events.iter().try_for_each(|record| staging::remove(tx, batch.room, record.pdu.event_id()))?;
            }
        }
        let mut added = Vec::new();
        for id in &batch.added_heads {
            added.push(numbers.intern(tx, id)?);
        }
        graph_rows::set_extremities(tx, batch.room, &batch.removed_heads, &added)?;
        self.tell_newcomers(tx, batch.room, &batch.newcomers, &written.events)?;
        let position = match written.events.last() {
            Some(last) => last.arrival,
            // The extremities moved, with what we learned of the past.
            None => streams::next(tx, Stream::Events)?,
        };
        self.write_current_state(tx, batch.room, &batch.current_changes, position)?;
        let soft_failed = batch.events.iter().filter(|record| record.outcome == Outcome::SoftFailed);
        self.tell_removed(tx, batch.room, soft_failed.map(|record| record.pdu.sender()))?;
        let sets = batch.events.iter().filter(|record| record.pdu.membership().is_some());
        self.wake_users(tx, batch.room, &batch.current_changes, sets.filter_map(|record| record.pdu.state_key()))?;
        Ok(written)
    }

    fn write_event(
        &self,
        tx: &mut WriteTx<'_>,
        numbers: &mut Numbers,
        room: RoomNumber,
        record: &EventRecord,
        arrival: Position,
        written: &Written,
    ) -> Result<EventNumber, StoreError> {
        let rejected = record.outcome == Outcome::Rejected;
        let StoredAs { number, is_new } = event_rows::store_among(tx, numbers, &record.pdu, rejected)?;
        if !defects::is_on(Defect::NoVerdict) {
            event_rows::store_verdict(tx, room, number, &record.verdict)?;
        }
        let place = Place {
            event: number,
            arrival: Some(arrival),
            topological: record.topological,
            state_before: record.before.as_ref().and_then(|before| written.resolve(before)),
            state_after: written.resolve(&record.after),
            outcome: record.outcome,
        };
        let mut parents = Vec::new();
        for id in record.pdu.prev_events() {
            parents.push(numbers.intern(tx, id)?);
        }
        // Most events are new: then nothing that is in the database can be about them.
        if is_new {
            // A parent is mostly what was written just before.
            let has_place = |parent| written.events.iter().rev().any(|committed| committed.number == parent);
            graph_rows::insert_unnamed(tx, room, &place, &parents, has_place)?;
            apply_own_redaction(tx, room, number, &record.pdu, record.outcome)?;
        } else {
            event_rows::set_rejected(tx, number, rejected)?;
            graph_rows::insert(tx, room, &place, &parents)?;
            apply_redactions(tx, room, number, &record.pdu, record.outcome)?;
        }
        if record.outcome == Outcome::Accepted {
            self.outbound().enqueue_pdu(tx, &record.destinations, room, number)?;
        }
        Ok(number)
    }

    /// After the commit, wakes the users of ours who follow the room, who are among `targets`, or whose membership changed.
    pub(crate) fn wake_users<'a>(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        changes: &'a [Change],
        targets: impl Iterator<Item = &'a str>,
    ) -> Result<(), StoreError> {
        let us = self.server_name();
        let mut users: BTreeSet<UserId> = room_rows::members_of_server(tx, room, "join", us)?.into_iter().collect();
        // A resolution may change memberships that no event of the batch sets.
        let changes = changes.iter().filter(|change| change.event_type == "m.room.member");
        let targets = targets.chain(changes.map(|change| change.state_key.as_str()));
        users.extend(targets.filter_map(|user| UserId::parse(user).ok()).filter(|user| user.server() == *us));
        let notifier = self.notifier().clone();
        let newest = self.newest().clone();
        tx.after_commit(move || {
            newest.send_modify(|commits| *commits += 1);
            for user in &users {
                notifier.wake(user);
            }
        });
        Ok(())
    }
}

impl Room {
    /// Brings the room in memory up to date: `advance` was committed as `batch`.
    pub(crate) fn take_up(&mut self, advance: Advance, batch: Batch, written: &Written) {
        for (record, snapshot) in batch.states.iter().zip(&written.snapshots) {
            record.state.set_stored(*snapshot);
            self.keep_state(*snapshot, &record.state);
        }
        let mut numbers = BTreeMap::new();
        for (record, committed) in batch.events.iter().zip(&written.events) {
            if let Some(index) = self.graph.index_of(record.pdu.event_id()) {
                self.set_number(index, committed.number);
            }
            numbers.insert(record.pdu.event_id(), committed.number);
        }
        let head = |head: NewHead| {
            let number = head.number.or_else(|| numbers.get(head.event_id()).copied())?;
            let NewHead { reference, depth, topological, after, .. } = head;
            Some(Head { number, reference, depth, topological, after })
        };
        self.heads = advance.heads.into_iter().filter_map(head).collect();
        self.current = Some(advance.current);
        self.stale_heads.clear();
        self.turn += 1;
    }
}

impl Written {
    fn resolve(&self, state: &ParentState) -> Option<SnapshotNumber> {
        state.resolve(&self.snapshots)
    }
}

impl Batch {
    /// Puts what was decided into terms that outlive the room in memory.
    pub(crate) fn new(room: &Room, advance: &Advance, entry: Entry, us: &ServerName) -> Self {
        let states = state_records(room, &advance.new_states);
        let events = advance.judged.iter().map(|judged| EventRecord::new(room, judged, &states, entry, us)).collect();
        let empty = StateMap::default();
        let current_before = room.current.as_ref().map_or(&empty, |current| &current.map);
        let current_changes = changes(room, current_before, &advance.current.map);
        let servers_before = room.current.as_ref().map(|current| &current.servers);
        let gone = |head: &&Head| !advance.heads.iter().any(|new| new.number == Some(head.number));
        Self {
            room: room.number,
            turn: room.turn,
            current: reference(&states, &advance.current),
            states,
            events,
            current_changes,
            removed_heads: room
                .heads
                .iter()
                .filter(gone)
                .map(|head| head.number)
                .chain(room.stale_heads.clone())
                .collect(),
            added_heads: advance
                .heads
                .iter()
                .filter(|head| room.heads.iter().all(|known| Some(known.number) != head.number))
                .map(|head| head.event_id().clone())
                .collect(),
            newcomers: servers_before
                .map_or_else(BTreeSet::new, |before| advance.current.servers.new_since(before, &room.servers)),
        }
    }
}

impl EventRecord {
    fn new(room: &Room, judged: &Judged, states: &[StateRecord], entry: Entry, us: &ServerName) -> Self {
        let outcome = judged.verdict.outcome();
        let destinations = match entry {
            Entry::ThroughUs if outcome == Outcome::Accepted => destinations(room, judged, us),
            Entry::ThroughUs | Entry::Unannounced | Entry::FromOthers => BTreeSet::new(),
        };
        Self {
            pdu: judged.pdu.clone(),
            verdict: serde_json::to_string(&judged.verdict).expect("a verdict is plain data"),
            outcome,
            topological: judged.topological,
            before: judged.before.as_ref().map(|before| reference(states, before)),
            after: reference(states, &judged.after),
            destinations,
        }
    }
}

/// Who gets an event: the servers with a joined user in the state before it, and the target's for membership events; in a partial
/// room also those that were there when we came.
fn destinations(room: &Room, judged: &Judged, us: &ServerName) -> BTreeSet<ServerName> {
    let mut servers = judged.before.as_ref().map(|before| before.servers.names(&room.servers)).unwrap_or_default();
    servers.extend(room.partial.iter().flat_map(|partial| partial.servers.iter().cloned()));
    servers.extend(room.lacks_keys_of.iter().flatten().cloned());
    if judged.pdu.membership().is_some()
        && let Some(target) = judged.pdu.state_key().and_then(|user| UserId::parse(user).ok())
    {
        servers.insert(target.server());
    }
    // Whoever it came through has it already.
    if let Some(origin) = &judged.verdict.origin {
        servers.remove(origin);
    }
    servers.remove(us);
    servers
}

impl Graph {
    /// Brings the tables of the current state up to date.
    pub(crate) fn write_current_state(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        changes: &[Change],
        position: Position,
    ) -> Result<(), StoreError> {
        for change in changes {
            let event = change.event(tx, room)?;
            room_rows::set_current(tx, room, position, &change.event_type, &change.state_key, event)?;
            if change.event_type == "m.room.member"
                && let Ok(user) = UserId::parse(&change.state_key)
            {
                let membership = change.membership.map(Membership::as_str).zip(event);
                write_member(tx, room, self.server_name(), position, &user, membership)?;
            }
        }
        Ok(())
    }
}

fn write_member(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    us: &ServerName,
    position: Position,
    user: &UserId,
    membership: Option<(&str, EventNumber)>,
) -> Result<(), StoreError> {
    room_rows::set_member(tx, room, user, membership)?;
    if membership.is_none_or(|(text, _)| text != "join") {
        remote_devices::forget_apart(tx, room, user, us)?;
    }
    if user.server() == *us
        && let Some((membership, event)) = membership
    {
        room_rows::set_standing(tx, user, room, membership, event, position, None)?;
    }
    Ok(())
}

//! Writes events of the past to the database.

use std::collections::BTreeSet;

use events::{EventId, Pdu};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::missed as missed_rows;
use persistence::{EventNumber, ReadTx, RoomNumber, SnapshotNumber, StoreError, WriteTx};

use super::JudgedPast;
use super::states::WantedStates;
use crate::limits::{MISSED_GENERATIONS_MAX, MISSED_PER_ROOM_MAX};
use crate::redaction::apply_redactions;
use crate::state_records::{ParentState, StateRecord, reference};

/// One event of the past, ready to be written.
pub(super) struct PastRecord {
    pub(super) pdu: Pdu,
    verdict: String,
    outcome: Outcome,
    before: Option<ParentState>,
    after: Option<ParentState>,
    /// How many generations of what it builds on were missed, if it is where a room went behind a gap.
    missed: Option<i64>,
}

/// An event of the past that has got a place, or states around its place.
#[derive(Clone, Copy)]
pub(super) struct Written {
    pub(super) event: EventNumber,
    pub(super) topological: i64,
    /// It had no place before.
    pub(super) is_new: bool,
    /// It was remembered as missed: what is an extremity now builds on it.
    pub(super) was_missed: bool,
}

/// Stores events without their places, each after those that it cites.
pub(super) fn write_bodies(tx: &mut WriteTx<'_>, room: RoomNumber, records: &[PastRecord]) -> Result<(), StoreError> {
    for record in records {
        let event = event_rows::store(tx, room, &record.pdu, record.outcome == Outcome::Rejected)?;
        if graph_rows::place(tx, event)?.is_none() {
            event_rows::store_verdict(tx, room, event, &record.verdict)?;
        }
    }
    Ok(())
}

impl PastRecord {
    pub(super) fn new(judged: &JudgedPast, states: &[StateRecord], edges: &BTreeSet<EventId>) -> Self {
        Self {
            pdu: judged.pdu.clone(),
            verdict: serde_json::to_string(&judged.verdict).expect("a verdict is plain data"),
            outcome: judged.verdict.outcome(),
            before: judged.before.as_ref().map(|state| reference(states, state)),
            after: judged.after.as_ref().map(|state| reference(states, state)),
            missed: edges.contains(judged.pdu.event_id()).then_some(MISSED_GENERATIONS_MAX),
        }
    }

    /// Returns what changed; `None` if the event has its place already, or nothing says where it belongs.
    pub(super) fn write(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        states: &mut WantedStates,
        topological: Option<i64>,
        now: i64,
    ) -> Result<Option<Written>, StoreError> {
        let event = event_rows::intern(tx, room, self.pdu.event_id())?;
        if let Some(place) = graph_rows::place(tx, event)? {
            if place.state_after.is_some() || self.after.is_none() {
                return Ok(None);
            }
            // Placed before, when nobody could tell the state.
            let (before, after) = self.states_around(tx, room, states)?;
            graph_rows::set_states(tx, event, before, after)?;
            let Place { topological, .. } = place;
            return Ok(Some(Written { event, topological, is_new: false, was_missed: false }));
        }
        let below = match topological {
            Some(below) => Some(below),
            None => least_topological_of_children(tx, event)?.map(|below| below - 1),
        };
        let Some(topological) = below else { return Ok(None) };
        let (before, after) = self.states_around(tx, room, states)?;
        let place = Place {
            event,
            arrival: None,
            topological,
            state_before: before,
            state_after: after,
            outcome: self.outcome,
        };
        let mut parents = Vec::new();
        for id in self.pdu.prev_events() {
            parents.push(event_rows::intern(tx, room, id)?);
        }
        graph_rows::insert(tx, room, &place, &parents)?;
        apply_redactions(tx, room, event, &self.pdu, self.outcome)?;
        let was_missed = self.pass_on(tx, room, event, &parents, now)?;
        Ok(Some(Written { event, topological, is_new: true, was_missed }))
    }

    fn states_around(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        states: &mut WantedStates,
    ) -> Result<(Option<SnapshotNumber>, Option<SnapshotNumber>), StoreError> {
        let mut number = |state: &Option<ParentState>| match state {
            Some(state) => states.number(tx, room, state),
            None => Ok(None),
        };
        Ok((number(&self.before)?, number(&self.after)?))
    }

    /// Remembers the parents that have no place, if it is known that we missed them. Returns whether the event itself was missed.
    fn pass_on(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        event: EventNumber,
        parents: &[EventNumber],
        now: i64,
    ) -> Result<bool, StoreError> {
        let missed = missed_rows::take(tx, room, event)?;
        let passed_on = missed.map(|missed| (missed.since, missed.generations - 1));
        let Some((since, generations)) = passed_on.or(self.missed.map(|generations| (now, generations))) else {
            return Ok(false);
        };
        if generations > 0 {
            for parent in parents {
                if graph_rows::place(tx, *parent)?.is_none() {
                    missed_rows::note(tx, room, *parent, since, generations, MISSED_PER_ROOM_MAX)?;
                }
            }
        }
        Ok(missed.is_some())
    }
}

fn least_topological_of_children(tx: &ReadTx<'_>, event: EventNumber) -> Result<Option<i64>, StoreError> {
    let mut least = None;
    for child in graph_rows::children(tx, event)? {
        if let Some(place) = graph_rows::place(tx, child)? {
            least = Some(least.map_or(place.topological, |least: i64| least.min(place.topological)));
        }
    }
    Ok(least)
}

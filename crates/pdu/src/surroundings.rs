//! Reads what judging events needs from the database.

use std::collections::{BTreeMap, BTreeSet};

use events::auth::{AuthEvent, Cited};
use events::{EventId, Pdu};
use handles::Timestamp;
use persistence::transactions::events as event_rows;
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError};

use crate::graph::Graph;
use crate::judge::Surroundings;
use crate::limits::ANCESTORS_WALKED_MAX;
use crate::room::{Parent, Room};
use crate::sorting::known_among;

impl Graph {
    /// Reads what judging `batch` needs from the database.
    pub(crate) async fn surroundings(&self, room: &mut Room, batch: &[Pdu]) -> Result<Surroundings, StoreError> {
        let (batch, now) = (batch.to_vec(), self.handles().clock.now());
        self.with_room(room, move |room, tx| {
            let known = known_among(tx, room.number, &batch)?;
            surroundings(room, tx, &batch, &known, now)
        })
        .await
    }
}

/// Reads what judging `batch` needs from the database. `known` has the numbers of those events of it that have one.
pub(crate) fn surroundings(
    room: &mut Room,
    tx: &ReadTx<'_>,
    batch: &[Pdu],
    known: &BTreeMap<EventId, EventNumber>,
    now: Timestamp,
) -> Result<Surroundings, StoreError> {
    let inside: BTreeSet<&EventId> = batch.iter().map(Pdu::event_id).collect();
    let outside = |ids: fn(&Pdu) -> &[EventId]| -> BTreeSet<&EventId> {
        batch.iter().flat_map(ids).filter(|id| !inside.contains(*id)).collect()
    };
    let (prev, cited) = (outside(Pdu::prev_events), outside(Pdu::auth_events));
    let parents: BTreeMap<EventId, Vec<EventId>> =
        batch.iter().map(|pdu| (pdu.event_id().clone(), pdu.prev_events().to_vec())).collect();
    let mut around = Surroundings { now, ..Surroundings::default() };
    room.bring_by_id(tx, cited.iter().copied())?;
    // The events themselves too: they may be outliers, whose standing is known.
    let seen: BTreeMap<EventNumber, &EventId> =
        inside.iter().filter_map(|id| known.get(*id).map(|number| (*number, *id))).collect();
    room.bring_judged(tx, seen.iter().map(|(number, id)| (*id, *number)))?;
    for id in cited {
        if room.graph.index_of(id).is_none()
            && let Some(event) = event_rows::number(tx, room.number, id)?
            && let Some(stored) = event_rows::load(tx, room.version, event)?
        {
            around.cited.insert(id.clone(), Cited { event: AuthEvent::new(&stored.pdu), rejected: stored.rejected });
        }
    }
    for id in prev {
        if let Some(event) = event_rows::number(tx, room.number, id)?
            && let Some(place) = graph_rows::place(tx, event)?
            && let Some(snapshot) = place.state_after
        {
            let accepted_ancestors =
                if place.outcome == Outcome::Accepted { Vec::new() } else { accepted_ancestors(tx, event)? };
            let after = room.load_state(tx, snapshot)?;
            around.parents.insert(id.clone(), Parent { topological: place.topological, after, accepted_ancestors });
        }
    }
    around.covered = covered(tx, &seen, &parents)?;
    Ok(around)
}

/// Returns those of a batch that an accepted event of the graph builds on, which is not of the batch: they come late, and are no
/// extremities. `batch` has the parents of each, `seen` those that have a number.
fn covered(
    tx: &ReadTx<'_>,
    seen: &BTreeMap<EventNumber, &EventId>,
    batch: &BTreeMap<EventId, Vec<EventId>>,
) -> Result<BTreeSet<EventId>, StoreError> {
    let mut to_look: Vec<EventId> = Vec::new();
    for (number, id) in seen {
        if has_accepted_descendant(tx, *number, seen)? {
            to_look.push((*id).clone());
        }
    }
    let mut covered = BTreeSet::new();
    while let Some(id) = to_look.pop() {
        if let Some(parents) = batch.get(&id)
            && covered.insert(id)
        {
            to_look.extend(parents.iter().cloned());
        }
    }
    Ok(covered)
}

fn has_accepted_descendant(
    tx: &ReadTx<'_>,
    event: EventNumber,
    left_out: &BTreeMap<EventNumber, &EventId>,
) -> Result<bool, StoreError> {
    let mut to_walk = vec![event];
    let mut walked = BTreeSet::new();
    while let Some(event) = to_walk.pop() {
        for child in graph_rows::children(tx, event)? {
            if left_out.contains_key(&child) || walked.len() >= ANCESTORS_WALKED_MAX || !walked.insert(child) {
                continue;
            }
            match graph_rows::place(tx, child)?.map(|place| place.outcome) {
                Some(Outcome::Accepted) => return Ok(true),
                Some(Outcome::SoftFailed | Outcome::Rejected) => to_walk.push(child),
                None => {}
            }
        }
    }
    Ok(false)
}

/// Says whether something of the graph builds on an event that has no place itself: it lies before what we have.
pub(crate) fn is_history(tx: &ReadTx<'_>, room: RoomNumber, id: &EventId) -> Result<bool, StoreError> {
    let Some(number) = event_rows::number(tx, room, id)? else { return Ok(false) };
    Ok(!graph_rows::children(tx, number)?.is_empty())
}

/// Says whether the event has its place in the graph, with a state after it.
pub(crate) fn has_state(tx: &ReadTx<'_>, room: RoomNumber, id: &EventId) -> Result<bool, StoreError> {
    let Some(number) = event_rows::number(tx, room, id)? else { return Ok(false) };
    Ok(graph_rows::place(tx, number)?.is_some_and(|place| place.state_after.is_some()))
}

/// Returns the nearest accepted ancestors of an event that is not accepted.
fn accepted_ancestors(tx: &ReadTx<'_>, event: EventNumber) -> Result<Vec<EventNumber>, StoreError> {
    let mut accepted = Vec::new();
    let mut to_walk = vec![event];
    let mut walked = BTreeSet::new();
    while let Some(event) = to_walk.pop() {
        if walked.len() >= ANCESTORS_WALKED_MAX || !walked.insert(event) {
            continue;
        }
        for parent in graph_rows::prev_events(tx, event)? {
            match graph_rows::place(tx, parent)?.map(|place| place.outcome) {
                Some(Outcome::Accepted) => accepted.push(parent),
                Some(Outcome::SoftFailed | Outcome::Rejected) => to_walk.push(parent),
                None => {}
            }
        }
    }
    Ok(accepted)
}

//! Sorts events by whether all that they refer to is known.

use std::collections::{BTreeMap, BTreeSet};

use events::{EventId, Pdu};
use persistence::transactions::events as event_rows;
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError};

use crate::outliers::in_order_of_parents;
use crate::room::Room;
use crate::serve::has_body;
use crate::surroundings::has_state;
use crate::waiting::has_place;

/// A batch, by what can be done with it.
pub(crate) struct Sorted {
    pub(crate) ready: Vec<Pdu>,
    /// They refer to something that we do not have.
    pub(crate) lacking: Vec<Pdu>,
    /// The numbers of those of the batch that were seen or referred to.
    pub(crate) known: BTreeMap<EventId, EventNumber>,
}

/// Sorts a batch by whether all that an event refers to is known; leaves out what has its place. Parents come first.
pub(crate) fn sort(room: &Room, tx: &ReadTx<'_>, batch: Vec<Pdu>) -> Result<Sorted, StoreError> {
    let mut left_out = missing_prev_events(tx, room.number, &batch)?;
    let inside: BTreeSet<EventId> = batch.iter().map(|pdu| pdu.event_id().clone()).collect();
    let cited: BTreeSet<EventId> = batch.iter().flat_map(Pdu::auth_events).cloned().collect();
    let mut unknown = BTreeSet::new();
    for id in cited {
        if !inside.contains(&id) && room.graph.index_of(&id).is_none() && !has_body(tx, room.number, &id)? {
            unknown.insert(id);
        }
    }
    let known = known_among(tx, room.number, &batch)?;
    let mut sorted = Sorted { ready: Vec::new(), lacking: Vec::new(), known };
    for pdu in in_order_of_parents(batch) {
        if let Some(number) = sorted.known.get(pdu.event_id())
            && has_place(tx, *number)?
        {
            if !has_state(tx, room.number, pdu.event_id())? {
                left_out.insert(pdu.event_id().clone());
            }
            continue;
        }
        let lacks_parent = pdu.prev_events().iter().any(|id| left_out.contains(id));
        let lacks_auth = pdu.auth_events().iter().any(|id| left_out.contains(id) || unknown.contains(id));
        if lacks_parent || lacks_auth {
            left_out.insert(pdu.event_id().clone());
            sorted.lacking.push(pdu);
        } else {
            sorted.ready.push(pdu);
        }
    }
    Ok(sorted)
}

/// Returns the numbers of those events of a batch that were seen or referred to.
pub(crate) fn known_among(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    batch: &[Pdu],
) -> Result<BTreeMap<EventId, EventNumber>, StoreError> {
    let mut known = BTreeMap::new();
    for id in batch.iter().map(Pdu::event_id) {
        known.extend(event_rows::number(tx, room, id)?.map(|number| (id.clone(), number)));
    }
    Ok(known)
}

/// Returns the parents of a batch that are not of it, and of which we do not have the state after them.
pub(crate) fn missing_prev_events(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    batch: &[Pdu],
) -> Result<BTreeSet<EventId>, StoreError> {
    let inside: BTreeSet<&EventId> = batch.iter().map(Pdu::event_id).collect();
    let named: BTreeSet<&EventId> = batch.iter().flat_map(Pdu::prev_events).filter(|id| !inside.contains(id)).collect();
    let mut missing = BTreeSet::new();
    for id in named {
        if !has_state(tx, room, id)? {
            missing.insert(id.clone());
        }
    }
    Ok(missing)
}

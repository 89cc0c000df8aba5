//! Asks another implementation whether forks were resolved rightly. All servers may be wrong alike.

use std::collections::{BTreeMap, BTreeSet};

use ::second_opinion::{NaiveState, NoOpinion, Oracle};
use events::{EventId, RoomVersion};
use pdu::Verdict;
use persistence::transactions::graph::{self as graph_rows, Place};
use persistence::transactions::rooms::RoomRow;
use persistence::transactions::{events as event_rows, state as state_rows};
use persistence::{EventNumber, ReadTx, SnapshotNumber, StoreError};

/// Resolutions of a room that are compared: evenly among all.
const SAMPLES: usize = 10;

/// A resolution as a server came to it.
struct Resolved {
    event: EventId,
    states: Vec<NaiveState>,
    before: NaiveState,
}

/// Says where ruma resolves the states after the parents of an event in another way. Of rooms of version 1 it says nothing: ruma does
/// not know how they resolve.
pub(crate) fn differences(tx: &ReadTx<'_>, room: &RoomRow, places: &[Place]) -> Result<Vec<String>, StoreError> {
    if room.version == RoomVersion::V1 {
        return Ok(Vec::new());
    }
    let mut merges = Vec::new();
    for place in places {
        merges.extend(merge(tx, place)?);
    }
    let every = merges.len().div_ceil(SAMPLES).max(1);
    let mut differences = Vec::new();
    for (place, states) in merges.into_iter().step_by(every) {
        let resolved = read(tx, &place, &states)?;
        let mut oracle = Oracle::new(room.version);
        tell(tx, room, &resolved, &mut oracle)?;
        let event = &resolved.event;
        match oracle.resolve(&resolved.states) {
            Ok(theirs) if theirs == resolved.before => {}
            Ok(theirs) => {
                let differing = differing_keys(&theirs, &resolved.before);
                differences
                    .push(format!("has another state before {event} than ruma comes to: {}", differing.join(", ")));
            }
            Err(error @ (NoOpinion::Version1 | NoOpinion::Failed(_))) => {
                differences.push(format!("has a state before {event} that ruma does not come to: {error}"));
            }
        }
    }
    Ok(differences)
}

/// What was decided about an event. One that cannot be read is none.
pub(crate) fn verdict(tx: &ReadTx<'_>, place: &Place) -> Result<Option<Verdict>, StoreError> {
    Ok(event_rows::verdict(tx, place.event)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The distinct states after an event's parents, if they are several and all that the state before it was made of.
fn merge(tx: &ReadTx<'_>, place: &Place) -> Result<Option<(Place, BTreeSet<SnapshotNumber>)>, StoreError> {
    if verdict(tx, place)?.is_none_or(|verdict| verdict.state_told_by.is_some() || verdict.provisional) {
        return Ok(None);
    }
    let mut states = BTreeSet::new();
    for parent in graph_rows::prev_events(tx, place.event)? {
        let Some(after) = graph_rows::place(tx, parent)?.and_then(|parent| parent.state_after) else { return Ok(None) };
        states.insert(after);
    }
    Ok((states.len() > 1).then_some((*place, states)))
}

fn read(tx: &ReadTx<'_>, place: &Place, states: &BTreeSet<SnapshotNumber>) -> Result<Resolved, StoreError> {
    let states = states.iter().map(|state| naive(tx, *state)).collect::<Result<_, _>>()?;
    let before = place.state_before.map(|before| naive(tx, before)).transpose()?.unwrap_or_default();
    Ok(Resolved { event: event_rows::id(tx, place.event)?, states, before })
}

fn naive(tx: &ReadTx<'_>, state: SnapshotNumber) -> Result<NaiveState, StoreError> {
    let entries = state_rows::load(tx, state)?;
    let named = entries.iter().map(|(key, event)| Ok((state_rows::key_text(tx, key)?, event_rows::id(tx, event)?)));
    named.collect()
}

/// Tells the oracle of the events of the states, and of all that they cite.
fn tell(tx: &ReadTx<'_>, room: &RoomRow, resolved: &Resolved, oracle: &mut Oracle) -> Result<(), StoreError> {
    let mut pending: Vec<EventNumber> = Vec::new();
    for id in resolved.states.iter().chain([&resolved.before]).flat_map(BTreeMap::values) {
        pending.extend(event_rows::number(tx, room.number, id)?);
    }
    let mut told = BTreeSet::new();
    while let Some(event) = pending.pop() {
        if told.insert(event)
            && let Some(stored) = event_rows::load(tx, room.version, event)?
        {
            oracle.add(&stored.pdu, stored.rejected);
            pending.extend(event_rows::auth_events(tx, event)?);
        }
    }
    Ok(())
}

fn differing_keys(one: &NaiveState, other: &NaiveState) -> Vec<String> {
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key)).collect();
    keys.into_iter().map(|(event_type, state_key)| format!("{event_type} {state_key:?}")).collect()
}

//! States in terms that outlive the room in memory: each as its difference to another, to be written in a transaction.

use std::sync::Arc;

use events::EventId;
use events::auth_graph::{EventIndex, StateMap};
use events::membership::Membership;
use persistence::transactions::{events as event_rows, state as state_rows};
use persistence::{EventNumber, RoomNumber, SnapshotNumber, StateKeyNumber, StoreError, WriteTx};

use crate::room::{Origin, Room, State};

/// A new state, as changes to its parent in terms that outlive the room in memory.
pub(crate) struct StateRecord {
    pub(crate) state: Arc<State>,
    pub(crate) parent: ParentState,
    pub(crate) changes: Vec<Change>,
}

/// Where a state is to be found.
pub(crate) enum ParentState {
    Empty,
    Stored(SnapshotNumber),
    /// An earlier record of the same batch.
    Record(usize),
}

/// An entry of a state that changes: type, state key, the event that is there afterwards, and what that says if it is a membership.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) event_type: String,
    pub(crate) state_key: String,
    /// What these two are in the database, if that is known.
    key: Option<StateKeyNumber>,
    event: Option<Named>,
    pub(crate) membership: Option<Membership>,
}

/// How a state event is found in the database.
#[derive(Clone)]
enum Named {
    Number(EventNumber),
    /// It is written in the same transaction.
    Id(EventId),
}

impl ParentState {
    /// The number of the state, given those of the records that were written.
    pub(crate) fn resolve(&self, snapshots: &[SnapshotNumber]) -> Option<SnapshotNumber> {
        match self {
            Self::Empty => None,
            Self::Stored(snapshot) => Some(*snapshot),
            Self::Record(index) => snapshots.get(*index).copied(),
        }
    }
}

/// Puts states that are not in the database into terms that outlive the room in memory. Parents come before children.
pub(crate) fn state_records(room: &Room, new_states: &[Arc<State>]) -> Vec<StateRecord> {
    let mut states: Vec<StateRecord> = Vec::new();
    for state in new_states {
        let parent = match state.origin() {
            Origin::Derived(parent) => parent,
            Origin::Stored(_) => continue,
        };
        let empty = StateMap::default();
        let from = parent.as_ref().map_or(&empty, |parent| &parent.map);
        let record = StateRecord {
            state: Arc::clone(state),
            parent: parent.as_ref().map_or(ParentState::Empty, |parent| reference(&states, parent)),
            changes: changes(room, from, &state.map),
        };
        states.push(record);
    }
    states
}

/// Writes states, and returns their numbers in the same order.
pub(crate) fn write_states(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    records: &[StateRecord],
) -> Result<Vec<SnapshotNumber>, StoreError> {
    let mut snapshots = Vec::with_capacity(records.len());
    for record in records {
        snapshots.push(record.write(tx, room, record.parent.resolve(&snapshots))?);
    }
    Ok(snapshots)
}

impl StateRecord {
    /// Writes the state as a difference to its parent.
    pub(crate) fn write(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        parent: Option<SnapshotNumber>,
    ) -> Result<SnapshotNumber, StoreError> {
        let mut changes = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            let key = match change.key {
                Some(key) => key,
                None => state_rows::intern_key(tx, &change.event_type, &change.state_key)?,
            };
            changes.push((key, change.event(tx, room)?));
        }
        state_rows::store(tx, room, parent, &changes)
    }
}

/// Says where a state is to be found: in the database, or among the records about to be written.
pub(crate) fn reference(states: &[StateRecord], state: &Arc<State>) -> ParentState {
    if let Origin::Stored(snapshot) = state.origin() {
        return ParentState::Stored(snapshot);
    }
    let record = states.iter().position(|record| Arc::ptr_eq(&record.state, state));
    record.map_or(ParentState::Empty, ParentState::Record)
}

/// What makes one state of another.
pub(crate) fn changes(room: &Room, from: &StateMap, to: &StateMap) -> Vec<Change> {
    let difference = from.diff(to);
    let change = |(key, event): (_, Option<EventIndex>)| {
        let (event_type, state_key) = room.graph.state_key(key);
        Change {
            event_type: event_type.to_owned(),
            state_key: state_key.to_owned(),
            key: room.key_number_of(key),
            event: event.map(|index| Named::of(room, index)),
            membership: event.and_then(|index| room.graph.event(index).membership()),
        }
    };
    difference.iter().map(change).collect()
}

impl Change {
    pub(crate) fn event(&self, tx: &mut WriteTx<'_>, room: RoomNumber) -> Result<Option<EventNumber>, StoreError> {
        match &self.event {
            None => Ok(None),
            Some(Named::Number(event)) => Ok(Some(*event)),
            Some(Named::Id(id)) => event_rows::intern(tx, room, id).map(Some),
        }
    }
}

impl Named {
    fn of(room: &Room, index: EventIndex) -> Self {
        let number = room.number_of(index).map(Self::Number);
        number.unwrap_or_else(|| Self::Id(room.graph.event(index).event_id().clone()))
    }
}

//! A room in memory: its state events, its forward extremities, its current state. Derived from the database at a turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use events::auth::{AuthEvent, StateView};
use events::auth_graph::{AuthGraph, EventIndex, Standing, StateMap};
use events::{EventId, RoomId, RoomVersion};
use persistence::transactions::events::{self as event_rows, StoredEvent};
use persistence::transactions::graph as graph_rows;
use persistence::transactions::rooms::RoomRow;
use persistence::transactions::state as state_rows;
use persistence::{EventNumber, ReadTx, RoomNumber, SnapshotNumber, StoreError};

/// A state of the room.
pub(crate) struct State {
    pub(crate) map: StateMap,
    origin: Mutex<Origin>,
}

/// Where a state comes from, for writing it down.
#[derive(Clone)]
pub(crate) enum Origin {
    /// It is in the database.
    Stored(SnapshotNumber),
    /// It follows from another state, or from the empty one.
    Derived(Option<Arc<State>>),
}

/// A forward extremity.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) number: EventNumber,
    pub(crate) event_id: EventId,
    pub(crate) depth: i64,
    pub(crate) topological: i64,
    pub(crate) after: Arc<State>,
}

/// A room in memory.
pub(crate) struct Room {
    pub(crate) number: RoomNumber,
    pub(crate) room_id: RoomId,
    pub(crate) version: RoomVersion,
    pub(crate) turn: i64,
    pub(crate) graph: AuthGraph,
    pub(crate) heads: Vec<Head>,
    /// `None` while nobody here has been in the room.
    pub(crate) current: Option<Arc<State>>,
    /// Extremities of an earlier stay in the room, that the next commit removes.
    pub(crate) stale_heads: Vec<EventNumber>,
    numbers: BTreeMap<EventIndex, EventNumber>,
    indices: BTreeMap<EventNumber, EventIndex>,
    states: BTreeMap<SnapshotNumber, Arc<State>>,
}

/// States that a room keeps beside those of its extremities.
const STATES_KEPT_MAX: usize = 8;

impl State {
    pub(crate) fn derived(map: StateMap, parent: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { map, origin: Mutex::new(Origin::Derived(parent)) })
    }

    fn stored(map: StateMap, snapshot: SnapshotNumber) -> Arc<Self> {
        Arc::new(Self { map, origin: Mutex::new(Origin::Stored(snapshot)) })
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The commit that wrote it has succeeded.
    pub(crate) fn set_stored(&self, snapshot: SnapshotNumber) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = Origin::Stored(snapshot);
    }
}

/// A state as authorisation looks at it.
pub(crate) struct View<'a> {
    pub(crate) graph: &'a AuthGraph,
    pub(crate) map: &'a StateMap,
}

impl StateView for View<'_> {
    fn get(&self, event_type: &str, state_key: &str) -> Option<&AuthEvent> {
        let key = self.graph.state_key_index(event_type, state_key)?;
        self.map.get(key).map(|index| self.graph.event(index))
    }
}

impl Room {
    /// Loads a room as it stands. `None` if there is no such room.
    pub(crate) fn load(tx: &ReadTx<'_>, row: &RoomRow) -> Result<Self, StoreError> {
        let mut room = Self {
            number: row.number,
            room_id: row.room_id.clone(),
            version: row.version,
            turn: row.turn,
            graph: AuthGraph::new(row.version),
            heads: Vec::new(),
            current: None,
            stale_heads: Vec::new(),
            numbers: BTreeMap::new(),
            indices: BTreeMap::new(),
            states: BTreeMap::new(),
        };
        let (stored, _) = event_rows::state_events_after(tx, row.number, row.version, 0)?;
        for event in stored {
            room.append(&event);
        }
        for event in graph_rows::extremities(tx, row.number)? {
            let head = room.load_head(tx, event)?;
            room.heads.push(head);
        }
        if let Some(snapshot) = row.state {
            room.current = Some(room.load_state(tx, snapshot)?);
        }
        Ok(room)
    }

    fn load_head(&mut self, tx: &ReadTx<'_>, event: EventNumber) -> Result<Head, StoreError> {
        let missing =
            || StoreError::Inconsistent(format!("the extremity {} of {} has no state", event.0, self.room_id));
        let place = graph_rows::place(tx, event)?.ok_or_else(missing)?;
        let stored = event_rows::load(tx, self.version, event)?.ok_or_else(missing)?;
        let after = place.state_after.ok_or_else(missing)?;
        Ok(Head {
            number: event,
            event_id: stored.pdu.event_id().clone(),
            depth: stored.pdu.depth(),
            topological: place.topological,
            after: self.load_state(tx, after)?,
        })
    }

    /// Returns a stored state.
    pub(crate) fn load_state(&mut self, tx: &ReadTx<'_>, snapshot: SnapshotNumber) -> Result<Arc<State>, StoreError> {
        if let Some(state) = self.known_state(snapshot) {
            return Ok(state);
        }
        let map = state_rows::load(tx, snapshot)?;
        self.translate_state(snapshot, &map)
    }

    /// Puts a stored state into terms of the room's auth graph.
    pub(crate) fn translate_state(
        &mut self,
        snapshot: SnapshotNumber,
        stored: &state_rows::StateMap,
    ) -> Result<Arc<State>, StoreError> {
        let mut map = StateMap::default();
        for (_, event) in stored.iter() {
            let index = self.indices.get(&event).ok_or_else(|| {
                StoreError::Inconsistent(format!(
                    "state {} of {} holds event {} without content",
                    snapshot.0, self.room_id, event.0
                ))
            })?;
            map.insert(self.graph.state_key_of(*index), *index);
        }
        let state = State::stored(map, snapshot);
        self.keep_state(snapshot, &state);
        Ok(state)
    }

    /// Returns a stored state if it is in memory.
    pub(crate) fn known_state(&self, snapshot: SnapshotNumber) -> Option<Arc<State>> {
        let of_heads = self.heads.iter().map(|head| &head.after).chain(self.current.as_ref());
        of_heads
            .into_iter()
            .find(|state| matches!(state.origin(), Origin::Stored(stored) if stored == snapshot))
            .or_else(|| self.states.get(&snapshot))
            .cloned()
    }

    /// Keeps a stored state for a while.
    pub(crate) fn keep_state(&mut self, snapshot: SnapshotNumber, state: &Arc<State>) {
        while self.states.len() >= STATES_KEPT_MAX {
            // The oldest snapshot is the least likely to be asked for again.
            self.states.pop_first();
        }
        self.states.insert(snapshot, Arc::clone(state));
    }

    /// Adds a stored state event to the graph in memory. An invite that came from outside cites events that we do not have:
    /// it is in no state, and left out.
    fn append(&mut self, event: &StoredEvent) {
        let standing = if event.rejected { Standing::Rejected } else { Standing::Accepted };
        match self.graph.append(AuthEvent::new(&event.pdu), standing) {
            Ok(index) => self.set_number(index, event.number),
            Err(error) => tracing::debug!(room.id = %self.room_id, "Not in the auth graph: {error}"),
        }
    }

    /// Says which number an event of the graph has in the database.
    pub(crate) fn set_number(&mut self, index: EventIndex, number: EventNumber) {
        self.numbers.insert(index, number);
        self.indices.insert(number, index);
    }

    /// The state event of this type and key in the current state.
    pub(crate) fn current_event(&self, event_type: &str, state_key: &str) -> Option<&AuthEvent> {
        let current = self.current.as_ref()?;
        let key = self.graph.state_key_index(event_type, state_key)?;
        current.map.get(key).map(|index| self.graph.event(index))
    }

    /// How much it takes of [`crate::limits::EVENTS_LOADED_MAX`].
    pub(crate) fn weight(&self) -> usize {
        self.graph.len()
    }
}

/// What is known of a parent of an event that is about to be judged.
#[derive(Clone)]
pub(crate) struct Parent {
    pub(crate) topological: i64,
    pub(crate) after: Arc<State>,
    /// The nearest accepted ancestors, if it is not accepted itself.
    pub(crate) accepted_ancestors: Vec<EventNumber>,
}

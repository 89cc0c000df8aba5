//! A room in memory: its state events, its forward extremities, its current state. Derived from the database at a turn.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use defects::Defect;
use events::auth::{AuthEvent, StateView};
use events::auth_graph::{AuthGraph, EventIndex, Standing, StateKeyIndex, StateMap};
use events::room_version::RoomIdFormat;
use events::state_resolution::{Base, Resolution, TooCostly, resolve_on};
use events::{EventId, Reference, RoomId, RoomVersion, ServerName};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph as graph_rows;
use persistence::transactions::partial as partial_rows;
use persistence::transactions::rooms::RoomRow;
use persistence::transactions::state as state_rows;
use persistence::{EventNumber, ReadTx, RoomNumber, SnapshotNumber, StateKeyNumber, StoreError};

use crate::partial::{Partial, with_what_others_name};
use crate::servers::{JoinedServers, ServerNumbers};

/// A state of the room.
pub(crate) struct State {
    pub(crate) map: StateMap,
    pub(crate) servers: JoinedServers,
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
    pub(crate) reference: Reference,
    pub(crate) depth: i64,
    pub(crate) topological: i64,
    pub(crate) after: Arc<State>,
}

impl Head {
    pub(crate) fn event_id(&self) -> &EventId {
        &self.reference.event_id
    }
}

/// A room in memory: what deciding about new events needs. Its auth graph has the events of its current state and of its
/// extremities' states with their auth chains; others are [brought](Room::bring) when something refers to them.
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
    pub(crate) servers: ServerNumbers,
    /// While not all members are known.
    pub(crate) partial: Option<Arc<Partial>>,
    /// Its states may lack entries of which the keys could not be had when we joined it: the servers in it, as we were told, whose keys
    /// they were.
    pub(crate) lacks_keys_of: Option<BTreeSet<ServerName>>,
    /// When extremities were last joined by an event of ours, in milliseconds since 1970.
    pub(crate) joined_heads_at: Option<i64>,
    /// Made when forks are first resolved, then moved along with the current state.
    base: Option<Base>,
    indices: HashMap<EventNumber, EventIndex>,
    /// The other way round: a number for each event of the graph, or nothing while it is not stored.
    numbers: Vec<Option<EventNumber>>,
    /// The same for the graph's state keys.
    key_numbers: Vec<Option<StateKeyNumber>>,
    states: BTreeMap<SnapshotNumber, Arc<State>>,
}

/// States that a room keeps beside those of its extremities.
const STATES_KEPT_MAX: usize = 8;

impl State {
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
    /// A room of which nothing is loaded.
    pub(crate) fn empty(number: RoomNumber, room_id: RoomId, version: RoomVersion, turn: i64) -> Self {
        Self {
            number,
            room_id,
            version,
            turn,
            graph: AuthGraph::new(version),
            heads: Vec::new(),
            current: None,
            stale_heads: Vec::new(),
            servers: ServerNumbers::default(),
            partial: None,
            lacks_keys_of: None,
            joined_heads_at: None,
            base: None,
            indices: HashMap::new(),
            numbers: Vec::new(),
            key_numbers: Vec::new(),
            states: BTreeMap::new(),
        }
    }

    /// Whether its states may lack what we do not know: members, or what is signed with keys that could not be had.
    pub(crate) fn lacks_something(&self) -> bool {
        self.partial.is_some() || self.lacks_keys_of.is_some()
    }

    /// Loads a room as it stands. Takes as long as its current state, what that cites, and what differs at its extremities.
    pub(crate) fn load(tx: &ReadTx<'_>, row: &RoomRow) -> Result<Self, StoreError> {
        let mut room = Self::empty(row.number, row.room_id.clone(), row.version, row.turn);
        room.partial = Partial::load(tx, row.number)?;
        if partial_rows::pending(tx, row.number)?.is_some_and(|pending| pending.whole) {
            room.lacks_keys_of = Some(partial_rows::servers(tx, row.number)?.into_iter().collect());
        }
        if let Some(snapshot) = row.state {
            room.current = Some(room.load_state(tx, snapshot)?);
        }
        for event in graph_rows::extremities(tx, row.number)? {
            let head = room.load_head(tx, event)?;
            room.heads.push(head);
        }
        Ok(room)
    }

    /// Takes everything out, and leaves what will be loaded again: no room has this turn.
    pub(crate) fn take(&mut self) -> Self {
        let empty = Self::empty(self.number, self.room_id.clone(), self.version, -1);
        std::mem::replace(self, empty)
    }

    fn load_head(&mut self, tx: &ReadTx<'_>, event: EventNumber) -> Result<Head, StoreError> {
        let missing =
            || StoreError::Inconsistent(format!("the extremity {} of {} has no state", event.0, self.room_id));
        let place = graph_rows::place(tx, event)?.ok_or_else(missing)?;
        let stored = event_rows::load(tx, self.version, event)?.ok_or_else(missing)?;
        let after = place.state_after.ok_or_else(missing)?;
        Ok(Head {
            number: event,
            reference: stored.pdu.reference(),
            depth: stored.pdu.depth(),
            topological: place.topological,
            after: self.load_state(tx, after)?,
        })
    }

    /// Returns a stored state. Only what differs from one in memory is read, and shared with it in memory.
    pub(crate) fn load_state(&mut self, tx: &ReadTx<'_>, snapshot: SnapshotNumber) -> Result<Arc<State>, StoreError> {
        if let Some(state) = self.known_state(snapshot) {
            return Ok(state);
        }
        let near = self.stored_states().next();
        let (near, changes) = match near {
            Some((number, near)) => (Some(near), state_rows::difference(tx, number, snapshot)?),
            None => {
                let whole = state_rows::load(tx, snapshot)?;
                (None, whole.iter().map(|(key, event)| (key, None, Some(event))).collect())
            }
        };
        self.bring(tx, changes.iter().filter_map(|(_, _, event)| *event))?;
        let mut map = near.as_ref().map(|near| near.map.clone()).unwrap_or_default();
        for (_, old, new) in changes {
            if let Some(old) = old {
                map.remove(self.graph.state_key_of(self.index_in(snapshot, old)?));
            }
            if let Some(new) = new {
                let index = self.index_in(snapshot, new)?;
                map.insert(self.graph.state_key_of(index), index);
            }
        }
        let servers = self.count_servers(near.as_deref(), &map);
        let state = Arc::new(State { map, servers, origin: Mutex::new(Origin::Stored(snapshot)) });
        self.keep_state(snapshot, &state);
        Ok(state)
    }

    fn index_in(&self, snapshot: SnapshotNumber, event: EventNumber) -> Result<EventIndex, StoreError> {
        self.indices.get(&event).copied().ok_or_else(|| {
            StoreError::Inconsistent(format!(
                "state {} of {} holds event {} without content",
                snapshot.0, self.room_id, event.0
            ))
        })
    }

    /// Makes a state that is not stored. `parent` is what it is written as a difference to.
    pub(crate) fn derive(&mut self, map: StateMap, parent: Option<Arc<State>>) -> Arc<State> {
        let near = parent.clone().or_else(|| self.current.clone());
        let servers = self.count_servers(near.as_deref(), &map);
        Arc::new(State { map, servers, origin: Mutex::new(Origin::Derived(parent)) })
    }

    /// Counts the servers of a state by what differs from another one.
    fn count_servers(&mut self, near: Option<&State>, map: &StateMap) -> JoinedServers {
        let empty = StateMap::default();
        let (from, mut servers) =
            near.map_or((&empty, JoinedServers::default()), |near| (&near.map, near.servers.clone()));
        for (key, event) in from.diff(map).iter() {
            let old = from.get(key).map(|event| self.graph.event(event));
            servers.change(&mut self.servers, old, event.map(|event| self.graph.event(event)));
        }
        servers
    }

    /// Resolves states of the room.
    pub(crate) fn resolve(&mut self, states: &[&StateMap]) -> Result<Resolution, TooCostly> {
        let completed = with_what_others_name(self, states);
        let completed: Option<Vec<&StateMap>> = completed.as_ref().map(|completed| completed.iter().collect());
        self.resolve_whole(completed.as_deref().unwrap_or(states))
    }

    /// Resolves states of which all is known, also where not all of the room is.
    pub(crate) fn resolve_whole(&mut self, states: &[&StateMap]) -> Result<Resolution, TooCostly> {
        let mut states = states;
        if defects::is_on(Defect::FirstStateWins) {
            states = states.get(..1).unwrap_or_default();
        }
        let near = self.current.as_ref().map(|current| &current.map).or(states.first().copied());
        let Some(near) = near else { return Ok(Resolution::default()) };
        let base = self.base.get_or_insert_with(|| Base::new(&self.graph, near.clone()));
        base.move_to(&self.graph, near);
        resolve_on(&self.graph, base, states)
    }

    /// Takes out the events that were added to the auth graph since it had `events`: they were not committed.
    pub(crate) fn undo(&mut self, events: usize) {
        self.graph.truncate(events);
        self.numbers.truncate(events);
        self.base = None;
    }

    /// Returns a stored state if it is in memory.
    pub(crate) fn known_state(&self, snapshot: SnapshotNumber) -> Option<Arc<State>> {
        self.stored_states().find(|(stored, _)| *stored == snapshot).map(|(_, state)| state)
    }

    /// The stored states in memory, those that others differ least from first.
    fn stored_states(&self) -> impl Iterator<Item = (SnapshotNumber, Arc<State>)> {
        let in_use = self.current.iter().chain(self.heads.iter().map(|head| &head.after));
        let in_use = in_use.filter_map(|state| match state.origin() {
            Origin::Stored(snapshot) => Some((snapshot, Arc::clone(state))),
            Origin::Derived(_) => None,
        });
        in_use.chain(self.states.iter().rev().map(|(snapshot, state)| (*snapshot, Arc::clone(state))))
    }

    /// Keeps a stored state for a while.
    pub(crate) fn keep_state(&mut self, snapshot: SnapshotNumber, state: &Arc<State>) {
        while self.states.len() >= STATES_KEPT_MAX {
            // The oldest snapshot is the least likely to be asked for again.
            self.states.pop_first();
        }
        self.states.insert(snapshot, Arc::clone(state));
    }

    /// Has the auth graph know events by their ids, with what they cite, as far as they are stored.
    pub(crate) fn bring_by_id<'a>(
        &mut self,
        tx: &ReadTx<'_>,
        ids: impl IntoIterator<Item = &'a EventId>,
    ) -> Result<(), StoreError> {
        let mut seen = Vec::new();
        for id in ids {
            if self.graph.index_of(id).is_none() {
                seen.extend(event_rows::number(tx, self.number, id)?.map(|number| (id, number)));
            }
        }
        self.bring_judged(tx, seen)
    }

    /// Like [`Room::bring_by_id`], for events whose numbers are known.
    pub(crate) fn bring_judged<'a>(
        &mut self,
        tx: &ReadTx<'_>,
        seen: impl IntoIterator<Item = (&'a EventId, EventNumber)>,
    ) -> Result<(), StoreError> {
        let mut judged = Vec::new();
        for (id, number) in seen {
            // What was stored from outside, and judged by nobody, gives no permission.
            if self.graph.index_of(id).is_none() && event_rows::verdict(tx, number)?.is_some() {
                judged.push(number);
            }
        }
        self.bring(tx, judged)
    }

    /// Has the auth graph know stored state events, with what they cite.
    pub(crate) fn bring(
        &mut self,
        tx: &ReadTx<'_>,
        events: impl IntoIterator<Item = EventNumber>,
    ) -> Result<(), StoreError> {
        let mut pending: Vec<Visit> = events.into_iter().map(Visit::Load).collect();
        if self.graph.is_empty() && !pending.is_empty() && self.version.rules().room_id == RoomIdFormat::CreateEvent {
            // All events depend on the create event, which none cites. Last in, first loaded.
            let create = event_rows::number(tx, self.number, &self.room_id.create_event())?;
            pending.extend(create.map(Visit::Load));
        }
        let mut waiting: HashMap<EventNumber, Option<(AuthEvent, Standing)>> = HashMap::new();
        while let Some(visit) = pending.pop() {
            match visit {
                Visit::Load(event) if self.indices.contains_key(&event) || waiting.contains_key(&event) => {}
                Visit::Load(event) => {
                    let Some(stored) = event_rows::load(tx, self.version, event)? else { continue };
                    let standing = if stored.rejected { Standing::Rejected } else { Standing::Accepted };
                    waiting.insert(event, Some((AuthEvent::new(&stored.pdu), standing)));
                    pending.push(Visit::Append(event));
                    pending.extend(event_rows::auth_events(tx, event)?.into_iter().map(Visit::Load));
                }
                Visit::Append(number) => {
                    let Some((event, standing)) = waiting.get_mut(&number).and_then(Option::take) else { continue };
                    // An invite from outside cites events that we do not have; a message is in no state. Both are left out.
                    match self.graph.append(event, standing) {
                        Ok(index) => self.set_number(index, number),
                        Err(error) => tracing::debug!(room.id = %self.room_id, "Not in the auth graph: {error}"),
                    }
                }
            }
        }
        Ok(())
    }

    /// Says which number an event of the graph has in the database.
    pub(crate) fn set_number(&mut self, index: EventIndex, number: EventNumber) {
        self.indices.insert(number, index);
        set_at(&mut self.numbers, index.at(), number);
    }

    /// The number that an event of the graph has in the database, if it is stored.
    pub(crate) fn number_of(&self, index: EventIndex) -> Option<EventNumber> {
        self.numbers.get(index.at()).copied().flatten()
    }

    /// Says which number the state key of an event of the graph has in the database.
    pub(crate) fn set_key_number(&mut self, index: EventIndex, number: StateKeyNumber) {
        set_at(&mut self.key_numbers, self.graph.state_key_of(index).at(), number);
    }

    /// The number that a state key of the graph has in the database, if that is known.
    pub(crate) fn key_number_of(&self, key: StateKeyIndex) -> Option<StateKeyNumber> {
        self.key_numbers.get(key.at()).copied().flatten()
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

fn set_at<T: Copy>(list: &mut Vec<Option<T>>, at: usize, value: T) {
    list.resize(list.len().max(at + 1), None);
    list[at] = Some(value);
}

/// A step of loading an event: first the event, when all that it cites is in the graph the event into the graph.
enum Visit {
    Load(EventNumber),
    Append(EventNumber),
}

/// What is known of a parent of an event that is about to be judged.
#[derive(Clone)]
pub(crate) struct Parent {
    pub(crate) topological: i64,
    pub(crate) after: Arc<State>,
    /// The nearest accepted ancestors, if it is not accepted itself.
    pub(crate) accepted_ancestors: Vec<EventNumber>,
}

//! The state events of one room and what they cite, under small numbers.
//!
//! State resolution walks thousands of events, so it compares numbers where the wire has texts. The numbers are a graph's own:
//! another graph, or the same after a restart, numbers the same events differently, and no result depends on them.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::auth::AuthEvent;
use crate::auth::event::{Parents, Shared};
use crate::auth::grounds::Place;
use crate::id::EventId;
use crate::membership::Membership;
use crate::power::{Level, Levels, PowerContent};
use crate::room_version::{RoomIdFormat, RoomVersion};

pub use state_map::{Difference, StateMap};

mod state_map;

/// The number of an event in an [`AuthGraph`]. An event's number is above those of all the events that it cites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventIndex(NonZeroU32);

/// The number of a (type, state key) in an [`AuthGraph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKeyIndex(u32);

/// State events of one room with the events that they cite, and so on back to the create event.
#[derive(Debug)]
pub struct AuthGraph {
    version: RoomVersion,
    nodes: Vec<Node>,
    /// What the nodes cite, each in its own order, one after the other.
    edges: Vec<EventIndex>,
    /// The keys of the state events that the nodes are judged by. In version 12 without the create event, which is in no doubt.
    grounds: Vec<(Place, StateKeyIndex)>,
    by_id: HashMap<EventId, EventIndex>,
    keys: Vec<(Arc<str>, Arc<str>)>,
    by_key: HashMap<Arc<str>, HashMap<Arc<str>, StateKeyIndex>>,
}

/// Whether an event was refused when it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It passed.
    Accepted,
    /// It was rejected, and gives no permission to anything.
    Rejected,
}

/// An event cannot be added to the graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Events come after those that they cite.
    #[error("the event {event} cites {cited}, which is not in the graph yet")]
    MissingAuthEvent {
        /// The event to add.
        event: EventId,
        /// What it cites.
        cited: EventId,
    },
    /// A message is cited by nobody and is in no state.
    #[error("the event {0} is no state event")]
    NoStateEvent(EventId),
    /// Where ids are chosen, another event has this one already.
    #[error("the id {0} is that of another event")]
    OtherEvent(EventId),
    /// The graph is of another room version.
    #[error("the event {0} is of another room version")]
    OtherVersion(EventId),
}

/// An event with what its resolution needs, so that only judging it touches the event itself.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) event: AuthEvent,
    pub(crate) origin_server_ts: i64,
    /// The sender's level by the events that it cites.
    pub(crate) sender_level: Level,
    pub(crate) key: StateKeyIndex,
    /// The power levels that it cites.
    pub(crate) power_levels: Option<EventIndex>,
    /// The create event: cited, or in version 12 named by the room id.
    pub(crate) create: Option<EventIndex>,
    /// What judging it costs: one, and for power levels one for each entry that is compared.
    pub(crate) check_cost: u32,
    /// Where in [`AuthGraph::edges`] it stands.
    cited: (u32, u32),
    /// Where in [`AuthGraph::grounds`] it stands.
    judged_by: (u32, u32),
    pub(crate) standing: Standing,
    /// It "might remove someone's ability to do something in the room": state resolution takes such events first.
    pub(crate) is_power_event: bool,
}

impl AuthGraph {
    /// An empty graph for a room of `version`.
    pub fn new(version: RoomVersion) -> Self {
        Self {
            version,
            nodes: Vec::new(),
            edges: Vec::new(),
            grounds: Vec::new(),
            by_id: HashMap::new(),
            keys: Vec::new(),
            by_key: HashMap::new(),
        }
    }

    /// Adds an event. Those that it cites (and in version 12 the create event) must be in the graph already; so must not the
    /// event, else its number is returned and its standing kept.
    pub fn append(&mut self, mut event: AuthEvent, standing: Standing) -> Result<EventIndex, AppendError> {
        if let Some(index) = self.index_of(event.event_id()) {
            let is_same = self.event(index).reference() == event.reference();
            return if is_same { Ok(index) } else { Err(AppendError::OtherEvent(event.event_id().clone())) };
        }
        if event.version() != self.version {
            return Err(AppendError::OtherVersion(event.event_id().clone()));
        }
        let Some(state_key) = event.state_key() else {
            return Err(AppendError::NoStateEvent(event.event_id().clone()));
        };
        let missing =
            |cited: &EventId| AppendError::MissingAuthEvent { event: event.event_id().clone(), cited: cited.clone() };
        let index_of = |cited: &EventId| self.index_of(cited).ok_or_else(|| missing(cited));
        let cited = event.auth_events().iter().map(index_of).collect::<Result<Box<[EventIndex]>, _>>()?;
        let is_create = event.event_type() == "m.room.create";
        let create = match self.version.rules().room_id {
            RoomIdFormat::CreateEvent if !is_create => Some(index_of(&event.room_id().create_event())?),
            RoomIdFormat::CreateEvent | RoomIdFormat::Chosen => self.find(&cited, "m.room.create"),
        };
        let power_levels = self.find(&cited, "m.room.power_levels");
        let key = self.intern(event.event_type(), state_key);
        let names_create = self.version.rules().room_id == RoomIdFormat::CreateEvent;
        let places = event.places().into_iter().filter(|(place, _, _)| !(names_create && *place == Place::Create));
        let judged_by: Vec<_> = places.map(|(place, kind, key)| (place, self.intern(kind, key))).collect();
        let sender_level = self.sender_level(&event, create, power_levels);
        let index = EventIndex::from_place(self.nodes.len());
        self.share_texts(&mut event, key, &cited, &judged_by);
        self.by_id.insert(event.event_id().clone(), index);
        let check_cost = 1 + event.power_content().map_or(0, PowerContent::len);
        self.nodes.push(Node {
            origin_server_ts: event.origin_server_ts(),
            sender_level,
            key,
            power_levels,
            create,
            check_cost: u32::try_from(check_cost).unwrap_or(u32::MAX),
            cited: extend(&mut self.edges, &cited),
            judged_by: extend(&mut self.grounds, &judged_by),
            standing,
            is_power_event: is_power_event(&event),
            event,
        });
        Ok(index)
    }

    /// Takes out the events that were added last, until there are `len`. Numbers of theirs are given again.
    pub fn truncate(&mut self, len: usize) {
        while self.nodes.len() > len
            && let Some(node) = self.nodes.pop()
        {
            self.edges.truncate(node.cited.0 as usize);
            self.grounds.truncate(node.judged_by.0 as usize);
            self.by_id.remove(node.event.event_id());
        }
    }

    /// The version of the graph's room.
    pub fn version(&self) -> RoomVersion {
        self.version
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Says whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The number of the event of this id, if it is in the graph.
    pub fn index_of(&self, id: &EventId) -> Option<EventIndex> {
        self.by_id.get(id).copied()
    }

    /// The event of a number that this graph gave.
    pub fn event(&self, index: EventIndex) -> &AuthEvent {
        &self.node(index).event
    }

    /// All events, each after those that it cites.
    pub fn events(&self) -> impl Iterator<Item = &AuthEvent> {
        self.nodes.iter().map(|node| &node.event)
    }

    /// Changes how an event stands: it was judged again.
    pub fn set_standing(&mut self, index: EventIndex, standing: Standing) {
        self.nodes[index.at()].standing = standing;
    }

    /// Whether the event was rejected.
    pub fn standing(&self, index: EventIndex) -> Standing {
        self.node(index).standing
    }

    /// The (type, state key) that the event sets.
    pub fn state_key_of(&self, index: EventIndex) -> StateKeyIndex {
        self.node(index).key
    }

    /// The number of a type and state key, if any event of the graph has or cites it.
    pub fn state_key_index(&self, event_type: &str, state_key: &str) -> Option<StateKeyIndex> {
        self.by_key.get(event_type)?.get(state_key).copied()
    }

    /// The type and state key of a number that this graph gave.
    pub fn state_key(&self, index: StateKeyIndex) -> (&str, &str) {
        let (event_type, state_key) = &self.keys[index.at()];
        (event_type, state_key)
    }

    pub(crate) fn node(&self, index: EventIndex) -> &Node {
        &self.nodes[index.at()]
    }

    /// What an event cites, in its own order.
    pub(crate) fn cited(&self, index: EventIndex) -> &[EventIndex] {
        let (from, to) = self.node(index).cited;
        &self.edges[from as usize..to as usize]
    }

    /// The keys of the state events that an event is judged by.
    pub(crate) fn judged_by(&self, node: &Node) -> &[(Place, StateKeyIndex)] {
        let (from, to) = node.judged_by;
        &self.grounds[from as usize..to as usize]
    }

    /// Reads a little of each event. Thousands of events lie all over the memory: those that will be judged next are waited for
    /// together, not one after the other.
    pub(crate) fn bring_near(&self, events: &[EventIndex]) {
        let read = events.iter().map(|event| self.event(*event).touch());
        std::hint::black_box(read.fold(0, u64::wrapping_add));
    }

    /// How many (type, state key) there are.
    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    fn share_texts(
        &self,
        event: &mut AuthEvent,
        key: StateKeyIndex,
        cited: &[EventIndex],
        judged_by: &[(Place, StateKeyIndex)],
    ) {
        let cited: Vec<EventId> = cited.iter().map(|index| self.event(*index).event_id().clone()).collect();
        let sender = judged_by.iter().find(|(place, _)| *place == Place::Sender);
        let room_id = self.nodes.first().map(|first| first.event.room_id().clone());
        let room_id = room_id.filter(|room| room == event.room_id()).unwrap_or_else(|| event.room_id().clone());
        let parent = if let Parents::One(parent) = event.parents() { self.index_of(parent) } else { None };
        let (event_type, state_key) = &self.keys[key.at()];
        let shared = Shared {
            sender: sender.map(|(_, key)| &self.keys[key.at()].1),
            auth_events: &cited,
            parent: parent.map(|parent| self.event(parent).event_id()),
        };
        event.share(&room_id, (event_type, state_key), &shared);
    }

    /// Returns the sender's level "when looking at their respective `auth_event`s".
    fn sender_level(&self, event: &AuthEvent, create: Option<EventIndex>, power_levels: Option<EventIndex>) -> Level {
        let Some(create) = create else { return Level::Points(0) };
        let power_levels = power_levels.map(|index| self.event(index));
        Levels::new(self.event(create), power_levels).user_level(event.sender())
    }

    /// Returns the first of `cited` that is of this type and has an empty state key.
    fn find(&self, cited: &[EventIndex], event_type: &str) -> Option<EventIndex> {
        cited.iter().copied().find(|index| self.event(*index).is_state(event_type, ""))
    }

    fn intern(&mut self, event_type: &str, state_key: &str) -> StateKeyIndex {
        if let Some(index) = self.state_key_index(event_type, state_key) {
            return index;
        }
        let index = StateKeyIndex::from_place(self.keys.len());
        let known_type = self.by_key.get_key_value(event_type).map(|(known, _)| Arc::clone(known));
        let event_type = known_type.unwrap_or_else(|| event_type.into());
        let state_key: Arc<str> = state_key.into();
        self.by_key.entry(Arc::clone(&event_type)).or_default().insert(Arc::clone(&state_key), index);
        self.keys.push((event_type, state_key));
        index
    }
}

impl EventIndex {
    /// Its place in a list with an entry for each event of the graph.
    #[must_use]
    pub fn at(self) -> usize {
        self.0.get() as usize - 1
    }

    pub(crate) fn from_place(at: usize) -> Self {
        let number = u32::try_from(at + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("no room has 2^32 - 1 state events"))
    }
}

impl StateKeyIndex {
    /// Its place in a list with an entry for each key of the graph.
    #[must_use]
    pub fn at(self) -> usize {
        self.0 as usize
    }

    fn from_place(at: usize) -> Self {
        Self(u32::try_from(at).expect("no room has 2^32 state keys"))
    }
}

/// Appends `items`, and returns where they stand.
fn extend<T: Copy>(all: &mut Vec<T>, items: &[T]) -> (u32, u32) {
    let place = |at: usize| u32::try_from(at).expect("no room has 2^32 references");
    let from = place(all.len());
    all.extend_from_slice(items);
    (from, place(all.len()))
}

/// Says whether the event "might remove someone's ability to do something in the room".
///
/// Power levels and join rules count with an empty state key only, and a create event counts too, as Synapse has it.
fn is_power_event(event: &AuthEvent) -> bool {
    match event.event_type() {
        "m.room.power_levels" | "m.room.join_rules" | "m.room.create" => event.state_key() == Some(""),
        "m.room.member" => {
            let removes = matches!(event.membership(), Some(Membership::Leave | Membership::Ban));
            removes && event.state_key() != Some(event.sender().as_str())
        }
        _ => false,
    }
}

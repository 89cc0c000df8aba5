//! ruma's authorisation rules and state resolution, as a second opinion. What it asks its caller to compute (auth chains, the
//! conflicted state subgraph) is computed here by the letter of the specification, slowly.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use events::{EventId, Pdu, RoomVersion};
use ruma_common::room_version_rules::{AuthorizationRules, RoomVersionRules, StateResolutionVersion};
use ruma_common::{MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UserId};
use ruma_events::{StateEventType, TimelineEventType};
use ruma_state_res::utils::event_id_set::EventIdSet;
use ruma_state_res::{Event, StateMap};
use serde_json::value::RawValue;

/// A state by type and key.
pub type NaiveState = BTreeMap<(String, String), EventId>;

/// What ruma knows of a room.
pub struct Oracle {
    rules: RoomVersionRules,
    events: HashMap<OwnedEventId, RumaEvent>,
}

/// What ruma's resolution takes.
pub struct Prepared {
    states: Vec<StateMap<OwnedEventId>>,
    chains: Vec<EventIdSet<OwnedEventId>>,
    subgraph: EventIdSet<OwnedEventId>,
}

#[derive(Debug, Clone)]
struct RumaEvent {
    id: OwnedEventId,
    room_id: Option<OwnedRoomId>,
    sender: OwnedUserId,
    origin_server_ts: MilliSecondsSinceUnixEpoch,
    event_type: TimelineEventType,
    state_key: Option<String>,
    content: Box<RawValue>,
    prev_events: Vec<OwnedEventId>,
    auth_events: Vec<OwnedEventId>,
    rejected: bool,
}

/// ruma cannot resolve.
#[derive(Debug, thiserror::Error)]
pub enum NoOpinion {
    /// It does not know how rooms of version 1 resolve.
    #[error("ruma does not know the state resolution of version 1")]
    Version1,
    /// It gave up.
    #[error("ruma does not resolve: {0}")]
    Failed(String),
}

impl Oracle {
    /// An oracle for a room of this version, which knows no event.
    pub fn new(version: RoomVersion) -> Self {
        let rules = match version {
            RoomVersion::V1 => RoomVersionRules::V1,
            RoomVersion::V2 => RoomVersionRules::V2,
            RoomVersion::V3 => RoomVersionRules::V3,
            RoomVersion::V4 => RoomVersionRules::V4,
            RoomVersion::V5 => RoomVersionRules::V5,
            RoomVersion::V6 => RoomVersionRules::V6,
            RoomVersion::V7 => RoomVersionRules::V7,
            RoomVersion::V8 => RoomVersionRules::V8,
            RoomVersion::V9 => RoomVersionRules::V9,
            RoomVersion::V10 => RoomVersionRules::V10,
            RoomVersion::V11 => RoomVersionRules::V11,
            RoomVersion::V12 => RoomVersionRules::V12,
        };
        Self { rules, events: HashMap::new() }
    }

    /// Tells it of an event that was accepted when it came, or rejected. It must know all that the states to come cite.
    pub fn add(&mut self, pdu: &Pdu, rejected: bool) {
        let event = RumaEvent { rejected, ..RumaEvent::new(pdu) };
        self.events.insert(event.id.clone(), event);
    }

    /// What ruma says of an event by its auth events, then by a state.
    pub fn judge(&self, pdu: &Pdu, state: &NaiveState) -> (Result<(), String>, Result<(), String>) {
        let event = RumaEvent::new(pdu);
        let rules = &self.rules.authorization;
        let independent = ruma_state_res::check_state_independent_auth_rules(rules, &event, |id| self.events.get(id));
        let cited = event.auth_events.iter().map(|id| &self.events[id]);
        let cited: HashMap<(String, String), &RumaEvent> = cited
            .map(|cited| ((cited.event_type.to_string(), cited.state_key.clone().unwrap_or_default()), cited))
            .collect();
        let create = |kind: &str| {
            let of_room = event.room_id().filter(|_| rules.room_create_event_id_as_room_id && kind == "m.room.create");
            of_room.and_then(|room| self.events.get(&ours_to_ruma(&as_event_id(room))))
        };
        let by_cited = ruma_state_res::check_state_dependent_auth_rules(rules, &event, |kind, key| {
            let kind = kind.to_string();
            create(&kind).or_else(|| cited.get(&(kind, key.to_owned())).copied())
        });
        let by_state = ruma_state_res::check_state_dependent_auth_rules(rules, &event, |kind, key| {
            let id = state.get(&(kind.to_string(), key.to_owned()))?;
            self.events.get(&ours_to_ruma(id))
        });
        (independent.and(by_cited), by_state)
    }

    /// ruma's resolution of some states.
    pub fn resolve(&self, states: &[NaiveState]) -> Result<NaiveState, NoOpinion> {
        let resolved = self.run(&self.prepare(states))?;
        let entry = |((kind, key), id): ((StateEventType, String), OwnedEventId)| {
            ((kind.to_string(), key), EventId::parse(id.as_str()).expect("ruma gives back the ids that it got"))
        };
        Ok(resolved.into_iter().map(entry).collect())
    }

    /// States in ruma's types, with all that it wants to be given.
    pub fn prepare(&self, states: &[NaiveState]) -> Prepared {
        let of_state = |state: &NaiveState| -> StateMap<OwnedEventId> {
            let entry = |((kind, key), id): (&(String, String), &EventId)| {
                ((StateEventType::from(kind.as_str()), key.clone()), ours_to_ruma(id))
            };
            state.iter().map(entry).collect()
        };
        let states: Vec<StateMap<OwnedEventId>> = states.iter().map(of_state).collect();
        // The events of a state count to its auth chain, as in Synapse: see `auth_difference` in `state_resolution`.
        let chain = |state: &StateMap<OwnedEventId>| {
            self.chain(state.values().cloned()).into_iter().chain(state.values().cloned()).collect()
        };
        let chains = states.iter().map(chain).collect();
        let subgraph = self.subgraph(&states);
        Prepared { states, chains, subgraph }
    }

    /// ruma's resolution proper.
    pub fn run(&self, prepared: &Prepared) -> Result<StateMap<OwnedEventId>, NoOpinion> {
        let StateResolutionVersion::V2(rules) = &self.rules.state_res else { return Err(NoOpinion::Version1) };
        ruma_state_res::resolve(
            self.authorization(),
            rules,
            prepared.states.iter(),
            prepared.chains.clone(),
            |id| self.events.get(id),
            |_| Some(prepared.subgraph.clone()),
        )
        .map_err(|error| NoOpinion::Failed(error.to_string()))
    }

    fn authorization(&self) -> &AuthorizationRules {
        &self.rules.authorization
    }

    /// All that `from` cite, directly or not.
    fn chain(&self, from: impl Iterator<Item = OwnedEventId>) -> BTreeSet<OwnedEventId> {
        let mut chain = BTreeSet::new();
        let mut pending: Vec<OwnedEventId> = from.collect();
        while let Some(id) = pending.pop() {
            for cited in &self.events[&id].auth_events {
                if chain.insert(cited.clone()) {
                    pending.push(cited.clone());
                }
            }
        }
        chain
    }

    /// Every event on a path from a conflicted event to a conflicted event.
    fn subgraph(&self, states: &[StateMap<OwnedEventId>]) -> EventIdSet<OwnedEventId> {
        let all: BTreeSet<(&(StateEventType, String), &OwnedEventId)> = states.iter().flatten().collect();
        let is_everywhere = |key, id| states.iter().all(|state| state.get(key) == Some(id));
        let conflicted = all.into_iter().filter(|(key, id)| !is_everywhere(*key, *id));
        let conflicted: BTreeSet<OwnedEventId> = conflicted.map(|(_, id)| id.clone()).collect();
        let below = self.chain(conflicted.iter().cloned());
        let mut known: HashMap<OwnedEventId, bool> = conflicted.iter().map(|id| (id.clone(), true)).collect();
        let on_a_path = below.into_iter().filter(|id| self.leads_to_known(id, &mut known)).collect::<Vec<_>>();
        on_a_path.into_iter().chain(conflicted).collect()
    }

    fn leads_to_known(&self, id: &OwnedEventId, known: &mut HashMap<OwnedEventId, bool>) -> bool {
        if let Some(leads) = known.get(id) {
            return *leads;
        }
        let leads = self.events[id].auth_events.iter().any(|cited| self.leads_to_known(cited, known));
        known.insert(id.clone(), leads);
        leads
    }
}

impl RumaEvent {
    fn new(pdu: &Pdu) -> Self {
        let ids = |ids: &[EventId]| ids.iter().map(ours_to_ruma).collect();
        Self {
            id: ours_to_ruma(pdu.event_id()),
            room_id: pdu.object().get("room_id").map(|_| RoomId::parse(pdu.room_id().as_str()).expect("a room id")),
            sender: UserId::parse(pdu.sender().as_str()).expect("a user id"),
            origin_server_ts: MilliSecondsSinceUnixEpoch(
                u64::try_from(pdu.origin_server_ts()).ok().and_then(|ts| ts.try_into().ok()).expect("a time"),
            ),
            event_type: TimelineEventType::from(pdu.event_type()),
            state_key: pdu.state_key().map(str::to_owned),
            content: serde_json::value::to_raw_value(pdu.content()).expect("an object"),
            prev_events: ids(pdu.prev_events()),
            auth_events: ids(pdu.auth_events()),
            rejected: false,
        }
    }
}

fn ours_to_ruma(id: &EventId) -> OwnedEventId {
    ruma_common::EventId::parse(id.as_str()).expect("an event id")
}

fn as_event_id(room: &RoomId) -> EventId {
    events::RoomId::parse(room.as_str()).expect("a room id").create_event()
}

impl Event for RumaEvent {
    type Id = OwnedEventId;

    fn event_id(&self) -> &OwnedEventId {
        &self.id
    }

    fn room_id(&self) -> Option<&RoomId> {
        self.room_id.as_deref()
    }

    fn sender(&self) -> &UserId {
        &self.sender
    }

    fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        self.origin_server_ts
    }

    fn event_type(&self) -> &TimelineEventType {
        &self.event_type
    }

    fn content(&self) -> &RawValue {
        &self.content
    }

    fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    fn prev_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.prev_events.iter())
    }

    fn auth_events(&self) -> Box<dyn DoubleEndedIterator<Item = &OwnedEventId> + '_> {
        Box::new(self.auth_events.iter())
    }

    fn redacts(&self) -> Option<&OwnedEventId> {
        None
    }

    fn rejected(&self) -> bool {
        self.rejected
    }
}

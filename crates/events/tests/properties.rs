//! What holds for whatever comes: resolution does not depend on any order, redaction and canonical JSON are idempotent.

mod support;

use std::collections::BTreeMap;

use events::auth_graph::{AuthGraph, Standing, StateMap};
use events::json::{canonical, canonical_value};
use events::redaction::redact;
use events::state_resolution::resolve;
use events::{AuthEvent, Object, RoomVersion, Value};
use proptest::prelude::*;
use second_opinion::NaiveState;
use support::Random;
use support::generated::GeneratedRoom;

proptest! {
    #[test]
    fn resolution_does_not_depend_on_the_order_of_states_and_events(
        version in prop::sample::select(RoomVersion::ALL.to_vec()),
        seed in any::<u64>(),
        order in any::<u64>(),
    ) {
        let mut room = GeneratedRoom::new(version, seed, |_| {});
        for _ in 0..40 {
            room.step();
        }
        let states: Vec<StateMap> = room.heads.iter().map(|head| head.state.clone()).collect();
        let straight = resolve(&room.graph, &states.iter().collect::<Vec<_>>()).expect("within the budget");

        let mut random = Random(order);
        let other_graph = in_another_order(&room.graph, &mut random);
        let mut shuffled: Vec<StateMap> =
            states.iter().map(|state| translated(&room.graph, state, &other_graph)).collect();
        shuffle(&mut shuffled, &mut random);
        let other = resolve(&other_graph, &shuffled.iter().collect::<Vec<_>>()).expect("within the budget");

        prop_assert_eq!(naive(&other_graph, &other.state), naive(&room.graph, &straight.state));
        let outcomes = |decisions: Vec<events::state_resolution::Decision>| -> Vec<_> {
            let winners = decisions.into_iter();
            winners.map(|decision| (decision.event_type, decision.state_key, decision.winner)).collect()
        };
        prop_assert_eq!(outcomes(other.decisions(&other_graph)), outcomes(straight.decisions(&room.graph)));
    }

    /// The same state in all forks, or one that all but one have, resolves as it should.
    #[test]
    fn a_state_resolved_with_itself_stays(seed in any::<u64>()) {
        let mut room = GeneratedRoom::new(RoomVersion::V12, seed, |_| {});
        for _ in 0..20 {
            room.step();
        }
        for head in &room.heads {
            let resolution = resolve(&room.graph, &[&head.state, &head.state]).expect("within the budget");
            prop_assert_eq!(&resolution.state, &head.state);
            prop_assert!(resolution.decisions(&room.graph).is_empty());
        }
    }

    #[test]
    fn redaction_is_idempotent(
        version in prop::sample::select(RoomVersion::ALL.to_vec()),
        event in event(),
    ) {
        let once = redact(&event, version);
        prop_assert_eq!(redact(&once, version), once);
    }

    #[test]
    fn canonical_json_is_idempotent(event in event()) {
        let once = canonical(&event);
        let again: Value = serde_json::from_str(&once).expect("canonical JSON is JSON");
        prop_assert_eq!(canonical_value(&again), once);
        prop_assert_eq!(again, Value::Object(event));
    }
}

/// The same events, appended in another order in which those cited come first.
fn in_another_order(graph: &AuthGraph, random: &mut Random) -> AuthGraph {
    let mut other = AuthGraph::new(graph.version());
    let mut left: Vec<AuthEvent> = graph.events().cloned().collect();
    shuffle(&mut left, random);
    while !left.is_empty() {
        left.retain(|event| other.append(event.clone(), Standing::Accepted).is_err());
    }
    other
}

fn translated(graph: &AuthGraph, state: &StateMap, other: &AuthGraph) -> StateMap {
    let events = state.iter().map(|(_, event)| graph.event(event).event_id());
    let indices = events.map(|id| other.index_of(id).expect("the other graph has the same events"));
    indices.map(|index| (other.state_key_of(index), index)).collect()
}

fn naive(graph: &AuthGraph, state: &StateMap) -> NaiveState {
    let entry = |(key, event)| {
        let (event_type, state_key) = graph.state_key(key);
        ((event_type.to_owned(), state_key.to_owned()), graph.event(event).event_id().clone())
    };
    state.iter().map(entry).collect()
}

fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.below(at + 1));
    }
}

/// An object with the keys of events, and any values.
fn event() -> impl Strategy<Value = Object> {
    let keys = prop::sample::select(vec![
        "type",
        "content",
        "room_id",
        "sender",
        "state_key",
        "hashes",
        "signatures",
        "depth",
        "unsigned",
        "origin",
        "membership",
        "prev_state",
        "redacts",
        "other",
    ]);
    let types = prop::sample::select(vec![
        "m.room.member",
        "m.room.create",
        "m.room.join_rules",
        "m.room.power_levels",
        "m.room.history_visibility",
        "m.room.aliases",
        "m.room.redaction",
        "m.room.message",
    ]);
    (prop::collection::btree_map(keys, value(), 0..8), types, content()).prop_map(|(fields, event_type, content)| {
        let mut event: Object = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        event.insert("type".to_owned(), Value::from(event_type));
        event.insert("content".to_owned(), content);
        event
    })
}

fn content() -> impl Strategy<Value = Value> {
    let keys = prop::sample::select(vec![
        "membership",
        "third_party_invite",
        "signed",
        "join_authorised_via_users_server",
        "creator",
        "join_rule",
        "allow",
        "users",
        "invite",
        "aliases",
        "redacts",
        "history_visibility",
        "other",
    ]);
    let inner = prop::collection::btree_map(keys.clone(), value(), 0..4).prop_map(to_object);
    prop::collection::btree_map(keys, prop_oneof![value(), inner], 0..6).prop_map(to_object)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn to_object(entries: BTreeMap<&'static str, Value>) -> Value {
    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

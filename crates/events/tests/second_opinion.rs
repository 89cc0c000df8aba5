//! Rooms that grew at random, judged and resolved by us and by ruma: the verdicts and the states must be the same.
//!
//! `EVENTS_ROOMS=5000 cargo test -p events --release --test second_opinion` makes more rooms; `EVENTS_SEED=7` makes that one.

mod support;

use events::auth_graph::StateMap;
use events::state_resolution::{Base, resolve, resolve_forks};
use events::{Pdu, RoomVersion};
use second_opinion::{NaiveState, Oracle};
use support::generated::{GeneratedRoom, Head};

const STEPS: usize = 60;
const CHEAP: &str = "a small room is within the budget";

/// What happened in the rooms, so that a test can tell that it has seen what it is about.
#[derive(Debug, Default)]
struct Seen {
    accepted: usize,
    refused: usize,
    conflicts: usize,
    refused_in_resolution: usize,
}

/// Version 1 resolves in another way, which ruma does not know: see `vectors/make_resolutions.py`.
#[test]
fn version_2() {
    compare_rooms(RoomVersion::V2);
}

#[test]
fn version_3() {
    compare_rooms(RoomVersion::V3);
}

#[test]
fn version_4() {
    compare_rooms(RoomVersion::V4);
}

#[test]
fn version_5() {
    compare_rooms(RoomVersion::V5);
}

#[test]
fn version_6() {
    compare_rooms(RoomVersion::V6);
}

#[test]
fn version_7() {
    compare_rooms(RoomVersion::V7);
}

#[test]
fn version_8() {
    compare_rooms(RoomVersion::V8);
}

#[test]
fn version_9() {
    compare_rooms(RoomVersion::V9);
}

#[test]
fn version_10() {
    compare_rooms(RoomVersion::V10);
}

#[test]
fn version_11() {
    compare_rooms(RoomVersion::V11);
}

#[test]
fn version_12() {
    compare_rooms(RoomVersion::V12);
}

fn compare_rooms(version: RoomVersion) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let rooms = number("EVENTS_ROOMS").unwrap_or(100);
    let mut seen = Seen::default();
    match number("EVENTS_SEED") {
        Some(seed) => compare_room(version, seed, &mut seen),
        None => (0..rooms).for_each(|seed| compare_room(version, seed, &mut seen)),
    }
    println!("version {version}: {seen:?}");
    if number("EVENTS_SEED").is_none() {
        let enough = rooms.try_into().unwrap_or(0);
        assert!(seen.accepted > 5 * enough && seen.refused > 5 * enough, "{seen:?}");
        assert!(seen.conflicts > 2 * enough && seen.refused_in_resolution > enough / 2, "{seen:?}");
    }
}

fn compare_room(version: RoomVersion, seed: u64, seen: &mut Seen) {
    let mut oracle = Oracle::new(version);
    let mut room = GeneratedRoom::new(version, seed, |pdu| oracle.add(pdu, false));
    for step in 0..STEPS {
        let attempt = room.step();
        let place = format!("version {version}, seed {seed}, step {step}");
        let (by_auth_events, by_state) = oracle.judge(&attempt.pdu, &room.naive(&attempt.state));
        assert_same(&attempt.by_auth_events, &by_auth_events, &attempt.pdu, &place);
        assert_same(&attempt.by_state, &by_state, &attempt.pdu, &place);
        if by_auth_events.is_ok() {
            oracle.add(&attempt.pdu, false);
            seen.accepted += 1;
        } else {
            seen.refused += 1;
        }
        let heads = room.some_heads();
        if step % 4 == 3 && heads.len() > 1 {
            let resolved = compare_resolutions(&room, &oracle, &heads, seen, &place);
            // Where the join rules got lost we say, as Synapse, that the room is for the invited; ruma lets nobody in.
            let has_join_rules = room.naive(&resolved).contains_key(&("m.room.join_rules".to_owned(), String::new()));
            if has_join_rules {
                room.join_branches(&heads, resolved);
            }
        }
    }
}

fn assert_same<E: std::fmt::Debug>(ours: &Result<(), E>, rumas: &Result<(), String>, pdu: &Pdu, place: &str) {
    assert_eq!(ours.is_ok(), rumas.is_ok(), "{place}: we say {ours:?}, ruma says {rumas:?} of {}", pdu.to_json());
}

fn compare_resolutions(
    room: &GeneratedRoom,
    oracle: &Oracle,
    heads: &[Head],
    seen: &mut Seen,
    place: &str,
) -> StateMap {
    let states: Vec<&StateMap> = heads.iter().map(|head| &head.state).collect();
    let ours = resolve(&room.graph, &states).expect(CHEAP);
    let naive: Vec<NaiveState> = states.iter().map(|state| room.naive(state)).collect();
    let rumas = oracle.resolve(&naive).expect("ruma resolves");
    if room.naive(&ours.state) != rumas {
        panic!("{place}: {}", explain(&room.naive(&ours.state), &rumas, &ours.decisions(&room.graph)));
    }
    let decisions = ours.decisions(&room.graph);
    seen.conflicts += decisions.len();
    let refused = |outcome: &events::state_resolution::Outcome| {
        matches!(outcome, events::state_resolution::Outcome::Refused { .. })
    };
    let candidates = decisions.iter().flat_map(|decision| &decision.candidates);
    seen.refused_in_resolution += candidates.filter(|candidate| refused(&candidate.outcome)).count();

    // Neither the order of the states nor the base makes a difference.
    let reversed: Vec<&StateMap> = states.iter().rev().copied().collect();
    assert_eq!(resolve(&room.graph, &reversed).expect(CHEAP).state, ours.state, "{place}, in reverse");
    let mut moved = Base::new(&room.graph, StateMap::default());
    for head in &room.heads {
        let base = Base::new(&room.graph, head.state.clone());
        moved.move_to(&room.graph, &head.state);
        assert_eq!(moved, base, "{place}, a base that was moved");
        let forks: Vec<_> = states.iter().map(|state| head.state.diff(state)).collect();
        let from_base = resolve_forks(&room.graph, &base, &forks).expect(CHEAP);
        assert_eq!(head.state.with(&from_base.changes), ours.state, "{place}, from another base");
        assert_eq!(from_base.decisions(&room.graph, &base), decisions, "{place}, from another base");
    }
    ours.state
}

fn explain(ours: &NaiveState, rumas: &NaiveState, decisions: &[events::state_resolution::Decision]) -> String {
    let keys: std::collections::BTreeSet<_> = ours.keys().chain(rumas.keys()).collect();
    let differ = keys.into_iter().filter(|key| ours.get(*key) != rumas.get(*key));
    let lines: Vec<String> =
        differ.map(|key| format!("{key:?}: we have {:?}, ruma has {:?}", ours.get(key), rumas.get(key))).collect();
    format!("{}\nour decisions: {decisions:#?}", lines.join("\n"))
}

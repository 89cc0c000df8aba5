//! Ids, hashes, signatures and verdicts, compared with the specification's test vectors and with what Synapse's libraries say
//! (`vectors/make.py` asks them).

mod support;

use std::collections::BTreeMap;

use events::auth::{self, AuthEvent, Cited};
use events::auth_graph::{AuthGraph, EventIndex, Standing, StateMap};
use events::hash::{content_hash, encode_base64};
use events::redaction::redact;
use events::signature::sign_json;
use events::state_resolution::{Base, Outcome, resolve, resolve_on};
use events::{EventId, KeyId, Object, ParsedPdu, Pdu, RoomId, RoomVersion, ServerName, SigningKey, UserId, Value};
use serde::Deserialize;
use serde_json::json;
use support::{Draft, State, select_auth_events};

#[derive(Deserialize)]
struct EventVector {
    name: String,
    event: String,
    /// By room version; `None` where Synapse refuses the event.
    versions: BTreeMap<String, Option<Expected>>,
}

#[derive(Deserialize, PartialEq, Eq, Debug)]
struct Expected {
    event_id: String,
    content_hash: String,
    signature: String,
}

#[derive(Deserialize)]
struct AuthVector {
    steps: Vec<(UserId, String, Option<String>, Value, bool)>,
    verdicts: BTreeMap<String, String>,
}

/// Appendices, "Cryptographic Test Vectors".
#[test]
fn json_is_signed_as_the_specification_shows() {
    for (given, signature) in [
        (json!({}), "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"),
        (
            json!({"one": 1, "two": "Two"}),
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ] {
        let mut object = object(&given);
        sign_json(&mut object, &server(), &key());
        assert_eq!(object["signatures"], json!({"domain": {"ed25519:1": signature}}));
    }
}

/// Appendices, "Cryptographic Test Vectors".
#[test]
fn events_are_hashed_and_signed_as_the_specification_shows() {
    let minimal = json!({
        "room_id": "!x:domain", "sender": "@a:domain", "origin": "domain", "origin_server_ts": 1_000_000, "signatures": {},
        "hashes": {}, "type": "X", "content": {}, "prev_events": [], "auth_events": [], "depth": 3,
        "unsigned": {"age_ts": 1_000_000}
    });
    let message = json!({
        "content": {"body": "Here is the message content"}, "event_id": "$0:domain", "origin": "domain",
        "origin_server_ts": 1_000_000, "type": "m.room.message", "room_id": "!r:domain", "sender": "@u:domain",
        "signatures": {}, "unsigned": {"age_ts": 1_000_000}
    });
    for (event, hash, signature) in [
        (
            minimal,
            "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
            "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
        ),
        (
            message,
            "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
            "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
        ),
    ] {
        let mut event = object(&event);
        assert_eq!(encode_base64(content_hash(&event)), hash);
        event.insert("hashes".to_owned(), json!({"sha256": hash}));
        assert_eq!(key().signature_of(&redact(&event, RoomVersion::V1)), signature);
    }
}

#[test]
fn events_are_what_synapse_says_they_are() {
    let vectors: Vec<EventVector> = serde_json::from_str(include_str!("vectors/events.json")).expect("the vectors");
    let mut differences = Vec::new();
    for EventVector { name, event, versions } in &vectors {
        for (version, expected) in versions {
            let version = RoomVersion::parse(version).expect("a room version");
            let ours = ours(event, version);
            if ours.as_ref().ok() != expected.as_ref() && !is_known_difference(name, version) {
                differences.push(format!("{name}, version {version}: we say {ours:?}, Synapse {expected:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Where we follow the specification, and Synapse does something else.
fn is_known_difference(name: &str, version: RoomVersion) -> bool {
    match name {
        // The hash is over all but `unsigned`, `signatures` and `hashes`. Synapse leaves out what it once stored beside them.
        "age_ts" | "outlier" => true,
        // Appendices, "User identifiers" and "Room IDs": Synapse looks for less, in this place.
        "sender without server" | "sender without sigil" | "sender with an odd server" | "room without sigil" => true,
        // Refused for its format, where Synapse finds no signature to check.
        "no signatures" => true,
        // Versions 1 to 5 have events that deep, from when it was how rooms were made unusable.
        "depth 2^53" | "depth 2^63-1" => version <= RoomVersion::V5,
        // Refused by an authorisation rule: `a_version_12_create_event_has_no_room_id`.
        "create" | "keys" | "integers" | "nested" => version == RoomVersion::V12,
        _ => false,
    }
}

fn ours(event: &str, version: RoomVersion) -> Result<Expected, String> {
    let mut event: Object = serde_json::from_str(event).map_err(|error| error.to_string())?;
    if !matches!(version, RoomVersion::V1 | RoomVersion::V2) {
        event.remove("event_id");
    }
    let parsed = ParsedPdu::parse(event.clone(), version).map_err(|error| error.to_string())?;
    Ok(Expected {
        event_id: parsed.event_id().to_string(),
        content_hash: encode_base64(content_hash(&event)),
        signature: key().signature_of(&redact(&event, version)),
    })
}

#[test]
fn verdicts_are_those_of_synapse() {
    let vectors: Vec<AuthVector> = serde_json::from_str(include_str!("vectors/auth.json")).expect("the vectors");
    let mut differences = Vec::new();
    let mut judged = 0;
    for vector in &vectors {
        for (version, verdicts) in &vector.verdicts {
            let version = RoomVersion::parse(version).expect("a room version");
            let mut room = Room { version, state: State::new(), known: BTreeMap::new(), last: None, clock: 1_000_000 };
            for (step, verdict) in vector.steps.iter().zip(verdicts.chars()) {
                judged += 1;
                let ours = room.run(step, verdict == '1');
                if ours.is_ok() != (verdict == '1') && !is_unjudged(version, &step.3, verdict) {
                    differences.push(format!("version {version}: we say {ours:?}, Synapse {verdict}, of {step:?}"));
                }
            }
        }
    }
    assert!(judged > 20_000, "{judged}");
    differences.sort();
    differences.dedup();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// What `vectors/make_resolutions.py` made: a room's events, and the states that Synapse makes of others.
#[derive(Deserialize)]
struct ResolutionVector {
    events: Vec<Object>,
    cases: Vec<Case>,
}

/// States by the places of their events in the list.
#[derive(Deserialize)]
struct Case {
    states: Vec<Vec<usize>>,
    resolved: Vec<usize>,
}

#[test]
fn forks_of_version_1_resolve_as_in_synapse() {
    let vectors: Vec<ResolutionVector> =
        serde_json::from_str(include_str!("vectors/resolutions.json")).expect("the vectors");
    let (mut compared, mut refused) = (0, 0);
    for (room, vector) in vectors.iter().enumerate() {
        let mut graph = AuthGraph::new(RoomVersion::V1);
        let add = |event: &Object| {
            graph.append(AuthEvent::new(&of_version_1(event, &vector.events[0])), Standing::Accepted).expect("it fits")
        };
        let indices: Vec<EventIndex> = vector.events.iter().map(add).collect();
        let state_of = |places: &[usize]| -> StateMap {
            places.iter().map(|at| (graph.state_key_of(indices[*at]), indices[*at])).collect()
        };
        for (at, case) in vector.cases.iter().enumerate() {
            let states: Vec<StateMap> = case.states.iter().map(|state| state_of(state)).collect();
            let expected = state_of(&case.resolved);
            let all: Vec<&StateMap> = states.iter().collect();
            let ours = resolve(&graph, &all).expect("within the budget");
            let differs: Vec<_> = expected.diff(&ours.state).iter().map(|(key, _)| graph.state_key(key)).collect();
            assert!(differs.is_empty(), "room {room}, case {at}: {differs:?} in {:#?}", ours.decisions(&graph));
            let reversed: Vec<&StateMap> = states.iter().rev().collect();
            assert_eq!(resolve(&graph, &reversed).expect("within the budget").state, expected, "in another order");
            for state in &states {
                let base = Base::new(&graph, state.clone());
                assert_eq!(resolve_on(&graph, &base, &all).expect("within the budget").state, expected, "on a base");
            }
            compared += 1;
            let candidates = ours.decisions(&graph).into_iter().flat_map(|decision| decision.candidates);
            refused += candidates.filter(|one| matches!(one.outcome, Outcome::Refused { .. })).count();
        }
    }
    assert!(compared > 200 && refused > 50, "{compared} compared, {refused} refused");
}

/// Completes an event of the vectors, all of which follow the create event.
fn of_version_1(event: &Object, create: &Object) -> Pdu {
    let mut whole = json!({
        "room_id": "!room:a.test", "origin_server_ts": 1, "hashes": {}, "signatures": {}, "auth_events": [], "prev_events": [],
    });
    if event != create {
        whole["prev_events"] = json!([[create["event_id"], {}]]);
    }
    let mut whole = object(&whole);
    whole.extend(event.clone());
    let id = events::hash::event_id(&whole, RoomVersion::V1).expect("an event id");
    Pdu::from_store(whole, RoomVersion::V1, id, false).expect("an event")
}

/// Until version 9 the specification does not say what `events` and `notifications` are to be. Synapse takes an empty array, and
/// from then on fails to judge anything in the room; we take what is no object as if it were not there.
fn is_unjudged(version: RoomVersion, content: &Value, verdict: char) -> bool {
    let is_no_object = |property: &str| content.get(property).is_some_and(|value| !value.is_object());
    version < RoomVersion::V10 && verdict == 'x' && (is_no_object("events") || is_no_object("notifications"))
}

struct Room {
    version: RoomVersion,
    state: State,
    known: BTreeMap<EventId, AuthEvent>,
    last: Option<EventId>,
    clock: i64,
}

impl Room {
    /// Judges an event; if it `passes`, by Synapse's verdict, and is meant to advance the room, it does.
    fn run(
        &mut self,
        step: &(UserId, String, Option<String>, Value, bool),
        passes: bool,
    ) -> Result<(), auth::Rejection> {
        let (sender, event_type, state_key, content, advances) = step;
        self.clock += 1;
        let create = self.state.get(&("m.room.create".to_owned(), String::new())).cloned();
        let mut draft = Draft {
            sender,
            event_type,
            state_key: state_key.as_deref(),
            content: content.clone(),
            prev_events: self.last.clone().into_iter().collect(),
            auth_events: Vec::new(),
            origin_server_ts: self.clock,
            redacts: content.get("redacts").and_then(Value::as_str).filter(|_| event_type == "m.room.redaction"),
        };
        draft.auth_events = select_auth_events(self.version, &self.state, &draft);
        let create_id = create.as_ref().map(AuthEvent::event_id).filter(|_| self.version == RoomVersion::V12);
        let room = create_id.map_or_else(|| RoomId::parse("!x:domain").expect("a room id"), RoomId::of_create_event);
        let pdu: Pdu = draft.make(self.version, &room);
        let event = AuthEvent::new(&pdu);
        let cite = |id: &EventId| Cited { event: self.known[id].clone(), rejected: false };
        let cited: Vec<Cited> = event.auth_events().iter().map(cite).collect();
        let verdict = auth::check_auth_events(&event, &cited, create.as_ref());
        if passes && *advances {
            self.last = Some(event.event_id().clone());
            self.known.insert(event.event_id().clone(), event.clone());
            if let Some(key) = state_key {
                self.state.insert((event_type.clone(), key.clone()), event);
            }
        }
        verdict
    }
}

fn object(value: &Value) -> Object {
    value.as_object().cloned().unwrap_or_default()
}

fn server() -> ServerName {
    ServerName::parse("domain").expect("a server name")
}

fn key() -> SigningKey {
    let seed = events::hash::decode_base64("YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1").expect("base64");
    SigningKey::from_seed(KeyId::parse("ed25519:1").expect("a key id"), &seed.try_into().expect("32 bytes"))
}

//! What is parsed without a server: events, canonical JSON, headers, names.

use events::auth::{Cited, StateView, check_auth_events, check_state};
use events::hash::{event_id, reference_hash};
use events::redaction::redact;
use events::room_version::EventIdFormat;
use events::{
    AuthEvent, EventId, KeyId, Object, ParsedPdu, Pdu, RoomAlias, RoomId, RoomVersion, ServerName, UserId, Value,
};
use transport::discovery::{Discovery, Next, delegate_in};
use transport::x_matrix::XMatrix;

/// A state in which one event is at every place.
struct Everywhere(AuthEvent);

impl StateView for Everywhere {
    fn get(&self, _: &str, _: &str) -> Option<&AuthEvent> {
        Some(&self.0)
    }
}

/// An event, in each room version.
pub(super) fn event(input: &[u8]) {
    let Ok(object) = serde_json::from_slice::<Object>(input) else { return };
    for version in RoomVersion::ALL {
        let redacted = redact(&object, version);
        assert_eq!(redact(&redacted, version), redacted, "redacted twice in version {version}");
        assert_eq!(reference_hash(&object, version), reference_hash(&redacted, version), "in version {version}");
        let Ok(parsed) = ParsedPdu::parse(object.clone(), version) else { continue };
        let id = parsed.event_id().clone();
        if version.rules().event_id != EventIdFormat::Chosen {
            assert_eq!(event_id(&redacted, version).as_ref(), Some(&id), "redacted in version {version}");
        }
        let (claimed, required) = (parsed.claimed_keys(), parsed.required_signatures());
        assert!(required.len() < 4 && claimed.len() < 100_000);
        assert!(parsed.verify(|_, _| None).is_err() || required.is_empty(), "nobody signed it, in version {version}");
        judge(object.clone(), version, id);
    }
}

/// Whatever is in it, it is accepted or refused.
fn judge(object: Object, version: RoomVersion, id: EventId) {
    let Ok(pdu) = Pdu::from_store(object.clone(), version, id, false) else { return };
    let event = AuthEvent::new(&pdu);
    let everywhere = Everywhere(event.clone());
    // It cites itself, under other ids.
    let as_cited = |id: &EventId| Pdu::from_store(object.clone(), version, id.clone(), false).ok();
    let cited = event.auth_events().iter().filter_map(as_cited);
    let cited: Vec<Cited> = cited.map(|pdu| Cited { event: AuthEvent::new(&pdu), rejected: false }).collect();
    drop(check_auth_events(&event, &cited, Some(&event)));
    drop(check_state(&event, &everywhere));
    assert_eq!(pdu.redacted().event_id(), pdu.event_id());
}

/// Canonical JSON is what it is made of.
pub(super) fn canonical_json(input: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
    let canonical = events::json::canonical_value(&value);
    let again: Value = serde_json::from_str(&canonical).expect("canonical JSON is JSON");
    assert_eq!(events::json::canonical_value(&again), canonical);
    if events::json::check_strict_value(&value).is_ok() {
        assert!(events::json::check_strict_value(&again).is_ok(), "{canonical}");
    }
}

/// An `Authorization` header.
pub(super) fn x_matrix(input: &[u8]) {
    let Ok(header) = std::str::from_utf8(input) else { return };
    if let Ok(parsed) = XMatrix::parse(header) {
        assert_eq!(XMatrix::parse(&parsed.to_header()).as_ref(), Ok(&parsed));
    }
}

/// Names of servers, users, rooms, events, aliases and keys.
pub(super) fn identifier(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(name) = ServerName::parse(text) {
        assert_eq!(ServerName::parse(&name).as_ref(), Ok(&name));
        look_up(&name);
    }
    if let Ok(user) = UserId::parse(text) {
        assert_eq!(UserId::parse(user.as_str()).as_ref(), Ok(&user));
        assert!(user.as_str().ends_with(user.server().as_str()));
    }
    assert!(RoomId::parse(text).is_err() || text.starts_with('!'));
    assert!(EventId::parse(text).is_err() || text.starts_with('$'));
    assert!(RoomAlias::parse(text).is_err() || text.starts_with('#'));
    drop(KeyId::parse(text));
}

/// Whatever a server is called, looking it up ends.
fn look_up(name: &ServerName) {
    let mut discovery = Discovery::new(name);
    for _ in 0..10 {
        match discovery.next() {
            Next::WellKnown(_) => discovery.handle_well_known(None),
            Next::Srv(_) => discovery.handle_srv(Vec::new()),
            Next::Found(found) => return assert!(!found.candidates.is_empty()),
        }
    }
    panic!("looking {name} up does not end");
}

/// The body of `/.well-known/matrix/server`.
pub(super) fn well_known(input: &[u8]) {
    if let Ok(delegate) = delegate_in(input) {
        look_up(&delegate);
    }
}

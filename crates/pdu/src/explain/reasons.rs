//! Judges an event again, by what was known when it was judged.

use events::auth::{AuthEvent, check_state};
use events::auth_graph::{EventIndex, StateMap};
use events::redaction::redact;
use events::signature::{PublicKey, signatures_of};
use events::state_resolution::resolve;
use events::{ServerName, json};
use persistence::transactions::server_keys::StoredKey;

use super::facts::{Body, Facts, outcome_name, signers};
use super::{
    Change, Check, Described, Detail, Entry, Explanation, Forks, Placed, Signature, SignatureResult, StateBefore,
    StoredVerdict,
};
use crate::outliers::judge_by_citations;
use crate::room::{Room, State, View};
use crate::verdict::{Step, Verdict};

/// Turns facts into reasons.
pub(super) fn explain(facts: Facts, detail: Detail) -> Explanation {
    let event = facts.body.as_ref().map(|body| AuthEvent::new(&body.pdu));
    let checks = event.as_ref().map(|event| checks(&facts, event)).unwrap_or_default();
    let change = event.as_ref().and_then(|event| change(&facts, event));
    let forks = forks(&facts);
    let state_before = facts.before.as_ref().map(|before| state_before(&facts.room, before, detail));
    Explanation {
        room_id: facts.row.room_id,
        room_version: facts.row.version.as_str(),
        event_id: facts.event_id,
        condition: facts.condition,
        waiting: facts.waiting,
        event: facts.body.map(describe),
        place: facts
            .place
            .map(|place| Placed { arrival: place.arrival.map(|arrival| arrival.0), topological: place.topological }),
        verdict: facts.verdict.map(stored_verdict),
        checks,
        state_before,
        change,
        forks,
        sent: facts.sent,
    }
}

fn stored_verdict(verdict: Verdict) -> StoredVerdict {
    StoredVerdict {
        outcome: outcome_name(verdict.outcome()),
        step: verdict.step,
        reason: verdict.rejection.as_ref().map(ToString::to_string),
        rejection: verdict.rejection,
        origin: verdict.origin,
        decided_at: verdict.decided_at,
    }
}

fn describe(body: Body) -> Described {
    let signatures = signatures(&body);
    let Body { pdu, visible, redacted_by, redacts, prev_events, auth_events, .. } = body;
    Described {
        event_type: pdu.event_type().to_owned(),
        state_key: pdu.state_key().map(str::to_owned),
        sender: pdu.sender().clone(),
        origin_server_ts: pdu.origin_server_ts(),
        depth: pdu.depth(),
        content: visible.content().clone(),
        content_hash_matches: !pdu.is_mangled(),
        redacted_by,
        redacts,
        signatures,
        prev_events,
        auth_events,
    }
}

/// The signatures, each checked again by the keys that are kept.
fn signatures(body: &Body) -> Vec<Signature> {
    let signed = json::canonical_without(&redact(body.pdu.object(), body.pdu.version()), &["signatures", "unsigned"]);
    let mut found = Vec::new();
    for server in signers(&body.pdu) {
        for (key_id, signature) in signatures_of(body.pdu.object(), &server) {
            let key = body.keys.iter().find(|(owner, key)| *owner == server && key.key_id == key_id);
            found.push(Signature {
                needed: body.pdu.signed_by().contains(&server),
                server: server.clone(),
                key_id: key_id.as_str().to_owned(),
                result: result(key, signed.as_bytes(), &signature),
                key_valid_until: key.map(|(_, key)| key.expired.unwrap_or(key.valid_until)),
            });
        }
    }
    found
}

fn result(key: Option<&(ServerName, StoredKey)>, signed: &[u8], signature: &str) -> SignatureResult {
    match key.and_then(|(_, key)| PublicKey::from_base64(&key.public_key).ok()) {
        None => SignatureResult::KeyUnknown,
        Some(key) if key.verifies(signed, signature) => SignatureResult::Right,
        Some(_) => SignatureResult::Wrong,
    }
}

/// Steps 4 and 5 of S2S API, "Checks performed on receipt of a PDU". What the current state was in step 6 is not kept.
fn checks(facts: &Facts, event: &AuthEvent) -> Vec<Check> {
    let room = &facts.room;
    let by_citations = match judge_by_citations(room, event, &facts.cited) {
        Ok(judged) => judged.err().map(|rejection| rejection.to_string()),
        Err(unknown) => Some(format!("it cites {unknown}, of which nothing is known")),
    };
    let cited = event.auth_events().iter().filter_map(|id| match room.graph.index_of(id) {
        Some(index) => Some(entry(room.graph.event(index))),
        None => facts.cited.get(id).map(|cited| entry(&cited.event)),
    });
    let mut checks = vec![Check { step: Step::AuthEvents, refused: by_citations, by: cited.collect() }];
    if let Some(before) = &facts.before {
        let view = View { graph: &room.graph, map: &before.map };
        let refused = check_state(event, &view).err().map(|rejection| rejection.to_string());
        let keys = event.judged_by();
        let by = keys.iter().filter_map(|(event_type, state_key)| find(room, &before.map, event_type, state_key));
        let by = by.map(|index| entry(room.graph.event(index))).collect();
        checks.push(Check { step: Step::StateBefore, refused, by });
    }
    checks
}

fn find(room: &Room, map: &StateMap, event_type: &str, state_key: &str) -> Option<EventIndex> {
    map.get(room.graph.state_key_index(event_type, state_key)?)
}

fn entry(event: &AuthEvent) -> Entry {
    Entry {
        event_type: event.event_type().to_owned(),
        state_key: event.state_key().unwrap_or_default().to_owned(),
        event_id: event.event_id().clone(),
        sender: event.sender().clone(),
    }
}

fn state_before(room: &Room, before: &State, detail: Detail) -> StateBefore {
    let entries = (detail == Detail::WholeState).then(|| {
        let mut entries: Vec<Entry> = before.map.iter().map(|(_, index)| entry(room.graph.event(index))).collect();
        entries.sort_by(|a, b| (&a.event_type, &a.state_key).cmp(&(&b.event_type, &b.state_key)));
        entries
    });
    StateBefore { size: before.map.len(), entries }
}

/// What the event changed, if it is part of the state after it.
fn change(facts: &Facts, event: &AuthEvent) -> Option<Change> {
    let verdict = facts.verdict.as_ref()?;
    let state_key = event.state_key()?;
    if facts.place.is_none() || outcome_name(verdict.outcome()) == "rejected" {
        return None;
    }
    let held = facts.before.as_ref().and_then(|before| find(&facts.room, &before.map, event.event_type(), state_key));
    Some(Change { replaced: held.map(|index| facts.room.graph.event(index).event_id().clone()) })
}

/// Resolves the states after the parents again.
fn forks(facts: &Facts) -> Option<Forks> {
    if facts.parents.is_empty() {
        return None;
    }
    let maps: Vec<&StateMap> = facts.parents.iter().map(|(_, state)| &state.map).collect();
    let parents = facts.parents.iter().map(|(id, _)| id.clone()).collect();
    Some(match resolve(&facts.room.graph, &maps) {
        Ok(resolution) => Forks { parents, decisions: resolution.decisions(&facts.room.graph), untold: None },
        Err(error) => Forks { parents, decisions: Vec::new(), untold: Some(error.to_string()) },
    })
}

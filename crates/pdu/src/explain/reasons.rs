//! Judges an event again, by what was known when it was judged.

use events::auth::{AuthEvent, check_state};
use events::auth_graph::{EventIndex, StateMap};
use events::hash::content_hash_matches;
use events::redaction::redact;
use events::signature::{PublicKey, signatures_of};
use events::state_resolution::resolve;
use events::{Pdu, json};
use persistence::transactions::server_keys::StoredKey;

use super::facts::{Body, Facts, Parents, outcome_name, signers};
use super::{
    Change, Check, ContentHash, Described, Detail, Entry, Explanation, Forks, Ground, Placed, Signature,
    SignatureResult, StateBefore, StoredVerdict,
};
use crate::outliers::judge_by_citations;
use crate::partial::with_what_others_name;
use crate::room::{Room, State, View};
use crate::verdict::{Step, Verdict};

/// Turns facts into reasons.
pub(super) fn explain(facts: Facts, detail: Detail) -> Explanation {
    let event = facts.body.as_ref().map(|body| AuthEvent::new(&body.pdu));
    let checks = event.as_ref().map(|event| checks(&facts, event)).unwrap_or_default();
    let change = event.as_ref().and_then(|event| change(&facts, event));
    let agrees = facts.verdict.as_ref().and_then(|verdict| agrees(verdict, &checks));
    let (forks, ground) = forks(&facts);
    let state_before = facts.before.as_ref().map(|before| state_before(&facts.room, before, ground, detail));
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
        agrees,
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
        resolved_from: verdict.resolved_from,
        state_told_by: verdict.state_told_by,
        provisional: verdict.provisional,
        origin: verdict.origin,
        decided_at: verdict.decided_at,
    }
}

fn describe(body: Body) -> Described {
    let signatures = signatures(&body);
    let content_hash = match (body.pdu.is_mangled(), content_hash_matches(body.pdu.object())) {
        (true, _) => ContentHash::WrongWhenItCame,
        (false, true) => ContentHash::Right,
        (false, false) => ContentHash::WrongNow,
    };
    let Body { pdu, visible, redacted_by, redacts, prev_events, auth_events, .. } = body;
    Described {
        event_type: pdu.event_type().to_owned(),
        state_key: pdu.state_key().map(str::to_owned),
        sender: pdu.sender().clone(),
        origin_server_ts: pdu.origin_server_ts(),
        depth: pdu.depth(),
        content: visible.content().clone(),
        content_hash,
        redacted_by,
        redacts,
        signatures,
        prev_events,
        auth_events,
    }
}

/// The signatures, each checked again by the keys that are kept, and those that are missing.
fn signatures(body: &Body) -> Vec<Signature> {
    let signed = json::canonical_without(&redact(body.pdu.object(), body.pdu.version()), &["signatures", "unsigned"]);
    let mut found = Vec::new();
    for server in signers(&body.pdu) {
        let needed = body.pdu.signed_by().contains(&server);
        let signatures = signatures_of(body.pdu.object(), &server);
        if signatures.is_empty() && needed {
            let result = SignatureResult::Missing;
            found.push(Signature { server: server.clone(), key_id: None, needed, result, key_valid_until: None });
        }
        for (key_id, signature) in signatures {
            let key = body.keys.iter().find(|(owner, key)| *owner == server && key.key_id == key_id);
            let key = key.map(|(_, key)| key);
            found.push(Signature {
                needed,
                server: server.clone(),
                key_id: Some(key_id.as_str().to_owned()),
                result: result(key, &body.pdu, signed.as_bytes(), &signature),
                key_valid_until: key.map(end),
            });
        }
    }
    found
}

fn end(key: &StoredKey) -> i64 {
    key.expired.unwrap_or(key.valid_until)
}

fn result(key: Option<&StoredKey>, pdu: &Pdu, signed: &[u8], signature: &str) -> SignatureResult {
    let Some(stored) = key else { return SignatureResult::KeyUnknown };
    let Ok(key) = PublicKey::from_base64(&stored.public_key) else { return SignatureResult::KeyUnknown };
    if !key.verifies(signed, signature) {
        SignatureResult::Wrong
    } else if pdu.version().rules().enforce_key_validity && pdu.origin_server_ts() > end(stored) {
        SignatureResult::KeyEnded
    } else {
        SignatureResult::Right
    }
}

/// Steps 4 and 5 of S2S API, "Checks performed on receipt of a PDU". What the current state was in step 6 is not kept.
fn checks(facts: &Facts, event: &AuthEvent) -> Vec<Check> {
    let room = &facts.room;
    let (refused, untold) = match judge_by_citations(room, event, &facts.cited) {
        Ok(judged) => (judged.err().map(|rejection| rejection.to_string()), None),
        Err(unknown) => (None, Some(format!("it cites {unknown}, which is not here"))),
    };
    let cited = event.auth_events().iter().filter_map(|id| match room.graph.index_of(id) {
        Some(index) => Some(entry(room.graph.event(index))),
        None => facts.cited.get(id).map(|cited| entry(&cited.event)),
    });
    let mut checks = vec![Check { step: Step::AuthEvents, refused, untold, by: cited.collect() }];
    if let Some(before) = &facts.before {
        let view = View { graph: &room.graph, map: &before.map };
        let refused = check_state(event, &view).err().map(|rejection| rejection.to_string());
        let keys = event.judged_by();
        let by = keys.iter().filter_map(|(event_type, state_key)| find(room, &before.map, event_type, state_key));
        let by = by.map(|index| entry(room.graph.event(index))).collect();
        checks.push(Check { step: Step::StateBefore, refused, untold: None, by });
    }
    checks
}

/// Whether the checks come to what was decided. An outlier is judged by step 4 alone; step 6 cannot be done again.
fn agrees(verdict: &Verdict, checks: &[Check]) -> Option<bool> {
    let refusing = checks.iter().find(|check| check.refused.is_some());
    let refused = refusing.map(|check| (check.step, check.refused.clone()));
    if refusing.is_none() && checks.iter().any(|check| check.untold.is_some()) {
        return None;
    }
    Some(match (&verdict.rejection, verdict.step) {
        (None, _) | (Some(_), Step::CurrentState) => refused.is_none(),
        (Some(rejection), step) => refused == Some((step, Some(rejection.to_string()))),
    })
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

fn state_before(room: &Room, before: &State, ground: Ground, detail: Detail) -> StateBefore {
    let entries = (detail == Detail::WholeState).then(|| {
        let mut entries: Vec<Entry> = before.map.iter().map(|(_, index)| entry(room.graph.event(index))).collect();
        entries.sort_by(|a, b| (&a.event_type, &a.state_key).cmp(&(&b.event_type, &b.state_key)));
        entries
    });
    StateBefore { ground, size: before.map.len(), entries }
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

/// Resolves the states after the parents again, and says whether that gives the state before the event.
fn forks(facts: &Facts) -> (Option<Forks>, Ground) {
    let Parents { states, left_out } = &facts.parents;
    let gives = |map: &StateMap| facts.before.as_ref().is_some_and(|before| before.map == *map) && left_out.is_empty();
    if let ([] | [_], []) = (states.as_slice(), left_out.as_slice()) {
        let all_agree = states.first().is_none_or(|(_, state)| gives(&state.map));
        return (None, if all_agree { Ground::Parents } else { Ground::Elsewhere });
    }
    let maps: Vec<&StateMap> = states.iter().map(|(_, state)| &state.map).collect();
    let again = |maps: &[&StateMap]| match resolve(&facts.room.graph, maps) {
        Ok(resolved) => (resolved.decisions(&facts.room.graph), None, gives(&resolved.state)),
        Err(error) => (Vec::new(), Some(error.to_string()), false),
    };
    // In a room of which not all is known some events were judged while all was, in an earlier stay.
    let completed = with_what_others_name(&facts.room, &maps);
    let of_completed = completed.map(|completed| again(&completed.iter().collect::<Vec<_>>()));
    let (decisions, untold, again) = of_completed.filter(|(_, _, gives)| *gives).unwrap_or_else(|| again(&maps));
    let parents = states.iter().map(|(ids, _)| ids.clone()).collect();
    let forks = Forks { parents, left_out: left_out.clone(), decisions, untold };
    (Some(forks), if again { Ground::Forks } else { Ground::Elsewhere })
}

#[cfg(test)]
mod tests {
    use events::{NewEvent, Object, RoomId, RoomVersion, ServerName, SigningKey, UserId, Value};

    use super::*;

    const NAME: &str = "a.test";
    const MADE: i64 = 1_000;

    fn message(version: RoomVersion, key: &SigningKey) -> Object {
        let event = NewEvent {
            event_id: None,
            room_id: Some(RoomId::parse("!room:a.test").unwrap()),
            sender: UserId::parse("@alice:a.test").unwrap(),
            event_type: "m.room.message".to_owned(),
            state_key: None,
            content: Object::new(),
            redacts: None,
            prev_events: Vec::new(),
            auth_events: Vec::new(),
            depth: 1,
            origin_server_ts: MADE,
        };
        event.sign(version, &ServerName::parse(NAME).unwrap(), key).unwrap().object().clone()
    }

    fn told(version: RoomVersion, object: Object, stored: Option<(&SigningKey, i64)>) -> Vec<(bool, SignatureResult)> {
        let pdu = Pdu::from_store(object, version, events::EventId::parse("$event").unwrap(), false).unwrap();
        let keys = stored.map(|(key, valid_until)| {
            let (key_id, public_key) = (key.id().clone(), key.public().to_base64());
            (ServerName::parse(NAME).unwrap(), StoredKey { key_id, public_key, valid_until, expired: None })
        });
        let body = Body {
            visible: pdu.clone(),
            pdu,
            redacted_by: None,
            redacts: None,
            prev_events: Vec::new(),
            auth_events: Vec::new(),
            keys: keys.into_iter().collect(),
        };
        signatures(&body).into_iter().map(|signature| (signature.needed, signature.result)).collect()
    }

    #[test]
    fn each_signature_is_told_with_what_is_wrong_with_it() {
        let [ours, other] = [1, 2].map(|seed| SigningKey::from_seed("ed25519:1".parse().unwrap(), &[seed; 32]));
        let event = message(RoomVersion::V11, &ours);
        let results = [
            (Some((&ours, MADE)), SignatureResult::Right),
            (Some((&ours, MADE - 1)), SignatureResult::KeyEnded),
            (Some((&other, MADE)), SignatureResult::Wrong),
            (None, SignatureResult::KeyUnknown),
        ];
        for (key, result) in results {
            assert_eq!(told(RoomVersion::V11, event.clone(), key), [(true, result)]);
        }
        // Up to version 4 a key signs for ever.
        let old = message(RoomVersion::V4, &ours);
        assert_eq!(told(RoomVersion::V4, old, Some((&ours, MADE - 1))), [(true, SignatureResult::Right)]);
        let mut unsigned = event;
        unsigned.insert("signatures".to_owned(), Value::Object(Object::new()));
        assert_eq!(told(RoomVersion::V11, unsigned, Some((&ours, MADE))), [(true, SignatureResult::Missing)]);
    }
}

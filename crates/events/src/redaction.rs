//! The redaction algorithm. Room version specifications, "Redactions".

use crate::json::{Object, Value};
use crate::room_version::{RedactionRules, RoomVersion};

const TOP_LEVEL: [&str; 12] = [
    "event_id",
    "type",
    "room_id",
    "sender",
    "state_key",
    "content",
    "hashes",
    "signatures",
    "depth",
    "prev_events",
    "auth_events",
    "origin_server_ts",
];
const HISTORICAL_TOP_LEVEL: [&str; 3] = ["origin", "membership", "prev_state"];

/// Returns what is left of `event` after a redaction. Idempotent.
pub fn redact(event: &Object, version: RoomVersion) -> Object {
    let rules = version.rules().redaction;
    let mut redacted = Object::new();
    for (key, value) in event {
        let kept = TOP_LEVEL.contains(&key.as_str())
            || (rules.keeps_historical_top_level && HISTORICAL_TOP_LEVEL.contains(&key.as_str()));
        if kept && key != "content" {
            redacted.insert(key.clone(), value.clone());
        }
    }
    let event_type = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let content = event.get("content").and_then(Value::as_object);
    redacted.insert(
        "content".to_owned(),
        Value::Object(content.map(|content| redact_content(event_type, content, rules)).unwrap_or_default()),
    );
    redacted
}

/// Returns what is left of the content of an event of `event_type`.
fn redact_content(event_type: &str, content: &Object, rules: RedactionRules) -> Object {
    let keep = |keys: &[&str]| -> Object {
        content
            .iter()
            .filter(|(key, _)| keys.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    match event_type {
        "m.room.member" => {
            let mut kept = keep(&["membership"]);
            if rules.keeps_join_authorised {
                kept.append(&mut keep(&["join_authorised_via_users_server"]));
            }
            if rules.keeps_third_party_signed
                && let Some(Value::Object(invite)) = content.get("third_party_invite")
            {
                kept.insert("third_party_invite".to_owned(), Value::Object(only_signed(invite)));
            }
            kept
        }
        "m.room.create" if rules.keeps_create_content => content.clone(),
        "m.room.create" => keep(&["creator"]),
        "m.room.join_rules" if rules.keeps_join_rules_allow => keep(&["join_rule", "allow"]),
        "m.room.join_rules" => keep(&["join_rule"]),
        "m.room.power_levels" => {
            let mut kept =
                keep(&["ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default"]);
            if rules.keeps_invite_level {
                kept.append(&mut keep(&["invite"]));
            }
            kept
        }
        "m.room.history_visibility" => keep(&["history_visibility"]),
        "m.room.aliases" if rules.keeps_aliases => keep(&["aliases"]),
        "m.room.redaction" if rules.redacts_in_content => keep(&["redacts"]),
        _ => Object::new(),
    }
}

/// "Additionally, it allows the `signed` key of the `third_party_invite` key."
///
/// An invite without that key stays as an empty object, one that is no object goes: so does Synapse, and the ids of events
/// depend on it.
fn only_signed(invite: &Object) -> Object {
    invite.iter().filter(|(key, _)| *key == "signed").map(|(key, value)| (key.clone(), value.clone())).collect()
}

//! Push rules as clients give them: checked before they are stored, for each is tried on each event. C-S API, "Push Rules".

use events::json::{Object, Value};
use ruma_common::push::{
    Action, NewConditionalPushRule, NewPatternedPushRule, NewPushRule, NewSimplePushRule, PushCondition, RuleKind,
};
use ruma_common::{OwnedRoomId, OwnedUserId};

use super::PushRuleError;

/// Bytes of the id of a rule.
pub const RULE_ID_BYTES_MAX: usize = 255;
/// Conditions of one rule.
pub const CONDITIONS_MAX: usize = 20;
/// Actions of one rule.
pub const ACTIONS_MAX: usize = 20;
/// Bytes of the pattern, the conditions or the actions of one rule, as canonical JSON.
pub const PART_BYTES_MAX: usize = 4_096;

/// Says which kind is called `name`.
pub fn kind(name: &str) -> Option<RuleKind> {
    match name {
        "override" => Some(RuleKind::Override),
        "content" => Some(RuleKind::Content),
        "room" => Some(RuleKind::Room),
        "sender" => Some(RuleKind::Sender),
        "underride" => Some(RuleKind::Underride),
        _ => None,
    }
}

/// Reads the rule that a client puts at `kind` and `rule_id`.
pub fn rule(kind: &RuleKind, rule_id: &str, body: &Object) -> Result<NewPushRule, PushRuleError> {
    if rule_id.is_empty() || rule_id.len() > RULE_ID_BYTES_MAX {
        return Err(invalid(&format!("the id of a rule has 1 to {RULE_ID_BYTES_MAX} bytes")));
    }
    let actions = actions(body.get("actions"))?;
    let id = || rule_id.to_owned();
    match kind {
        RuleKind::Override | RuleKind::Underride => {
            let conditions = conditions(body.get("conditions"))?;
            let rule = NewConditionalPushRule::new(id(), conditions, actions);
            let is_override = *kind == RuleKind::Override;
            Ok(if is_override { NewPushRule::Override(rule) } else { NewPushRule::Underride(rule) })
        }
        RuleKind::Content => {
            let pattern = body.get("pattern").ok_or(PushRuleError::Missing("pattern"))?;
            let pattern = pattern.as_str().ok_or_else(|| invalid("`pattern` must be a string"))?;
            check_size("pattern", pattern.len())?;
            Ok(NewPushRule::Content(NewPatternedPushRule::new(id(), pattern.to_owned(), actions)))
        }
        RuleKind::Room => {
            let room: OwnedRoomId =
                rule_id.try_into().map_err(|_| invalid("the id of such a rule is that of a room"))?;
            Ok(NewPushRule::Room(NewSimplePushRule::new(room, actions)))
        }
        RuleKind::Sender => {
            let user: OwnedUserId =
                rule_id.try_into().map_err(|_| invalid("the id of such a rule is that of a user"))?;
            Ok(NewPushRule::Sender(NewSimplePushRule::new(user, actions)))
        }
        _ => Err(PushRuleError::NotFound),
    }
}

/// Reads actions. Those of older versions that are to be ignored are left out. C-S API, "Historical Actions".
pub fn actions(given: Option<&Value>) -> Result<Vec<Action>, PushRuleError> {
    let items = given.ok_or(PushRuleError::Missing("actions"))?;
    let items = items.as_array().ok_or_else(|| invalid("`actions` must be a list"))?;
    if items.len() > ACTIONS_MAX {
        return Err(invalid(&format!("a rule has at most {ACTIONS_MAX} actions")));
    }
    check_size("actions", events::json::canonical_value(&Value::Array(items.clone())).len())?;
    let mut actions = Vec::with_capacity(items.len());
    for item in items {
        match item.as_str() {
            Some("dont_notify" | "coalesce") => continue,
            Some("notify") => {}
            Some(other) => return Err(invalid(&format!("there is no action {other:?}"))),
            None if item.get("set_tweak").is_some_and(Value::is_string) => {}
            None => return Err(invalid("an action is \"notify\" or an object with `set_tweak`")),
        }
        actions.push(serde_json::from_value(item.clone()).map_err(|error| invalid(&format!("in `actions`: {error}")))?);
    }
    Ok(actions)
}

fn conditions(given: Option<&Value>) -> Result<Vec<PushCondition>, PushRuleError> {
    let items = match given {
        None => return Ok(Vec::new()),
        Some(items) => items.as_array().ok_or_else(|| invalid("`conditions` must be a list"))?,
    };
    if items.len() > CONDITIONS_MAX {
        return Err(invalid(&format!("a rule has at most {CONDITIONS_MAX} conditions")));
    }
    check_size("conditions", events::json::canonical_value(&Value::Array(items.clone())).len())?;
    items
        .iter()
        .map(|item| {
            check_condition(item)?;
            serde_json::from_value(item.clone()).map_err(|error| invalid(&format!("in `conditions`: {error}")))
        })
        .collect()
}

/// A condition of a kind that nobody knows is kept and never met; one of a known kind must have what it needs.
fn check_condition(condition: &Value) -> Result<(), PushRuleError> {
    let kind = condition.get("kind").and_then(Value::as_str).ok_or_else(|| invalid("a condition lacks its `kind`"))?;
    let text = |field: &str| match condition.get(field).and_then(Value::as_str) {
        Some(text) => Ok(text),
        None => Err(invalid(&format!("a condition of the kind {kind} needs a string `{field}`"))),
    };
    match kind {
        "event_match" => text("key").and(text("pattern")).map(drop),
        "event_property_is" | "event_property_contains" => {
            text("key")?;
            match condition.get("value") {
                Some(Value::Null | Value::Bool(_) | Value::String(_)) => Ok(()),
                Some(Value::Number(number)) if number.is_i64() => Ok(()),
                Some(_) | None => {
                    Err(invalid(&format!("the `value` of {kind} is a string, an integer, a truth value or null")))
                }
            }
        }
        "room_member_count" => {
            let number = text("is")?.trim_start_matches(['=', '<', '>']);
            number.parse::<u32>().map(drop).map_err(|_| invalid("`is` is a number, with ==, <, >, <= or >= before it"))
        }
        "sender_notification_permission" => text("key").map(drop),
        _ => Ok(()),
    }
}

fn check_size(what: &str, bytes: usize) -> Result<(), PushRuleError> {
    if bytes <= PART_BYTES_MAX {
        Ok(())
    } else {
        Err(invalid(&format!("`{what}` has more than {PART_BYTES_MAX} bytes")))
    }
}

fn invalid(reason: &str) -> PushRuleError {
    PushRuleError::Invalid(reason.to_owned())
}

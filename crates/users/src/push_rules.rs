//! Push rules: which events notify a user. C-S API, "Push Rules".
//!
//! The rules of a user are the account data of type `m.push_rules`. The server's defaults are merged into them whenever they
//! are read, so that a new default reaches everybody and a removed one vanishes.

pub mod given;

use std::collections::BTreeMap;

use events::json::{Object, Value};
use events::{RoomVersion, UserId};
use futures_util::FutureExt;
use js_int::{Int, UInt};
use persistence::transactions::account_data;
use persistence::{ReadTx, StoreError, WriteTx};
use ruma_common::power_levels::NotificationPowerLevels;
use ruma_common::push::{Action, NewPushRule, PushConditionPowerLevelsCtx, PushConditionRoomCtx, Ruleset};
use ruma_common::room_version_rules::{AuthorizationRules, RoomPowerLevelsRules};
use ruma_common::serde::Raw;

use serde_json::json;
use serde_json::value::RawValue;

use crate::Users;

pub use ruma_common::push::{
    Action as PushAction, InsertPushRuleError, NewConditionalPushRule, NewPatternedPushRule, NewSimplePushRule,
    RuleKind,
};

/// The type of account data that holds the rules.
pub const TYPE: &str = "m.push_rules";
/// Rules of one user. Each is tried on each event in the user's rooms.
pub const RULES_PER_USER_MAX: usize = 1_000;
/// What creators have in a room without power levels. C-S API, `m.room.power_levels`.
const LEVEL_OF_CREATORS: i32 = 100;
/// The kinds, as they are listed to clients.
const KINDS: [&str; 5] = ["override", "content", "room", "sender", "underride"];

/// Why push rules were not changed.
#[derive(Debug, thiserror::Error)]
pub enum PushRuleError {
    /// There is no such rule.
    #[error("there is no such push rule")]
    NotFound,
    /// The request lacks something.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The user has too many.
    #[error("a user has at most {RULES_PER_USER_MAX} push rules")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The rules of one user, ready to be applied.
#[derive(Debug, Clone)]
pub struct PushRules {
    user: UserId,
    ruleset: Ruleset,
}

/// What rules look at beside the event.
#[derive(Debug, Clone)]
pub struct PushContext {
    /// The user's display name in the room, if there is one.
    pub display_name: Option<String>,
    /// How many have joined the room.
    pub member_count: u64,
    /// The content of `m.room.power_levels`, if there is one.
    pub power_levels: Option<Object>,
    /// The version of the room.
    pub room_version: RoomVersion,
    /// The users that made the room.
    pub creators: Vec<UserId>,
}

/// What an event does to a user. C-S API, "Receiving notifications".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notification {
    /// Nothing.
    None,
    /// It counts in `notification_count`.
    Notify,
    /// It counts in `notification_count` and `highlight_count`.
    Highlight,
}

impl PushRules {
    /// Says what `event`, as clients see it with its `room_id`, does to the user.
    pub fn evaluate(&self, event: &Object, context: &PushContext) -> Notification {
        let actions = self.actions(event, context);
        if !actions.iter().any(Action::should_notify) {
            Notification::None
        } else if actions.iter().any(Action::is_highlight) {
            Notification::Highlight
        } else {
            Notification::Notify
        }
    }

    /// Returns the actions of the first rule that `event` meets. None for the user's own events, and none if something about
    /// the room cannot be said.
    pub fn actions(&self, event: &Object, context: &PushContext) -> Vec<PushAction> {
        let Some(room) = room_context(&self.user, event, context) else { return Vec::new() };
        let Ok(raw) = RawValue::from_string(events::json::canonical(event)) else { return Vec::new() };
        let raw: Raw<Value> = Raw::from_json(raw);
        // Asynchronous for the sake of an unstable feature that is switched off: it never waits.
        let actions = self.ruleset.get_actions(&raw, &room).now_or_never();
        actions.map(<[Action]>::to_vec).unwrap_or_default()
    }

    /// The rules as clients get them, `{"override": […], …}`.
    pub fn to_json(&self) -> Value {
        let mut value = serde_json::to_value(&self.ruleset).unwrap_or_else(|_| json!({}));
        for kind in KINDS {
            // Clients rely on each kind being there.
            if value.get(kind).is_none() {
                value[kind] = json!([]);
            }
        }
        value
    }

    /// Returns one rule as clients get it.
    pub fn rule(&self, kind: &str, rule_id: &str) -> Option<Value> {
        let rules = self.to_json();
        let rules = rules.get(kind)?.as_array()?;
        rules.iter().find(|rule| rule.get("rule_id").and_then(Value::as_str) == Some(rule_id)).cloned()
    }

    fn insert(&mut self, rule: NewPushRule, before: Option<&str>, after: Option<&str>) -> Result<(), PushRuleError> {
        let (kind, rule_id) = (rule.kind(), rule.rule_id().to_owned());
        let is_positioned = before.is_some() || after.is_some();
        if [before, after].contains(&Some(rule_id.as_str())) {
            return Err(PushRuleError::Invalid("a rule cannot be placed relative to itself".to_owned()));
        }
        let before_change = self.ruleset.get(kind.clone(), &rule_id).map(|rule| rule.enabled());
        if is_positioned && before_change.is_some() {
            // It gets its new place as if it were new: moved from its old one, others would be counted wrongly.
            self.ruleset.remove(kind.clone(), &rule_id).map_err(|error| PushRuleError::Invalid(error.to_string()))?;
        }
        self.ruleset.insert(rule, after, before).map_err(|error| {
            let is_unknown = matches!(error, InsertPushRuleError::UnknownRuleId);
            if is_unknown { PushRuleError::NotFound } else { PushRuleError::Invalid(error.to_string()) }
        })?;
        if let Some(enabled) = before_change {
            self.ruleset.set_enabled(kind, &rule_id, enabled).map_err(|_| PushRuleError::NotFound)?;
        }
        if self.count() > RULES_PER_USER_MAX { Err(PushRuleError::TooMany) } else { Ok(()) }
    }

    fn count(&self) -> usize {
        self.ruleset.iter().count()
    }
}

impl Users {
    /// Returns the push rules of one of our users.
    pub async fn push_rules(&self, user: &UserId) -> Result<PushRules, StoreError> {
        let user = user.clone();
        self.0.database.read(move |tx| push_rules(tx, &user)).await
    }

    /// Adds a rule, or replaces the one of that id. `before` and `after` name rules of the user's own.
    pub async fn add_push_rule(
        &self,
        user: &UserId,
        rule: NewPushRule,
        before: Option<String>,
        after: Option<String>,
    ) -> Result<(), PushRuleError> {
        self.change_push_rules(user, move |rules| rules.insert(rule, before.as_deref(), after.as_deref())).await
    }

    /// Deletes a rule of the user's own.
    pub async fn delete_push_rule(&self, user: &UserId, kind: RuleKind, rule_id: String) -> Result<(), PushRuleError> {
        self.change_push_rules(user, move |rules| {
            let found = rules.ruleset.get(kind.clone(), &rule_id).is_some();
            let removed = rules.ruleset.remove(kind, rule_id);
            removed.map_err(
                |error| if found { PushRuleError::Invalid(error.to_string()) } else { PushRuleError::NotFound },
            )
        })
        .await
    }

    /// Switches a rule on or off; defaults too.
    pub async fn enable_push_rule(
        &self,
        user: &UserId,
        kind: RuleKind,
        rule_id: String,
        enabled: bool,
    ) -> Result<(), PushRuleError> {
        self.change_push_rules(user, move |rules| {
            rules.ruleset.set_enabled(kind, rule_id, enabled).map_err(|_| PushRuleError::NotFound)
        })
        .await
    }

    /// Changes what a rule does; defaults too.
    pub async fn set_push_rule_actions(
        &self,
        user: &UserId,
        kind: RuleKind,
        rule_id: String,
        actions: Vec<PushAction>,
    ) -> Result<(), PushRuleError> {
        self.change_push_rules(user, move |rules| {
            rules.ruleset.set_actions(kind, rule_id, actions).map_err(|_| PushRuleError::NotFound)
        })
        .await
    }

    async fn change_push_rules(
        &self,
        user: &UserId,
        change: impl FnOnce(&mut PushRules) -> Result<(), PushRuleError> + Send + 'static,
    ) -> Result<(), PushRuleError> {
        let (users, user) = (self.clone(), user.clone());
        self.0
            .database
            .write(move |tx| {
                let mut rules = push_rules(tx, &user)?;
                change(&mut rules)?;
                store(tx, &rules)?;
                users.wake_after_commit(tx, &user);
                Ok(())
            })
            .await
    }
}

/// Returns the push rules of one of our users.
pub fn push_rules(tx: &ReadTx<'_>, user: &UserId) -> Result<PushRules, StoreError> {
    let mut rules = defaults(user)?;
    let Some(stored) = account_data::get(tx, user, None, TYPE)? else { return Ok(rules) };
    let inconsistent = |_| StoreError::Inconsistent(format!("account_data: the push rules of {user} are none"));
    let mut stored: BTreeMap<String, Ruleset> = serde_json::from_str(&stored).map_err(inconsistent)?;
    if let Some(mut stored) = stored.remove("global") {
        stored.update_with_server_default(rules.ruleset);
        rules.ruleset = stored;
    }
    Ok(rules)
}

/// Stores the server's defaults for a new account.
pub(crate) fn store_defaults(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    let rules = defaults(user)?;
    store(tx, &rules)
}

fn store(tx: &mut WriteTx<'_>, rules: &PushRules) -> Result<(), StoreError> {
    let content = json!({ "global": rules.to_json() }).to_string();
    account_data::put(tx, &rules.user, None, TYPE, &content)?;
    Ok(())
}

fn defaults(user: &UserId) -> Result<PushRules, StoreError> {
    let id = ruma_common::UserId::parse(user.as_str())
        .map_err(|_| StoreError::Inconsistent(format!("{user} cannot have push rules: it is no user id to ruma")))?;
    Ok(PushRules { user: user.clone(), ruleset: Ruleset::server_default(&id) })
}

fn room_context(user: &UserId, event: &Object, context: &PushContext) -> Option<PushConditionRoomCtx> {
    let room_id = ruma_common::RoomId::parse(event.get("room_id")?.as_str()?).ok()?;
    let user_id = ruma_common::UserId::parse(user.as_str()).ok()?;
    let display_name = context.display_name.clone().unwrap_or_default();
    let room = PushConditionRoomCtx::new(room_id, UInt::new_saturating(context.member_count), user_id, display_name);
    Some(room.with_power_levels(power_levels(context)))
}

/// Levels that do not parse count as absent: the room's auth rules keep such events out.
fn power_levels(context: &PushContext) -> PushConditionPowerLevelsCtx {
    let field = |name: &str| context.power_levels.as_ref().and_then(|content| content.get(name));
    let mut users = BTreeMap::new();
    for (user, level) in field("users").and_then(Value::as_object).into_iter().flatten() {
        if let (Ok(user), Some(level)) = (ruma_common::UserId::parse(user.as_str()), integer(level)) {
            users.insert(user, level);
        }
    }
    let rules = context.room_version.rules().auth;
    let rules = if rules.privileged_creators { AuthorizationRules::V12 } else { AuthorizationRules::V11 };
    let creators: Vec<_> =
        context.creators.iter().filter_map(|user| ruma_common::UserId::parse(user.as_str()).ok()).collect();
    if context.power_levels.is_none() {
        users.extend(creators.iter().map(|user| (user.clone(), Int::from(LEVEL_OF_CREATORS))));
    }
    let mut notifications = NotificationPowerLevels::new();
    if let Some(level) = field("notifications").and_then(|levels| levels.get("room")).and_then(integer) {
        notifications.room = level;
    }
    PushConditionPowerLevelsCtx::new(
        users,
        field("users_default").and_then(integer).unwrap_or_default(),
        notifications,
        RoomPowerLevelsRules::new(&rules, creators),
    )
}

/// Before room version 10 a level may be an integer in a text.
fn integer(level: &Value) -> Option<Int> {
    let level = level.as_i64().or_else(|| level.as_str().and_then(|text| text.trim().parse().ok()))?;
    Int::new(level)
}

#[cfg(test)]
mod tests;

//! "If type is `m.room.power_levels`".

use std::collections::{BTreeMap, BTreeSet};

use super::{AuthEvent, Rejection, StateView};
use crate::id::EventId;
use crate::power::{Level, Levels, Named, PowerContent};

/// A change of the power levels under judgement.
struct Change<'a> {
    event: &'a AuthEvent,
    /// The sender's level before the change.
    level: Level,
    /// The event that set the levels before.
    before: &'a EventId,
}

pub(super) fn check(
    event: &AuthEvent,
    new: &PowerContent,
    create: &AuthEvent,
    levels: &Levels,
    state: &dyn StateView,
) -> Result<(), Rejection> {
    if let Some((property, expected)) = &new.malformed {
        return Err(Rejection::LevelsMalformed { property: property.clone(), expected: (*expected).to_owned() });
    }
    if event.rules().auth.privileged_creators
        && let Some(user) = create.creators().find(|creator| new.users.contains_key(creator.as_str()))
    {
        return Err(Rejection::CreatorInLevels { user: user.clone(), create: create.event_id().clone() });
    }
    // Levels with a state key of their own never hold, and are compared with nothing: Synapse looks for earlier ones of the
    // same key, but never among events that the selection of auth events names.
    let before = state.get("m.room.power_levels", "").filter(|_| event.state_key() == Some(""));
    let Some(before) = before else { return Ok(()) };
    let Some(current) = before.power_content() else { return Ok(()) };
    let change = Change { event, level: levels.user_level(event.sender()), before: before.event_id() };
    for name in Named::ALL {
        change.check_level(name.as_str(), current.named(name), new.named(name))?;
    }
    change.check_map("events", &current.events, &new.events)?;
    if event.rules().auth.limits_notifications_levels {
        change.check_map("notifications", &current.notifications, &new.notifications)?;
    }
    change.check_users(&current.users, &new.users)
}

impl Change<'_> {
    /// "If the current value is higher than the `sender`'s current power level", and so for the new value.
    ///
    /// A value that is not there is not high: the specification does not say whether its default counts, and in Synapse it
    /// does not.
    fn check_level(&self, property: &str, current: Option<Level>, new: Option<Level>) -> Result<(), Rejection> {
        let is_too_high = |value: Option<Level>| value.is_some_and(|value| value > self.level);
        if current == new || !(is_too_high(current) || is_too_high(new)) {
            return Ok(());
        }
        Err(Rejection::LevelChangeTooHigh {
            sender: self.event.sender().clone(),
            level: self.level,
            property: property.to_owned(),
            current,
            new,
            power_levels: self.before.clone(),
        })
    }

    fn check_map(
        &self,
        property: &str,
        current: &BTreeMap<String, Level>,
        new: &BTreeMap<String, Level>,
    ) -> Result<(), Rejection> {
        let keys: BTreeSet<&String> = current.keys().chain(new.keys()).collect();
        keys.into_iter().try_for_each(|key| {
            let (current, new) = (current.get(key).copied(), new.get(key).copied());
            if current == new { Ok(()) } else { self.check_level(&format!("{property}.{key}"), current, new) }
        })
    }

    fn check_users(&self, current: &BTreeMap<String, Level>, new: &BTreeMap<String, Level>) -> Result<(), Rejection> {
        for (user, level) in current {
            let is_changed = new.get(user) != Some(level);
            if is_changed && user != self.event.sender().as_str() && *level >= self.level {
                return Err(Rejection::LevelOfPeerChanged {
                    sender: self.event.sender().clone(),
                    level: self.level,
                    user: user.clone(),
                    current: *level,
                    power_levels: self.before.clone(),
                });
            }
        }
        self.check_map("users", current, new)
    }
}

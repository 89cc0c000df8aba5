//! "If type is `m.room.power_levels`".

use std::cmp::Ordering;

use super::{AuthEvent, Rejection};
use crate::id::EventId;
use crate::power::{Level, LevelMap, Levels, Named, PowerContent};

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
    levels: &Levels<'_>,
    before: Option<&AuthEvent>,
) -> Result<(), Rejection> {
    if let Some((property, expected)) = &new.malformed {
        return Err(Rejection::LevelsMalformed { property: property.clone(), expected: (*expected).to_owned() });
    }
    if event.rules().auth.privileged_creators
        && let Some(user) = create.creators().find(|creator| new.users.get(creator.as_str()).is_some())
    {
        return Err(Rejection::CreatorInLevels { user: user.clone(), create: create.event_id().clone() });
    }
    // Levels with a state key of their own never hold, and are compared with nothing: Synapse looks for earlier ones of the
    // same key, but never among events that the selection of auth events names.
    let Some(before) = before.filter(|_| event.state_key() == Some("")) else { return Ok(()) };
    let Some(current) = before.power_content() else { return Ok(()) };
    let change = Change { event, level: levels.user_level(event.sender()), before: before.event_id() };
    for name in Named::ALL {
        change.check_level(|| name.as_str().to_owned(), current.named(name), new.named(name))?;
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
    fn check_level(
        &self,
        property: impl Fn() -> String,
        current: Option<Level>,
        new: Option<Level>,
    ) -> Result<(), Rejection> {
        let is_too_high = |value: Option<Level>| value.is_some_and(|value| value > self.level);
        if current == new || !(is_too_high(current) || is_too_high(new)) {
            return Ok(());
        }
        Err(Rejection::LevelChangeTooHigh {
            sender: self.event.sender().clone(),
            level: self.level,
            property: property(),
            current,
            new,
            power_levels: self.before.clone(),
        })
    }

    fn check_map(&self, property: &str, current: &LevelMap, new: &LevelMap) -> Result<(), Rejection> {
        changes(current, new)
            .try_for_each(|(key, current, new)| self.check_level(|| format!("{property}.{key}"), current, new))
    }

    fn check_users(&self, current: &LevelMap, new: &LevelMap) -> Result<(), Rejection> {
        for (user, level, _) in changes(current, new) {
            let peer = level.filter(|level| *level >= self.level && user != self.event.sender().as_str());
            if let Some(level) = peer {
                return Err(Rejection::LevelOfPeerChanged {
                    sender: self.event.sender().clone(),
                    level: self.level,
                    user: user.to_owned(),
                    current: level,
                    power_levels: self.before.clone(),
                });
            }
        }
        self.check_map("users", current, new)
    }
}

/// Returns the keys whose levels differ, with both.
fn changes<'a>(
    current: &'a LevelMap,
    new: &'a LevelMap,
) -> impl Iterator<Item = (&'a str, Option<Level>, Option<Level>)> {
    let (mut current, mut new) = (current.iter().peekable(), new.iter().peekable());
    std::iter::from_fn(move || {
        loop {
            let order = match (current.peek(), new.peek()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((current, _)), Some((new, _))) => current.cmp(new),
            };
            let before = if order.is_le() { current.next() } else { None };
            let after = if order.is_ge() { new.next() } else { None };
            let (before_level, after_level) = (before.map(|(_, level)| level), after.map(|(_, level)| level));
            if before_level != after_level
                && let Some((key, _)) = before.or(after)
            {
                return Some((key, before_level, after_level));
            }
        }
    })
}

//! Power levels: what each user of a room may do. C-S API, `m.room.power_levels`; S2S API, "Definitions".

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::auth::AuthEvent;
use crate::id::{EventId, UserId};
use crate::json::{Object, Value};
use crate::room_version::AuthRules;

/// A power level. Those who created a room of version 12 have an infinite one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A number of points.
    Points(i64),
    /// Above every number.
    Infinite,
}

/// A level at the top of `m.room.power_levels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    UsersDefault,
    EventsDefault,
    StateDefault,
    Ban,
    Redact,
    Kick,
    Invite,
}

/// The power levels that hold in a room.
///
/// Made of its create event, which names the creators, and its `m.room.power_levels`, if there is one.
#[derive(Debug, Clone, Copy)]
pub struct Levels<'a> {
    create: &'a AuthEvent,
    power_levels: Option<&'a AuthEvent>,
}

/// The content of `m.room.power_levels`, read once.
///
/// Before version 10 levels may be texts or fractions, and unreadable ones may stand beside the `users`, which are checked.
/// An unreadable level is as one that nobody reaches, and an unreadable `users_default` leaves no power at all: Synapse
/// fails to judge the events that would need it, which therefore never enter a room there. `events` or `notifications` that
/// are no object say nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct PowerContent {
    named: [Option<Level>; Named::ALL.len()],
    pub(crate) events: LevelMap,
    pub(crate) notifications: LevelMap,
    pub(crate) users: LevelMap,
    /// The first thing that makes the whole event refused: the property, and what it should be.
    pub(crate) malformed: Option<(String, &'static str)>,
}

/// Levels by key, in the order of the keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct LevelMap(Box<[(Box<str>, Level)]>);

const NOBODY: Level = Level::Infinite;
const POWERLESS: Level = Level::Points(i64::MIN);

impl<'a> Levels<'a> {
    /// The levels in a room with this create event and these power levels.
    pub fn new(create: &'a AuthEvent, power_levels: Option<&'a AuthEvent>) -> Self {
        Self { create, power_levels }
    }

    /// The event that sets the levels, if there is one.
    pub fn event_id(&self) -> Option<&EventId> {
        self.power_levels.map(AuthEvent::event_id)
    }

    /// The level of `user`, be they in the room or not.
    pub fn user_level(&self, user: &UserId) -> Level {
        let is_creator = || self.create.creators().any(|creator| creator == user);
        if self.create.rules().auth.privileged_creators && is_creator() {
            return Level::Infinite;
        }
        match self.content() {
            Some(content) => content.user(user.as_str()),
            None if is_creator() => Level::Points(100),
            None => Level::Points(0),
        }
    }

    /// The level needed to send an event of `event_type`: as state or as a message.
    pub fn required_for(&self, event_type: &str, is_state: bool) -> Level {
        let listed = self.content().and_then(|content| content.events.get(event_type));
        listed.unwrap_or_else(|| self.named(if is_state { Named::StateDefault } else { Named::EventsDefault }))
    }

    /// The level needed to invite.
    pub fn invite(&self) -> Level {
        self.named(Named::Invite)
    }

    /// The level needed to kick.
    pub fn kick(&self) -> Level {
        self.named(Named::Kick)
    }

    /// The level needed to ban.
    pub fn ban(&self) -> Level {
        self.named(Named::Ban)
    }

    /// The level needed to redact the events of others.
    pub fn redact(&self) -> Level {
        self.named(Named::Redact)
    }

    /// The level needed to notify the whole room. Push rules, "Sender notification permission".
    pub fn notification_room_level(&self) -> Level {
        let listed = self.content().and_then(|content| content.notifications.get("room"));
        listed.unwrap_or(Level::Points(50))
    }

    /// Says whether a redaction by `sender` takes effect on an event of `target_sender`.
    ///
    /// Room version specifications, "Handling redactions". Whether the redaction itself may be sent is another question,
    /// that the authorisation rules answer.
    pub fn may_redact(&self, sender: &UserId, target_sender: &UserId) -> bool {
        self.user_level(sender) >= self.redact() || sender.server() == target_sender.server()
    }

    fn named(&self, name: Named) -> Level {
        self.content().and_then(|content| content.named(name)).unwrap_or(name.default())
    }

    fn content(&self) -> Option<&PowerContent> {
        self.power_levels.and_then(AuthEvent::power_content)
    }
}

impl Named {
    pub(crate) const ALL: [Self; 7] = [
        Self::UsersDefault,
        Self::EventsDefault,
        Self::StateDefault,
        Self::Ban,
        Self::Redact,
        Self::Kick,
        Self::Invite,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::UsersDefault => "users_default",
            Self::EventsDefault => "events_default",
            Self::StateDefault => "state_default",
            Self::Ban => "ban",
            Self::Redact => "redact",
            Self::Kick => "kick",
            Self::Invite => "invite",
        }
    }

    /// What holds where the power levels do not say it, or where there are none.
    fn default(self) -> Level {
        match self {
            Self::UsersDefault | Self::EventsDefault | Self::Invite => Level::Points(0),
            Self::StateDefault | Self::Ban | Self::Redact | Self::Kick => Level::Points(50),
        }
    }
}

impl PowerContent {
    pub(crate) fn parse(content: &Object, rules: &AuthRules) -> Self {
        let mut parsed = Self::default();
        for name in Named::ALL {
            let Some(value) = content.get(name.as_str()) else { continue };
            let level = read_level(value, rules);
            if level.is_none() && rules.integer_levels_only {
                parsed.refuse(name.as_str(), "an integer");
            }
            let unreadable = if name == Named::UsersDefault { POWERLESS } else { NOBODY };
            parsed.named[name as usize] = Some(level.unwrap_or(unreadable));
        }
        parsed.events = parsed.read_map(content, "events", rules.integer_levels_only, rules);
        parsed.notifications = parsed.read_map(content, "notifications", rules.integer_levels_only, rules);
        parsed.users = parsed.read_map(content, "users", true, rules);
        if parsed.users.iter().any(|(user, _)| UserId::parse(user).is_err()) {
            parsed.refuse("users", "an object from user ids to integers");
        }
        parsed
    }

    pub(crate) fn named(&self, name: Named) -> Option<Level> {
        self.named[name as usize]
    }

    /// How many levels it sets.
    pub(crate) fn len(&self) -> usize {
        self.named.iter().flatten().count() + self.events.len() + self.notifications.len() + self.users.len()
    }

    fn user(&self, user: &str) -> Level {
        let listed = self.users.get(user);
        listed.or_else(|| self.named(Named::UsersDefault)).unwrap_or(Level::Points(0))
    }

    fn read_map(&mut self, content: &Object, property: &'static str, checked: bool, rules: &AuthRules) -> LevelMap {
        let Some(value) = content.get(property) else { return LevelMap::default() };
        let entries = value.as_object();
        let readable = entries.is_some_and(|entries| entries.values().all(|level| read_level(level, rules).is_some()));
        if checked && !readable {
            self.refuse(property, "an object whose values are integers");
        }
        let level_of = |value: &Value| read_level(value, rules).unwrap_or(NOBODY);
        entries.into_iter().flatten().map(|(key, value)| (key.as_str().into(), level_of(value))).collect()
    }

    fn refuse(&mut self, property: &str, expected: &'static str) {
        self.malformed.get_or_insert_with(|| (property.to_owned(), expected));
    }
}

impl LevelMap {
    pub(crate) fn get(&self, key: &str) -> Option<Level> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(key)).ok().map(|at| self.0[at].1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Level)> {
        self.0.iter().map(|(key, level)| (&**key, *level))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<(Box<str>, Level)> for LevelMap {
    /// Each key once.
    fn from_iter<I: IntoIterator<Item = (Box<str>, Level)>>(entries: I) -> Self {
        let mut entries: Box<[_]> = entries.into_iter().collect();
        entries.sort_unstable();
        Self(entries)
    }
}

/// Reads an integer or, before version 10, a text with one or a number with a fraction, which is cut off.
fn read_level(value: &Value, rules: &AuthRules) -> Option<Level> {
    let points = match value {
        Value::Number(number) if rules.integer_levels_only => number.as_i64(),
        #[expect(clippy::cast_possible_truncation, reason = "cut off at the point, and at the ends of the range")]
        Value::Number(number) => {
            read_level_text(number.as_str()).or_else(|| number.as_f64().map(|number| number as i64))
        }
        Value::String(text) if !rules.integer_levels_only => read_level_text(text),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    points.map(Level::Points)
}

/// Room version specifications, "`m.room.power_levels` events accept values as strings".
fn read_level_text(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let points = digits.parse().unwrap_or(i64::MAX);
    Some(if negative { -points } else { points })
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Points(points) => points.fmt(f),
            Self::Infinite => f.write_str("infinite"),
        }
    }
}

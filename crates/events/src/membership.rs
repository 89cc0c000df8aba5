//! Membership of a room, and who may become a member. C-S API, `m.room.member` and `m.room.join_rules`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::RoomId;
use crate::json::{Object, Value};
use crate::room_version::AuthRules;

/// What a user is to a room. Somebody without any member event is as one who left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Membership {
    Invite,
    Join,
    Knock,
    Leave,
    Ban,
}

/// How one becomes a member of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinRule {
    /// Whoever wants joins.
    Public,
    /// By invitation. Also what holds without any join rules.
    Invite,
    /// By invitation, which one may ask for (version 7).
    Knock,
    /// By invitation, or by membership of one of these rooms (version 8).
    Restricted(Vec<RoomId>),
    /// As [`JoinRule::Restricted`], or by asking for an invitation (version 10).
    KnockRestricted(Vec<RoomId>),
    /// Anything else, `private` included: nobody joins.
    Other(String),
}

impl Membership {
    /// The membership called `name`, or `None` if there is none of that name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "invite" => Some(Self::Invite),
            "join" => Some(Self::Join),
            "knock" => Some(Self::Knock),
            "leave" => Some(Self::Leave),
            "ban" => Some(Self::Ban),
            _ => None,
        }
    }

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Join => "join",
            Self::Knock => "knock",
            Self::Leave => "leave",
            Self::Ban => "ban",
        }
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JoinRule {
    /// Reads the content of `m.room.join_rules` as a room with `rules` does.
    ///
    /// Without a `join_rule` it is `invite`, as Synapse has it; a rule that the version does not know lets nobody in.
    pub fn parse(content: &Object, rules: &AuthRules) -> Self {
        let name = match content.get("join_rule") {
            None => return Self::Invite,
            Some(Value::String(name)) => name.as_str(),
            Some(other) => return Self::Other(other.to_string()),
        };
        match name {
            "public" => Self::Public,
            "invite" => Self::Invite,
            "knock" if rules.knocking => Self::Knock,
            "restricted" if rules.restricted_joins => Self::Restricted(allowed_rooms(content)),
            "knock_restricted" if rules.knock_restricted => Self::KnockRestricted(allowed_rooms(content)),
            other => Self::Other(other.to_owned()),
        }
    }

    /// Its name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Public => "public",
            Self::Invite => "invite",
            Self::Knock => "knock",
            Self::Restricted(_) => "restricted",
            Self::KnockRestricted(_) => "knock_restricted",
            Self::Other(name) => name,
        }
    }

    /// Says whether one may ask for an invitation.
    pub fn allows_knocking(&self) -> bool {
        match self {
            Self::Knock | Self::KnockRestricted(_) => true,
            Self::Public | Self::Invite | Self::Restricted(_) | Self::Other(_) => false,
        }
    }

    /// The rooms whose members may join, where the rule names such rooms at all.
    pub fn allowed_rooms(&self) -> Option<&[RoomId]> {
        match self {
            Self::Restricted(rooms) | Self::KnockRestricted(rooms) => Some(rooms),
            Self::Public | Self::Invite | Self::Knock | Self::Other(_) => None,
        }
    }
}

/// Reads `allow`. Conditions of types that we do not know are skipped: they let nobody in.
fn allowed_rooms(content: &Object) -> Vec<RoomId> {
    let conditions = content.get("allow").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let room_of = |condition: &Value| -> Option<RoomId> {
        let is_membership = condition.get("type").and_then(Value::as_str) == Some("m.room_membership");
        let room = condition.get("room_id").and_then(Value::as_str).filter(|_| is_membership)?;
        RoomId::parse(room).ok()
    };
    conditions.iter().filter_map(room_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room_version::RoomVersion;

    fn rule(version: RoomVersion, content: &str) -> JoinRule {
        JoinRule::parse(&serde_json::from_str(content).unwrap(), &version.rules().auth)
    }

    #[test]
    fn a_version_knows_its_own_join_rules_only() {
        for (version, name, known) in [
            (RoomVersion::V6, "knock", false),
            (RoomVersion::V7, "knock", true),
            (RoomVersion::V7, "restricted", false),
            (RoomVersion::V8, "restricted", true),
            (RoomVersion::V9, "knock_restricted", false),
            (RoomVersion::V10, "knock_restricted", true),
            (RoomVersion::V12, "private", false),
        ] {
            let rule = rule(version, &format!(r#"{{"join_rule": "{name}"}}"#));
            assert_eq!(!matches!(rule, JoinRule::Other(_)), known, "{name} in version {version}");
            assert_eq!(rule.as_str(), name);
        }
        assert_eq!(rule(RoomVersion::V11, "{}"), JoinRule::Invite);
    }

    #[test]
    fn allow_lists_rooms_and_skips_what_is_not_known() {
        let content = r#"{"join_rule": "restricted", "allow": [
            {"type": "m.room_membership", "room_id": "!a:a.test"},
            {"type": "org.example.age", "room_id": "!b:a.test"},
            {"type": "m.room_membership"}, 7]}"#;
        let rooms = vec![RoomId::parse("!a:a.test").unwrap()];
        assert_eq!(rule(RoomVersion::V8, content), JoinRule::Restricted(rooms));
    }
}

//! What differs between room versions, as data. Specification, "Room Versions".

use std::fmt;

/// A room version. Althing takes part in rooms of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RoomVersion {
    V1,
    V2,
    V3,
    V4,
    V5,
    V6,
    V7,
    V8,
    V9,
    V10,
    V11,
    V12,
}

/// The rules of one room version. Every difference between versions is a field here; nobody compares version numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How event ids come about.
    pub event_id: EventIdFormat,
    /// How room ids come about, and whether `m.room.create` is among the auth events.
    pub room_id: RoomIdFormat,
    /// Which algorithm merges forks.
    pub state_resolution: StateResolution,
    /// Numbers must be integers of at most 53 bits; anything else is no event (version 6).
    pub strict_json: bool,
    /// Events over the size limits in code points are dropped, those over in bytes only rejected (up to version 10);
    /// otherwise both are dropped.
    pub lenient_sizes: bool,
    /// A key must be valid at the event's `origin_server_ts` (version 5).
    pub enforce_key_validity: bool,
    /// What survives a redaction.
    pub redaction: RedactionRules,
    /// What the authorisation rules say.
    pub auth: AuthRules,
}

/// How an event gets its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventIdFormat {
    /// Chosen by the server that made it (versions 1 and 2).
    Chosen,
    /// The reference hash in standard base64 (version 3).
    ReferenceHash,
    /// The reference hash in URL-safe base64 (version 4 on).
    UrlSafeReferenceHash,
}

/// How a room gets its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomIdFormat {
    /// `!opaque:server`, chosen by the creator.
    Chosen,
    /// `!hash` of the create event, which itself has no `room_id` and is never among the auth events (version 12).
    CreateEvent,
}

/// The algorithm that merges forks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateResolution {
    /// Version 1.
    V1,
    /// Versions 2 to 11.
    V2,
    /// Version 12: starts from an empty state and includes the conflicted state subgraph.
    V2_1,
}

/// What survives a redaction beyond what survives in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedactionRules {
    /// `origin`, `membership` and `prev_state` at the top level (until version 10).
    pub keeps_historical_top_level: bool,
    /// `aliases` of `m.room.aliases` (until version 5).
    pub keeps_aliases: bool,
    /// The whole content of `m.room.create`, instead of `creator` alone (version 11).
    pub keeps_create_content: bool,
    /// `allow` of `m.room.join_rules` (version 8).
    pub keeps_join_rules_allow: bool,
    /// `join_authorised_via_users_server` of `m.room.member` (version 9).
    pub keeps_join_authorised: bool,
    /// `third_party_invite.signed` of `m.room.member` (version 11).
    pub keeps_third_party_signed: bool,
    /// `invite` of `m.room.power_levels` (version 11).
    pub keeps_invite_level: bool,
    /// `redacts` stands in the content of `m.room.redaction`, which keeps it (version 11).
    pub redacts_in_content: bool,
}

/// What the authorisation rules say beyond what they say in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthRules {
    /// `m.room.redaction` has auth rules of its own (versions 1 and 2).
    pub redaction_rule: bool,
    /// `m.room.aliases` has auth rules of its own (until version 5).
    pub aliases_rule: bool,
    /// `notifications` of the power levels are checked (version 6).
    pub limits_notifications_levels: bool,
    /// `knock` membership and join rule (version 7).
    pub knocking: bool,
    /// `restricted` join rule (version 8).
    pub restricted_joins: bool,
    /// `knock_restricted` join rule (version 10).
    pub knock_restricted: bool,
    /// Levels must be integers, not strings of them (version 10).
    pub integer_levels_only: bool,
    /// `m.room.create` has a `creator` (until version 10); later the sender is the creator.
    pub creator_in_content: bool,
    /// The creators' level is infinite, `additional_creators` are creators too (version 12).
    pub privileged_creators: bool,
}

impl RoomVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 12] = [
        Self::V1,
        Self::V2,
        Self::V3,
        Self::V4,
        Self::V5,
        Self::V6,
        Self::V7,
        Self::V8,
        Self::V9,
        Self::V10,
        Self::V11,
        Self::V12,
    ];

    /// The version called `name`, or `None` if it is not known.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == name)
    }

    /// The version's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1",
            Self::V2 => "2",
            Self::V3 => "3",
            Self::V4 => "4",
            Self::V5 => "5",
            Self::V6 => "6",
            Self::V7 => "7",
            Self::V8 => "8",
            Self::V9 => "9",
            Self::V10 => "10",
            Self::V11 => "11",
            Self::V12 => "12",
        }
    }

    /// The version's rules.
    pub fn rules(self) -> &'static Rules {
        match self {
            Self::V1 => &V1,
            Self::V2 => &V2,
            Self::V3 => &V3,
            Self::V4 => &V4,
            Self::V5 => &V5,
            Self::V6 => &V6,
            Self::V7 => &V7,
            Self::V8 => &V8,
            Self::V9 => &V9,
            Self::V10 => &V10,
            Self::V11 => &V11,
            Self::V12 => &V12,
        }
    }
}

impl fmt::Display for RoomVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// Each version is the one before with its changes.
const V1: Rules = Rules {
    event_id: EventIdFormat::Chosen,
    room_id: RoomIdFormat::Chosen,
    state_resolution: StateResolution::V1,
    strict_json: false,
    lenient_sizes: true,
    enforce_key_validity: false,
    redaction: RedactionRules {
        keeps_historical_top_level: true,
        keeps_aliases: true,
        keeps_create_content: false,
        keeps_join_rules_allow: false,
        keeps_join_authorised: false,
        keeps_third_party_signed: false,
        keeps_invite_level: false,
        redacts_in_content: false,
    },
    auth: AuthRules {
        redaction_rule: true,
        aliases_rule: true,
        limits_notifications_levels: false,
        knocking: false,
        restricted_joins: false,
        knock_restricted: false,
        integer_levels_only: false,
        creator_in_content: true,
        privileged_creators: false,
    },
};
const V2: Rules = Rules { state_resolution: StateResolution::V2, ..V1 };
const V3: Rules =
    Rules { event_id: EventIdFormat::ReferenceHash, auth: AuthRules { redaction_rule: false, ..V2.auth }, ..V2 };
const V4: Rules = Rules { event_id: EventIdFormat::UrlSafeReferenceHash, ..V3 };
const V5: Rules = Rules { enforce_key_validity: true, ..V4 };
const V6: Rules = Rules {
    strict_json: true,
    redaction: RedactionRules { keeps_aliases: false, ..V5.redaction },
    auth: AuthRules { aliases_rule: false, limits_notifications_levels: true, ..V5.auth },
    ..V5
};
const V7: Rules = Rules { auth: AuthRules { knocking: true, ..V6.auth }, ..V6 };
const V8: Rules = Rules {
    redaction: RedactionRules { keeps_join_rules_allow: true, ..V7.redaction },
    auth: AuthRules { restricted_joins: true, ..V7.auth },
    ..V7
};
const V9: Rules = Rules { redaction: RedactionRules { keeps_join_authorised: true, ..V8.redaction }, ..V8 };
const V10: Rules = Rules { auth: AuthRules { knock_restricted: true, integer_levels_only: true, ..V9.auth }, ..V9 };
const V11: Rules = Rules {
    lenient_sizes: false,
    redaction: RedactionRules {
        keeps_historical_top_level: false,
        keeps_create_content: true,
        keeps_third_party_signed: true,
        keeps_invite_level: true,
        redacts_in_content: true,
        ..V10.redaction
    },
    auth: AuthRules { creator_in_content: false, ..V10.auth },
    ..V10
};
const V12: Rules = Rules {
    room_id: RoomIdFormat::CreateEvent,
    state_resolution: StateResolution::V2_1,
    auth: AuthRules { privileged_creators: true, ..V11.auth },
    ..V11
};

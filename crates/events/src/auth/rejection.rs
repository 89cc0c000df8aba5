//! The rules that refuse events, each with what it looked at.

use serde::{Deserialize, Serialize};

use crate::id::{EventId, RoomId, ServerName, UserId};
use crate::membership::Membership;
use crate::power::Level;

/// The rule that refused an event, with what it looked at. Stored with the event; `althing explain` prints it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "rule", content = "with", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each variant's message says what it is")]
pub enum Rejection {
    #[error("its `{field}` is longer than 255 bytes")]
    Oversized { field: String },

    #[error("a create event comes first in its room, but this one has prev_events")]
    CreateHasPrevEvents,
    #[error("the room id {room} was not made by the server of {sender}, who sent the create event")]
    CreateInRoomOfOtherServer { room: RoomId, sender: UserId },
    #[error("a create event of this room version has no room_id of its own")]
    CreateHasRoomId,
    #[error("the create event is for the unknown room version {version}")]
    UnknownRoomVersion { version: String },
    #[error("the create event has no creator")]
    CreateWithoutCreator,
    #[error("additional_creators must be an array of user ids")]
    AdditionalCreatorsMalformed,

    #[error("the room {room} is not named after an accepted create event")]
    NoCreateEventOfRoom { room: RoomId },
    #[error("no create event is among its auth events")]
    NoCreateEventCited,
    #[error("it cites both {first} and {second} for the same state, {event_type} {state_key:?}")]
    AuthEventsDuplicate { event_type: String, state_key: String, first: EventId, second: EventId },
    #[error("it cites {event}, of type {event_type}, which does not belong among its auth events")]
    AuthEventUnexpected { event: EventId, event_type: String, state_key: Option<String> },
    #[error("its auth event {event} was itself rejected")]
    AuthEventRejected { event: EventId },
    #[error("its auth event {event} is of another room, {room}")]
    AuthEventOfOtherRoom { event: EventId, room: RoomId },

    #[error("the state has no create event")]
    NoCreateEvent,
    #[error("{create} keeps the room to its own server, which {sender} is not of")]
    NotFederated { sender: UserId, create: EventId },
    #[error("aliases of {state_key:?} were sent by {sender}, of another server")]
    AliasesOfOtherServer { sender: UserId, state_key: Option<String> },

    #[error("a member event needs a user id as its state key, not {state_key:?}")]
    MemberWithoutUser { state_key: Option<String> },
    #[error("the member event says no membership")]
    MemberWithoutMembership,
    #[error("there is no membership {membership:?} in this room version")]
    UnknownMembership { membership: String },
    #[error("it says that {authoriser:?} authorised the join, but is not signed by their server")]
    NotSignedByAuthoriser { authoriser: String },
    #[error("{sender} cannot set the membership of {target} to {membership}")]
    MembershipOfOtherUser { sender: UserId, target: UserId, membership: Membership },
    #[error("{user} is banned from the room by {ban}")]
    Banned { user: UserId, ban: EventId },
    #[error("{user} is not invited, and the join rule is {join_rule:?}")]
    NotInvited { user: UserId, join_rule: String, join_rules: Option<EventId> },
    #[error("the join rule {join_rule:?} lets nobody in")]
    NobodyMayJoin { user: UserId, join_rule: String, join_rules: Option<EventId> },
    #[error("{user} is not invited, and nobody in the room authorised the join")]
    NotAuthorised { user: UserId, join_rules: Option<EventId> },
    #[error("{authoriser}, who authorised the join, is not in the room")]
    AuthoriserNotJoined { authoriser: String, member: Option<EventId> },
    #[error("{authoriser}, who authorised the join, has power level {level}, and inviting needs {required}")]
    AuthoriserMayNotInvite { authoriser: UserId, level: Level, required: Level, power_levels: Option<EventId> },
    #[error("{target} cannot be invited, they are in the room already")]
    InviteOfMember { target: UserId, member: EventId },
    #[error("{user} has nothing to leave")]
    NothingToLeave { user: UserId, membership: Option<Membership>, member: Option<EventId> },
    #[error("the join rule {join_rule:?} does not allow knocking")]
    KnockingNotAllowed { user: UserId, join_rule: String, join_rules: Option<EventId> },
    #[error("{user} cannot knock: their membership is {membership} already")]
    KnockOfMember { user: UserId, membership: Membership, member: EventId },

    #[error("the third-party invite lacks {what}")]
    ThirdPartyInviteMalformed { what: String },
    #[error("the third-party invite was accepted by {mxid:?}, not by {target}")]
    ThirdPartyInviteOfOtherUser { mxid: String, target: UserId },
    #[error("there is no third-party invite with the token {token:?}")]
    ThirdPartyInviteUnknown { token: String },
    #[error("{sender} did not send the third-party invite {invite}")]
    ThirdPartyInviteByOther { sender: UserId, invite: EventId },
    #[error("none of the keys in {invite} verifies the acceptance of the third-party invite")]
    ThirdPartyInviteNotSigned { invite: EventId },

    #[error("{user} is not in the room")]
    NotJoined { user: UserId, membership: Option<Membership>, member: Option<EventId> },
    #[error("{user} has power level {level}, and {action} needs {required}")]
    PowerTooLow { user: UserId, level: Level, action: String, required: Level, power_levels: Option<EventId> },
    #[error("{sender} has power level {level}, which is not above the {target_level} of {target}")]
    TargetNotBelow { sender: UserId, level: Level, target: UserId, target_level: Level, power_levels: Option<EventId> },
    #[error("the state of {state_key} cannot be set by {sender}")]
    StateOfOtherUser { sender: UserId, state_key: String },

    #[error("the power levels' `{property}` must be {expected}")]
    LevelsMalformed { property: String, expected: String },
    #[error("the power levels name {user}, who created the room and has infinite power")]
    CreatorInLevels { user: UserId, create: EventId },
    #[error("{sender} has power level {level} and cannot change `{property}` from {current:?} to {new:?}")]
    LevelChangeTooHigh {
        sender: UserId,
        level: Level,
        property: String,
        current: Option<Level>,
        new: Option<Level>,
        power_levels: EventId,
    },
    #[error("{sender} has power level {level} and cannot change the {current} of {user}")]
    LevelOfPeerChanged { sender: UserId, level: Level, user: String, current: Level, power_levels: EventId },

    #[error("{sender} has power level {level}; redacting an event of another server, {server:?}, needs {required}")]
    RedactionOfOtherServer {
        sender: UserId,
        server: Option<ServerName>,
        level: Level,
        required: Level,
        power_levels: Option<EventId>,
    },
}

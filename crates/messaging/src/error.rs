//! What can go wrong, as the caller's caller needs it: a person at a client.

use events::{RoomId, UserId};
use pdu::{InviteError, JoinError, LeaveError, PurgeError, SendError, StillPartial};
use persistence::StoreError;

/// A request to messaging that failed.
#[derive(Debug, thiserror::Error)]
pub enum MessagingError {
    /// The room is not known here, or not to this user.
    #[error("the room {0} is not known here")]
    UnknownRoom(RoomId),
    /// The user may not.
    #[error("{0}")]
    Forbidden(String),
    /// A parameter makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// What was to be made is there already.
    #[error("{0}")]
    InUse(String),
    /// An alias that is none of the room it is to name.
    #[error("{0}")]
    BadAlias(String),
    /// The state that a room is to begin with breaks its own rules.
    #[error("the new room's state is not allowed by its own rules: {0}")]
    InvalidState(String),
    /// The user is still in the room.
    #[error("{0}")]
    NotLeft(String),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// The room's version is not one that this server takes part in.
    #[error("the room {room} has version {version}, which is not supported here")]
    UnsupportedVersion {
        /// Which room.
        room: RoomId,
        /// Its version.
        version: String,
    },
    /// The event is larger than events may be.
    #[error("{0}")]
    TooLarge(String),
    /// Another server refused, with its status, code and words.
    #[error("{message}")]
    RemoteRefused {
        /// The HTTP status.
        status: u16,
        /// The Matrix error code.
        errcode: String,
        /// Its words, with its name.
        message: String,
    },
    /// Other servers were needed and could not be had.
    #[error("{0}")]
    RemoteFailed(String),
    /// The members of the room are not all known yet.
    #[error(transparent)]
    Partial(#[from] StillPartial),
    /// Our fault; the log says why.
    #[error("the server failed: {0}")]
    Internal(String),
}

impl MessagingError {
    /// A user who is not in a room.
    pub(crate) fn not_joined(user: &UserId, room: &RoomId) -> Self {
        Self::Forbidden(format!("{user} is not in the room {room}"))
    }
}

impl From<StoreError> for MessagingError {
    fn from(error: StoreError) -> Self {
        tracing::error!("a request failed: {error}");
        Self::Internal(error.to_string())
    }
}

impl From<PurgeError> for MessagingError {
    fn from(error: PurgeError) -> Self {
        match error {
            PurgeError::Unknown(room) => Self::UnknownRoom(room),
            PurgeError::InUse { .. } => Self::NotLeft(error.to_string()),
            PurgeError::Store(error) => error.into(),
        }
    }
}

impl From<SendError> for MessagingError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::UnknownRoom(room) | SendError::NotInRoom(room) => Self::UnknownRoom(room),
            SendError::Forbidden(rejection) => Self::Forbidden(rejection.to_string()),
            SendError::Format(events::pdu::FormatError::TooLarge(size)) => {
                Self::TooLarge(events::pdu::FormatError::TooLarge(size).to_string())
            }
            SendError::Format(error) => Self::Invalid(error.to_string()),
            SendError::TooAlike => Self::Invalid(error.to_string()),
            SendError::Partial(partial) => partial.into(),
            SendError::Stuck { .. } => Self::Internal(error.to_string()),
            SendError::Store(StoreError::Conflict(reason)) => Self::InUse(reason),
            SendError::Store(error) => error.into(),
        }
    }
}

impl From<JoinError> for MessagingError {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Refused { server, status, errcode, message } => {
                Self::RemoteRefused { status, errcode, message: format!("{server} says: {message}") }
            }
            JoinError::NoServers(room) => Self::NotFound(format!("no server is known that is in the room {room}")),
            JoinError::Failed { .. } => Self::RemoteFailed(error.to_string()),
            JoinError::UnsupportedVersion { room, version } => Self::UnsupportedVersion { room, version },
            JoinError::Store(error) => error.into(),
        }
    }
}

impl From<LeaveError> for MessagingError {
    fn from(error: LeaveError) -> Self {
        match error {
            LeaveError::NothingToLeave { .. } => Self::Forbidden(error.to_string()),
            LeaveError::Store(error) => error.into(),
        }
    }
}

impl From<InviteError> for MessagingError {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Send(error) => error.into(),
            InviteError::Remote(error) => error.into(),
        }
    }
}

//! Everything that one server can ask another but `/send`: typed, with limits, the paths encoded.
//!
//! Nothing in an answer is trusted: events come back as raw JSON, for the PDU layer to check, and what has the wrong type is
//! an error that names the server. Whether to believe an answer is for those to decide who asked.

mod handshakes;
mod history;
mod queries;

use std::time::Duration;

use events::ServerName;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use transport::client::{CallError, CallLimits, Client, Rest};

pub use handshakes::{Joined, Members, Template};
pub use history::{BACKFILL_MAX, MISSING_EVENTS_MAX, RoomState, RoomStateIds};
pub use queries::Directory;

/// For a question that can be answered from a few rows.
pub const QUICK_LIMITS: CallLimits =
    CallLimits { timeout: Duration::from_secs(10), response_bytes_max: 1024 * 1024 };
/// For a question about many events or users.
pub const LONG_LIMITS: CallLimits =
    CallLimits { timeout: Duration::from_secs(60), response_bytes_max: 50 * 1024 * 1024 };
/// For an answer with the whole state of a room: 1 to 2 KB for each who is or ever was a member, and minutes to make for the
/// largest rooms.
pub const STATE_LIMITS: CallLimits =
    CallLimits { timeout: Duration::from_secs(300), response_bytes_max: 256 * 1024 * 1024 };

/// Asks other servers. Cheap to clone.
#[derive(Clone)]
pub struct Requests {
    client: Client,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// There was no answer, or it was an error.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The answer is not what the specification says.
    #[error("{server} answered {path} with something else than the specification says: {reason}")]
    Malformed {
        /// Who answered.
        server: ServerName,
        /// The question.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl RequestError {
    /// The Matrix error code, if the server refused with one.
    pub fn errcode(&self) -> Option<&str> {
        match self {
            Self::Call(CallError::Refused { errcode, .. }) => Some(errcode),
            Self::Call(CallError::Exchange(_) | CallError::Garbage { .. } | CallError::Resting { .. })
            | Self::Malformed { .. } => None,
        }
    }

    /// The HTTP status, if the server refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Call(CallError::Refused { status, .. }) => Some(*status),
            Self::Call(CallError::Exchange(_) | CallError::Garbage { .. } | CallError::Resting { .. })
            | Self::Malformed { .. } => None,
        }
    }

    /// Says whether the server does not know this endpoint. S2S API, "Unsupported endpoints"; servers older than that answer
    /// with a bare 404 or with 400 `M_UNRECOGNIZED`.
    fn is_unrecognized(&self) -> bool {
        match self {
            Self::Call(CallError::Refused { status, errcode, body, .. }) => match status {
                404 => errcode == "M_UNRECOGNIZED" || body.get("errcode").is_none(),
                400 | 405 => errcode == "M_UNRECOGNIZED",
                _ => false,
            },
            Self::Call(CallError::Exchange(_) | CallError::Garbage { .. } | CallError::Resting { .. })
            | Self::Malformed { .. } => false,
        }
    }
}

/// What is asked.
struct Question<'a> {
    method: Method,
    path: String,
    body: Option<&'a Value>,
    limits: CallLimits,
    rest: Rest,
}

impl<'a> Question<'a> {
    fn get(path: String, limits: CallLimits) -> Self {
        Self { method: Method::GET, path, body: None, limits, rest: Rest::Respect }
    }

    fn post(path: String, body: &'a Value, limits: CallLimits) -> Self {
        Self { method: Method::POST, path, body: Some(body), limits, rest: Rest::Respect }
    }

    fn put(path: String, body: &'a Value, limits: CallLimits) -> Self {
        Self { method: Method::PUT, path, body: Some(body), limits, rest: Rest::Respect }
    }

    /// Asks a server that rests, too: a person waits for the answer, and few others could give it.
    fn even_if_it_rests(self) -> Self {
        Self { rest: Rest::Ignore, ..self }
    }
}

impl Requests {
    /// Asks through `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        server: &ServerName,
        question: Question<'_>,
    ) -> Result<T, RequestError> {
        let Question { method, path, body, limits, rest } = question;
        let answer = self.client.call_raw(server, method, path.clone(), body, limits, rest).await?;
        serde_json::from_slice(&answer).map_err(|error| RequestError::Malformed {
            server: server.clone(),
            path,
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;

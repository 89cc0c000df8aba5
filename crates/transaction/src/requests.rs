//! Everything that one server can ask another but `/send`: typed, with limits, the paths encoded.
//!
//! Nothing in an answer is trusted: events come back as raw JSON, for the PDU layer to check, and what has the wrong type is
//! an error that names the server. Whether to believe an answer is for those to decide who asked.

mod elements;
mod handshakes;
mod history;
mod media;
mod queries;
mod replay;

use std::time::Duration;

use events::{Object, ServerName};
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use transport::{CallError, CallLimits, Client, Rest};

pub use elements::Elements;
pub use handshakes::{Invite, Joined, Template};
pub use history::{BACKFILL_MAX, LACKS_KEYS, MISSING_EVENTS_MAX, RoomStateIds, TimedEvent};
pub use media::MediaRequests;
pub use replay::DeliveredPage;

/// For a question that can be answered from a few rows.
pub const QUICK_LIMITS: CallLimits = CallLimits { timeout: Duration::from_secs(10), response_bytes_max: 1024 * 1024 };
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
    /// The server answered with an error.
    #[error("{server} refused: {status} {errcode}: {message}")]
    Refused {
        /// Who refused.
        server: ServerName,
        /// The HTTP status.
        status: u16,
        /// The Matrix error code, or `M_UNKNOWN`.
        errcode: String,
        /// Its words.
        message: String,
        /// The whole body.
        body: Value,
    },
    /// There was no answer. Names the server.
    #[error(transparent)]
    Failed(CallError),
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

impl From<CallError> for RequestError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { server, status, errcode, error: message, body } => {
                Self::Refused { server, status, errcode, message, body }
            }
            CallError::Exchange(_) | CallError::Garbage { .. } | CallError::Resting { .. } => Self::Failed(error),
        }
    }
}

impl RequestError {
    /// Says whether the server does not know this endpoint. S2S API, "Unsupported endpoints"; older servers answer with a
    /// bare 404 or with 400 `M_UNRECOGNIZED`.
    pub(crate) fn is_unrecognized(&self) -> bool {
        match self {
            Self::Refused { status: 404, body, .. } if body.get("errcode").is_none() => true,
            Self::Refused { status: 400 | 404 | 405, errcode, .. } => errcode == "M_UNRECOGNIZED",
            Self::Refused { .. } | Self::Failed(_) | Self::Malformed { .. } => false,
        }
    }
}

/// What is asked.
struct Question<'a> {
    method: Method,
    path: String,
    body: Option<&'a Object>,
    limits: CallLimits,
}

impl<'a> Question<'a> {
    fn get(path: String, limits: CallLimits) -> Self {
        Self { method: Method::GET, path, body: None, limits }
    }

    fn post(path: String, body: &'a Object, limits: CallLimits) -> Self {
        Self { method: Method::POST, path, body: Some(body), limits }
    }

    fn put(path: String, body: &'a Object, limits: CallLimits) -> Self {
        Self { method: Method::PUT, path, body: Some(body), limits }
    }
}

impl Requests {
    /// Asks through `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn ask<T: DeserializeOwned>(&self, server: &ServerName, question: Question<'_>) -> Result<T, RequestError> {
        let Question { method, path, body, limits } = question;
        let body = body.map(|body| Value::Object(body.clone()));
        // Somebody waits for the answer, or there is nobody else to ask: a server that rests is asked all the same.
        let answer = self.client.call_raw(server, method, path.clone(), body.as_ref(), limits, Rest::Ignore).await?;
        serde_json::from_slice(&answer).map_err(|error| RequestError::Malformed {
            server: server.clone(),
            path,
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;

//! A request to a server gives a response: over HTTPS, or through a simulation.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use events::ServerName;

use crate::download::Download;

/// A future that can be sent to other threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A request to another server, ready to go: signed, if it needs to be.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whom to ask.
    pub destination: ServerName,
    /// `GET`, `PUT` or `POST`.
    pub method: http::Method,
    /// The path with its query, from `/_matrix` on.
    pub path_and_query: String,
    /// The value of the `Authorization` header.
    pub authorization: Option<String>,
    /// A JSON body.
    pub body: Option<Bytes>,
    /// How long to wait for the whole response.
    pub timeout: Duration,
    /// How many bytes of it to read; more is [`ExchangeError::TooLarge`].
    pub response_bytes_max: usize,
}

/// What the server answered, whatever the status.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body. We ask for none that is compressed, and take none.
    pub body: Bytes,
    /// `Retry-After`, in seconds, if it was there.
    pub retry_after: Option<u64>,
}

/// There was no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// The server cannot be found, reached, or be trusted to be itself.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// Whom we asked.
        server: ServerName,
        /// At which step, and why.
        reason: String,
    },
    /// It did not answer in time.
    #[error("{0} did not answer in time")]
    TimedOut(ServerName),
    /// It answered more than we read.
    #[error("the answer of {0} is too large")]
    TooLarge(ServerName),
}

/// Carries requests to servers.
pub trait Exchange: Send + Sync {
    /// Sends `request` and returns the response.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>>;

    /// Like [`Exchange::send`], but the body is yet to be read. The time-out is for the head; a body may take longer as long as it
    /// makes progress. Who carries small answers only may have read it already.
    fn open(&self, request: Request) -> BoxFuture<'_, Result<Download, ExchangeError>> {
        Box::pin(async move { self.send(request).await.map(Download::from) })
    }
}

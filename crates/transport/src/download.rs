//! Downloads: responses whose bodies are read piece by piece, as they are too large to hold.

use bytes::Bytes;
use events::ServerName;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::client::CallLimits;
use crate::exchange::{BoxFuture, Exchange, ExchangeError, Response};

/// Bytes of a refusal that are read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// The body of a response. Ends with an error if it breaks off, stalls, or has more bytes than were asked for.
pub type Pieces = BoxStream<'static, Result<Bytes, ExchangeError>>;

/// A response whose body is yet to be read.
pub struct Download {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: Pieces,
}

/// Opens downloads. [`Https`](crate::https::Https) is the real one.
pub trait Downloads: Exchange {
    /// Gets what lies at an address that `server` named, with the redirects that follow. Only HTTPS, and only at addresses that
    /// requests to servers may reach too.
    fn open_url<'a>(
        &'a self,
        server: &'a ServerName,
        url: &'a str,
        limits: CallLimits,
    ) -> BoxFuture<'a, Result<Download, ExchangeError>>;
}

impl From<Response> for Download {
    fn from(response: Response) -> Self {
        let mut headers = http::HeaderMap::new();
        headers.extend(response.retry_after.map(|after| (http::header::RETRY_AFTER, after.into())));
        let body = Box::pin(stream::iter([Ok(response.body)]));
        Self { status: response.status, headers, body }
    }
}

impl Download {
    /// A header as text, if it is there and is text.
    pub fn header(&self, name: http::header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.header(http::header::RETRY_AFTER).and_then(|after| after.parse().ok())
    }

    /// Reads the beginning of the body, enough for the words of a refusal.
    pub(crate) async fn into_response(mut self) -> Result<Response, ExchangeError> {
        let retry_after = self.retry_after();
        let mut body = Vec::new();
        while body.len() < REFUSAL_BYTES_MAX {
            match self.body.next().await {
                Some(piece) => body.extend_from_slice(&piece?),
                None => break,
            }
        }
        Ok(Response { status: self.status, body: body.into(), retry_after })
    }
}

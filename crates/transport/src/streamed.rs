//! Answers that are written piece by piece, as they are too large to hold.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use handles::Clock;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::error::ApiError;
use crate::exchange::BoxFuture;

/// The JSON body of a response, in pieces. If one cannot be had, the response breaks off, so that nobody takes it for whole.
pub struct Streamed(BoxStream<'static, io::Result<Bytes>>);

/// The answer to a question that may be very large.
pub type StreamedAnswer<'a> = BoxFuture<'a, Result<Streamed, ApiError>>;

impl Streamed {
    /// A body of these pieces.
    pub fn new(pieces: BoxStream<'static, io::Result<Bytes>>) -> Self {
        Self(pieces)
    }

    /// Tells `had` of each piece since when it was waited for, on the monotonic clock.
    pub(crate) fn watched(self, clock: Arc<dyn Clock>, had: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        let watch = Arc::new((clock, had));
        let next = move |mut pieces: BoxStream<'static, io::Result<Bytes>>| {
            let watch = Arc::clone(&watch);
            async move {
                let (clock, had) = &*watch;
                let began = clock.monotonic();
                let piece = pieces.next().await;
                had(began);
                piece.map(|piece| (piece, pieces))
            }
        };
        Self(stream::unfold(self.0, next).boxed())
    }

    /// The answer of an endpoint's first version, which repeats the status: `[200, …]`.
    pub(crate) fn in_pair(self) -> Self {
        let one = |text: &'static str| stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
        Self(one("[200,").chain(self.0).chain(one("]")).boxed())
    }
}

impl From<Value> for Streamed {
    fn from(value: Value) -> Self {
        Self(Box::pin(stream::iter([Ok(Bytes::from(value.to_string()))])))
    }
}

impl IntoResponse for Streamed {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/json")], Body::from_stream(self.0)).into_response()
    }
}

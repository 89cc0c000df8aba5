//! Bodies that are read piece by piece.

use std::time::Duration;

use bytes::Bytes;
use events::ServerName;
use futures_util::{StreamExt, stream};
use http::Uri;
use http::header::LOCATION;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};

use super::well_known::{destination_of, redirected};
use super::{Https, PROGRESS_BYTES_PER_SECOND, USER_AGENT, with_causes};
use crate::client::CallLimits;
use crate::download::{Download, Downloads, Pieces};
use crate::exchange::{BoxFuture, ExchangeError};

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 3;

impl Https {
    /// The pieces of a body, as long as it makes progress and is not too large.
    pub(super) fn pieces(
        &self,
        server: &ServerName,
        body: Incoming,
        bytes_max: usize,
        deadline: Duration,
    ) -> Result<Pieces, ExchangeError> {
        if body.size_hint().lower() > bytes_max as u64 {
            return Err(ExchangeError::TooLarge(server.clone()));
        }
        let (clock, server) = (self.handles.clock.clone(), server.clone());
        let pieces = stream::try_unfold((body, 0), move |(mut body, mut read)| {
            let (clock, server) = (clock.clone(), server.clone());
            async move {
                loop {
                    let earned = Duration::from_millis(read as u64 * 1000 / PROGRESS_BYTES_PER_SECOND);
                    let patience = (deadline + earned).saturating_sub(clock.monotonic());
                    let frame = tokio::select! {
                        biased;
                        frame = body.frame() => frame,
                        () = clock.sleep(patience) => return Err(ExchangeError::TimedOut(server)),
                    };
                    let Some(frame) = frame else { return Ok(None) };
                    let frame = frame.map_err(|error| ExchangeError::Unreachable {
                        server: server.clone(),
                        reason: format!("the answer broke off: {}", with_causes(&error)),
                    })?;
                    let Ok(data) = frame.into_data() else { continue };
                    read += data.len();
                    if read > bytes_max {
                        return Err(ExchangeError::TooLarge(server));
                    }
                    return Ok(Some((data, (body, read))));
                }
            }
        });
        Ok(pieces.boxed())
    }

    async fn follow(
        &self,
        server: &ServerName,
        url: &str,
        limits: CallLimits,
        deadline: Duration,
    ) -> Result<Download, ExchangeError> {
        let failed = |reason: String| ExchangeError::Unreachable { server: server.clone(), reason };
        // Relative addresses have nothing that they are relative to.
        let nowhere = Uri::from_static("https://invalid./");
        let mut uri = redirected(&nowhere, Some(url)).map_err(failed)?;
        if uri.host() == nowhere.host() {
            return Err(failed(format!("it names {url}, which is no address")));
        }
        for _ in 0..=REDIRECTS_MAX {
            self.well_known_connector.learn(&destination_of(&uri, self.well_known_port).map_err(failed)?);
            let request = http::Request::get(uri.clone())
                .header(http::header::USER_AGENT, USER_AGENT)
                .body(Full::<Bytes>::default())
                .map_err(|error| failed(error.to_string()))?;
            let response = self.well_known_http.request(request).await;
            let response = response.map_err(|error| failed(format!("{uri}: {}", with_causes(&error))))?;
            if response.status().is_redirection() {
                let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                uri = redirected(&uri, to).map_err(failed)?;
                continue;
            }
            let (head, body) = response.into_parts();
            let body = self.pieces(server, body, limits.response_bytes_max, deadline)?;
            return Ok(Download { status: head.status.as_u16(), headers: head.headers, body });
        }
        Err(failed(format!("more than {REDIRECTS_MAX} redirects from {url}")))
    }
}

impl Downloads for Https {
    fn open_url<'a>(
        &'a self,
        server: &'a ServerName,
        url: &'a str,
        limits: CallLimits,
    ) -> BoxFuture<'a, Result<Download, ExchangeError>> {
        Box::pin(async move {
            let deadline = self.handles.clock.monotonic() + limits.timeout;
            tokio::select! {
                biased;
                opened = self.follow(server, url, limits, deadline) => opened,
                () = self.handles.clock.sleep(limits.timeout) => Err(ExchangeError::TimedOut(server.clone())),
            }
        })
    }
}

//! `https://{host}/.well-known/matrix/server`, with its redirects and cache times. S2S API, "Resolving server names", step 3.

use std::time::Duration;

use bytes::Bytes;
use events::{ServerName, Value};
use http::Uri;
use http::header::{CACHE_CONTROL, LOCATION};
use http_body_util::{BodyExt, Full, Limited};

use super::Https;
use crate::discovery::Destination;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// Bytes of the file.
const BYTES_MAX: usize = 64 * 1024;
/// How long the whole of it may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer counts that does not say.
const KEEP_DEFAULT: Duration = Duration::from_secs(24 * 3600);
/// The longest that an answer may ask to count.
const KEEP_MAX: Duration = Duration::from_secs(48 * 3600);
/// The shortest.
const KEEP_MIN: Duration = Duration::from_secs(300);
/// How long it counts that there is none.
const KEEP_FAILURE: Duration = Duration::from_secs(600);

/// What a host says about its Matrix server.
pub(super) struct WellKnown {
    pub(super) delegate: Option<ServerName>,
    pub(super) keep_for: Duration,
}

impl Https {
    /// Asks a host for its well-known file. What is no valid answer is none.
    pub(super) async fn well_known(&self, host: &str) -> WellKnown {
        let timeout = self.handles.clock.sleep(TIMEOUT);
        let found = tokio::select! {
            biased;
            found = self.fetch_well_known(host) => found,
            () = timeout => Err("it took too long".to_owned()),
        };
        match found {
            Ok((delegate, keep_for)) => WellKnown { delegate: Some(delegate), keep_for },
            Err(reason) => {
                tracing::debug!(server.name = host, "no well-known file at {host}: {reason}");
                WellKnown { delegate: None, keep_for: KEEP_FAILURE }
            }
        }
    }

    async fn fetch_well_known(&self, host: &str) -> Result<(ServerName, Duration), String> {
        let mut uri =
            format!("https://{host}/.well-known/matrix/server").parse::<Uri>().map_err(|error| error.to_string())?;
        for _ in 0..=REDIRECTS_MAX {
            self.connector.learn(&destination_of(&uri)?);
            let request =
                http::Request::get(uri.clone()).body(Full::<Bytes>::default()).map_err(|error| error.to_string())?;
            let response = self.http.request(request).await.map_err(|error| super::with_causes(&error))?;
            if response.status().is_redirection() {
                uri = redirected(&uri, response.headers().get(LOCATION).and_then(|to| to.to_str().ok()))?;
                continue;
            }
            if response.status() != http::StatusCode::OK {
                return Err(format!("status {}", response.status()));
            }
            let keep_for = keep_for(response.headers().get(CACHE_CONTROL).and_then(|value| value.to_str().ok()));
            let body =
                Limited::new(response.into_body(), BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
            let body: Value = serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string())?;
            let delegate = body.get("m.server").and_then(Value::as_str).ok_or("it has no `m.server`")?;
            return Ok((ServerName::parse(delegate).map_err(|error| error.to_string())?, keep_for));
        }
        Err(format!("more than {REDIRECTS_MAX} redirects"))
    }
}

/// An ordinary HTTPS request: port 443 unless the URI says otherwise.
fn destination_of(uri: &Uri) -> Result<Destination, String> {
    let authority = uri.authority().ok_or("a redirect leads nowhere")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Destination {
        candidates: vec![(host.clone(), authority.port_u16().unwrap_or(443))],
        authority: authority.as_str().to_owned(),
        certificate_name: host,
    })
}

fn redirected(from: &Uri, to: Option<&str>) -> Result<Uri, String> {
    let to = to.ok_or("a redirect without a place")?;
    let to = if to.starts_with('/') {
        format!("https://{}{to}", from.authority().map(http::uri::Authority::as_str).unwrap_or_default())
    } else {
        to.to_owned()
    };
    let uri: Uri = to.parse().map_err(|error| format!("a redirect to {to}: {error}"))?;
    if uri.scheme_str() == Some("https") { Ok(uri) } else { Err(format!("a redirect to {to}, which is not HTTPS")) }
}

/// How long an answer counts, by its `Cache-Control`.
fn keep_for(cache_control: Option<&str>) -> Duration {
    let Some(directives) = cache_control else { return KEEP_DEFAULT };
    let mut keep = KEEP_DEFAULT;
    for directive in directives.split(',').map(str::trim) {
        if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") {
            return KEEP_MIN;
        }
        if let Some(seconds) =
            directive.to_ascii_lowercase().strip_prefix("max-age=").and_then(|text| text.parse().ok())
        {
            keep = Duration::from_secs(seconds);
        }
    }
    keep.clamp(KEEP_MIN, KEEP_MAX)
}

//! `https://{host}/.well-known/matrix/server`, with its redirects and cache times. S2S API, "Resolving server names", step 3.

mod known;

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use events::ServerName;
use http::Uri;
use http::header::LOCATION;
use http_body_util::{BodyExt, Full, Limited};

use super::{Https, USER_AGENT};
use crate::discovery::{Destination, delegate_in};
use known::{Lifetime, lifetime};

pub(super) use known::Known;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;
/// Bytes of the file.
const BYTES_MAX: usize = 64 * 1024;
/// Hosts whose answers are remembered.
const HOSTS_MAX: usize = 20_000;
/// How long the whole of it may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Why there is no delegation.
enum NoDelegation {
    /// The host says so, or says something that is not valid.
    NotThere(String),
    /// It could not be asked.
    Failed(String),
}

impl Https {
    /// To which server `host` delegates, from memory if that is fresh.
    pub(super) async fn delegate_of(&self, host: &str) -> Option<ServerName> {
        let now = self.handles.clock.now();
        if let Some(known) = self.well_knowns().get(host).filter(|known| known.is_fresh(now)) {
            return known.delegate(now).cloned();
        }
        let timeout = self.handles.clock.sleep(TIMEOUT);
        let found = tokio::select! {
            biased;
            found = self.fetch_well_known(host) => found,
            () = timeout => Err(NoDelegation::Failed("it took too long".to_owned())),
        };
        let now = self.handles.clock.now();
        let mut all = self.well_knowns();
        if all.len() >= HOSTS_MAX && !all.contains_key(host) {
            all.retain(|_, known| known.is_fresh(now));
            if all.len() >= HOSTS_MAX {
                all.pop_first();
            }
        }
        let known = all.entry(host.to_owned()).or_default();
        match found {
            Ok((delegate, lifetime)) => known.handle_found(now, delegate, lifetime),
            Err(NoDelegation::NotThere(reason)) => {
                tracing::debug!(server.name = host, "{host} delegates to nobody: {reason}");
                known.handle_not_there(now);
            }
            Err(NoDelegation::Failed(reason)) => {
                tracing::debug!(server.name = host, "whether {host} delegates could not be asked: {reason}");
                known.handle_failed(now);
            }
        }
        known.delegate(now).cloned()
    }

    async fn fetch_well_known(&self, host: &str) -> Result<(ServerName, Lifetime), NoDelegation> {
        let not_there = |reason: String| NoDelegation::NotThere(reason);
        let uri = format!("https://{host}/.well-known/matrix/server");
        let mut uri = uri.parse::<Uri>().map_err(|error| not_there(error.to_string()))?;
        for _ in 0..=REDIRECTS_MAX {
            self.well_known_connector.learn(&destination_of(&uri, self.well_known_port).map_err(not_there)?);
            let request = http::Request::get(uri.clone())
                .header(http::header::USER_AGENT, USER_AGENT)
                .body(Full::<Bytes>::default())
                .map_err(|error| not_there(error.to_string()))?;
            let response = self.well_known_http.request(request).await;
            let response = response.map_err(|error| NoDelegation::Failed(super::with_causes(&error)))?;
            let status = response.status();
            if status.is_redirection() {
                let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                uri = redirected(&uri, to).map_err(not_there)?;
                continue;
            }
            if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
                return Err(NoDelegation::Failed(format!("status {status}")));
            }
            if status != http::StatusCode::OK {
                return Err(NoDelegation::NotThere(format!("status {status}")));
            }
            let lifetime = lifetime(response.headers(), self.handles.clock.now());
            let body = Limited::new(response.into_body(), BYTES_MAX).collect().await;
            let body = body.map_err(|error| NoDelegation::Failed(error.to_string()))?;
            return Ok((delegate_in(&body.to_bytes()).map_err(not_there)?, lifetime));
        }
        Err(NoDelegation::NotThere(format!("more than {REDIRECTS_MAX} redirects")))
    }

    fn well_knowns(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.well_knowns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An ordinary HTTPS request, to `default_port` unless the URI says otherwise.
pub(super) fn destination_of(uri: &Uri, default_port: u16) -> Result<Destination, String> {
    let authority = uri.authority().ok_or("a redirect leads nowhere")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Destination {
        candidates: vec![(host.clone(), authority.port_u16().unwrap_or(default_port))],
        authority: authority.as_str().to_owned(),
        certificate_name: host,
    })
}

pub(super) fn redirected(from: &Uri, to: Option<&str>) -> Result<Uri, String> {
    let to = to.ok_or("a redirect without a place")?;
    let authority = from.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let to = if to.starts_with("//") {
        format!("https:{to}")
    } else if to.starts_with('/') {
        format!("https://{authority}{to}")
    } else if to.contains("://") {
        to.to_owned()
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("https://{authority}{folder}/{to}")
    };
    let uri: Uri = to.parse().map_err(|error| format!("a redirect to {to}: {error}"))?;
    if uri.scheme_str() != Some("https") {
        return Err(format!("a redirect to {to}, which is not HTTPS"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(format!("a redirect to {to}, which names a user"));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_where_a_browser_would_go_but_only_over_https() {
        let from: Uri = "https://a.test:1/x/y".parse().unwrap();
        for (to, expected) in [
            ("https://b.test/z", Some("https://b.test/z")),
            ("//b.test:5/z", Some("https://b.test:5/z")),
            ("/z?q", Some("https://a.test:1/z?q")),
            ("z", Some("https://a.test:1/x/z")),
            ("http://b.test/z", None),
            ("ftp://b.test/z", None),
            ("https://user@b.test/z", None),
            ("https://", None),
        ] {
            assert_eq!(redirected(&from, Some(to)).ok().map(|uri| uri.to_string()).as_deref(), expected, "{to}");
        }
        assert!(redirected(&from, None).is_err());
    }
}

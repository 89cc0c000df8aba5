//! Whether other servers find us, by the same steps that they take, and whether it is us whom they find.

use std::time::Duration;

use events::SigningKey;
use handles::Handles;
use serde_json::Value;
use transport::discovery::Destination;
use transport::exchange::{Exchange, Request};
use transport::https::Https;

use super::Report;
use super::ports::Running;
use crate::config::Config;
use crate::server;

/// For the whole look.
const TIMEOUT: Duration = Duration::from_secs(15);
const KEYS_BYTES_MAX: usize = 64 * 1024;

/// Finds our own name as others would. `None` if that took too long, or cannot be done.
pub(super) async fn discover(config: &Config, report: &mut Report) -> Option<(Https, Destination)> {
    let handles = Handles::system();
    let https = match Https::new(&server::https(config), handles.clone()) {
        Ok(https) => https,
        Err(error) => {
            report.problem("reachability", &error);
            return None;
        }
    };
    tokio::select! {
        biased;
        destination = https.discover(&config.server_name) => Some((https.clone(), destination)),
        () = handles.clock.sleep(TIMEOUT) => {
            report.warning("reachability", &format!("looking up {} took too long: see to DNS and well-known", config.server_name));
            None
        }
    }
}

/// Asks whoever is found under our name for their keys.
pub(super) async fn check(
    config: &Config,
    https: &Https,
    destination: &Destination,
    own_key: Option<&SigningKey>,
    running: Running,
    report: &mut Report,
) {
    let place = &destination.authority;
    if running == Running::No {
        let text = format!("other servers look for us at {place}; whether they reach us shows while the server runs");
        report.good("reachability", &text);
        return;
    }
    let request = Request {
        destination: config.server_name.clone(),
        method: axum::http::Method::GET,
        path_and_query: "/_matrix/key/v2/server".to_owned(),
        authorization: None,
        body: None,
        timeout: TIMEOUT,
        response_bytes_max: KEYS_BYTES_MAX,
    };
    // From inside, a way may be closed that is open from outside: a router that does not lead back in. So: no problem.
    let response = match https.send(request).await {
        Ok(response) => response,
        Err(error) => {
            report.warning("reachability", &format!("we do not reach ourselves at {place}: {error}"));
            return;
        }
    };
    let published: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let published = published.pointer("/verify_keys").and_then(Value::as_object);
    let is_ours = own_key.is_some_and(|key| published.is_some_and(|keys| keys.contains_key(key.id().as_str())));
    if is_ours {
        report.good("reachability", &format!("other servers find us at {place}"));
    } else {
        let text = format!(
            "at {place}, where other servers look for us, somebody else answers (status {}): mend DNS, well-known or the \
             reverse proxy",
            response.status
        );
        report.problem("reachability", &text);
    }
}

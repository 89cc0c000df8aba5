//! Which paths each port serves.

use axum::http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use transport::ServerContext;

use crate::config::{Config, Tls};

/// The routers of the two kinds of ports.
pub(super) struct Routes {
    pub(super) client: Router,
    pub(super) federation: Router,
}

impl Routes {
    /// Sorts the endpoints to the ports.
    pub(super) fn new(config: &Config, client_api: Router, federation: ServerContext) -> Self {
        let beside = match &config.federation.tls {
            // A reverse proxy sends everything to one port.
            Tls::Proxy => transport::routes(federation.clone()),
            Tls::SelfSigned | Tls::Files { .. } => Router::new(),
        };
        Self { client: client_api.merge(beside).merge(well_known(config)), federation: transport::router(federation) }
    }
}

/// `/.well-known/matrix/…`, if the configuration says that we answer there. S2S API, "Server discovery"; C-S API, "Well-known
/// URI".
fn well_known(config: &Config) -> Router {
    let Some(delegate) = &config.client.serve_well_known else { return Router::new() };
    let server = json!({ "m.server": delegate });
    let client = json!({ "m.homeserver": { "base_url": config.client.public_url } });
    // Web clients read both from pages of other origins.
    let open = [(ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    Router::new().route("/.well-known/matrix/server", get(async move || (open.clone(), Json(server.clone())))).route(
        "/.well-known/matrix/client",
        get(async move || ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(client.clone()))),
    )
}

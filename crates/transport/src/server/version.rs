//! `GET /_matrix/federation/v1/version`

use axum::Json;
use events::Value;
use serde_json::json;

/// Says what we are.
pub(super) async fn version() -> Json<Value> {
    Json(json!({ "server": { "name": "Althing", "version": env!("CARGO_PKG_VERSION") } }))
}

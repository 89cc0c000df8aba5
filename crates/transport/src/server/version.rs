use axum::Json;
use events::Value;
use serde_json::json;

/// `GET /_matrix/federation/v1/version`. Open to everybody.
pub(super) async fn version() -> Json<Value> {
    Json(json!({ "server": { "name": "Althing", "version": env!("CARGO_PKG_VERSION") } }))
}

//! What clients should know before they upload.

use axum::Json;
use axum::extract::State;
use events::Value;
use serde_json::json;

use crate::ClientApi;
use crate::request::Authenticated;

/// `GET /_matrix/client/v1/media/config`
pub(super) async fn config(State(api): State<ClientApi>, _who: Authenticated) -> Json<Value> {
    Json(json!({ "m.upload.size": api.media().upload_bytes_max() }))
}

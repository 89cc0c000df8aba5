//! Sending. C-S API, "Sending events to a room", "Redactions".

use axum::Json;
use axum::extract::State;
use events::Value;
use messaging::sending::ClientTransaction;
use serde_json::json;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path};

type Answer = Result<Json<Value>, ApiError>;

fn transaction(who: &Authenticated, path: &Path, endpoint: &str) -> ClientTransaction {
    ClientTransaction {
        device: who.device.as_str().to_owned(),
        scope: format!("{endpoint} {}", path.text("room_id")),
        id: path.text("txn_id").to_owned(),
    }
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}`
pub(crate) async fn message(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let once = transaction(&who, &path, "send");
    let sent =
        api.messaging().send_message(&who.user, &path.id("room_id")?, path.text("type"), body.0, Some(once)).await?;
    Ok(Json(json!({ "event_id": sent.event_id })))
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}`
pub(crate) async fn redact(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let once = transaction(&who, &path, "redact");
    let (room_id, target) = (path.id("room_id")?, path.id("event_id")?);
    let sent = api.messaging().redact(&who.user, &room_id, &target, body.0, Some(once)).await?;
    Ok(Json(json!({ "event_id": sent.event_id })))
}

/// `PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`
pub(crate) async fn state(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let room_id = path.id("room_id")?;
    let (event_type, state_key) = (path.text("type"), path.text("state_key"));
    let sent = api.messaging().set_state(&who.user, &room_id, event_type, state_key, body.0).await?;
    Ok(Json(json!({ "event_id": sent.event_id })))
}

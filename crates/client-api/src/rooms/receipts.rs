//! Typing notices, receipts, read markers.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use events::{EventId, RoomId, Value};
use messaging::receipts::ReceiptType;
use serde_json::json;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path};

type Answer = Result<Json<Value>, ApiError>;

/// How long somebody types who does not say.
const TYPING_DEFAULT_MS: u64 = 30_000;

/// `PUT /_matrix/client/v3/rooms/{roomId}/typing/{userId}`
pub(crate) async fn typing(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    who.must_be(&path.id("user_id")?)?;
    let types: bool = body.need("typing")?;
    let timeout = Duration::from_millis(body.find("timeout")?.unwrap_or(TYPING_DEFAULT_MS));
    api.messaging().set_typing(&who.user, &path.id("room_id")?, types.then_some(timeout)).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}`
pub(crate) async fn receipt(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let (room_id, event_id): (RoomId, EventId) = (path.id("room_id")?, path.id("event_id")?);
    let thread = thread(&body)?;
    match path.text("receipt_type") {
        "m.read" => api.messaging().send_receipt(&who.user, &room_id, ReceiptType::Read, &event_id, thread).await?,
        "m.read.private" => {
            api.messaging().send_receipt(&who.user, &room_id, ReceiptType::ReadPrivate, &event_id, thread).await?;
        }
        "m.fully_read" if thread.is_some() => {
            return Err(ApiError::invalid_param("`thread_id` makes no sense with m.fully_read"));
        }
        "m.fully_read" => fully_read(&api, &who, &room_id, &event_id).await?,
        other => return Err(ApiError::invalid_param(format!("there are no receipts of type {other}"))),
    }
    Ok(Json(json!({})))
}

/// The thread of a receipt: `main` or the event that a thread grows from. C-S API, "Threaded read receipts".
fn thread(body: &Body) -> Result<Option<&str>, ApiError> {
    match body.0.get("thread_id") {
        None => Ok(None),
        Some(thread) => match thread.as_str() {
            Some(thread) if thread == "main" || EventId::parse(thread).is_ok() => Ok(Some(thread)),
            Some(_) | None => Err(ApiError::invalid_param("`thread_id` must be `main` or the id of an event")),
        },
    }
}

/// `POST /_matrix/client/v3/rooms/{roomId}/read_markers`
pub(crate) async fn read_markers(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let room_id: RoomId = path.id("room_id")?;
    if let Some(event_id) = body.find::<EventId>("m.fully_read")? {
        fully_read(&api, &who, &room_id, &event_id).await?;
    }
    for (name, kind) in [("m.read", ReceiptType::Read), ("m.read.private", ReceiptType::ReadPrivate)] {
        if let Some(event_id) = body.find::<EventId>(name)? {
            api.messaging().send_receipt(&who.user, &room_id, kind, &event_id, None).await?;
        }
    }
    Ok(Json(json!({})))
}

async fn fully_read(
    api: &ClientApi,
    who: &Authenticated,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<(), ApiError> {
    // The event must be one of the room.
    api.messaging().event(&who.viewer(), room_id, event_id).await?;
    Ok(api.users().set_fully_read(&who.user, room_id, event_id).await?)
}

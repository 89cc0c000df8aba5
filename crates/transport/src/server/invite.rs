//! Inviting our users. S2S API, "Inviting to a room".

use axum::Json;
use axum::extract::State;
use events::{Object, Value};
use serde_json::json;

use super::membership::pair;
use super::signed::Signed;
use super::{Answered, ServerContext};

/// `PUT /_matrix/federation/v2/invite/{roomId}/{eventId}`
pub(super) async fn invite(State(context): State<ServerContext>, signed: Signed<Object>) -> Answered {
    let room_id = signed.parameters.path_id("roomId")?;
    let event_id = signed.parameters.path_id("eventId")?;
    context.membership.invite(&signed.origin, &room_id, &event_id, signed.body).await.map(Json)
}

/// `PUT /_matrix/federation/v1/invite/{roomId}/{eventId}`: the event is the body, and the answer a pair.
///
/// Only for rooms of version 1 and 2, whose events have the same format.
pub(super) async fn invite_v1(State(context): State<ServerContext>, signed: Signed<Object>) -> Answered {
    let room_id = signed.parameters.path_id("roomId")?;
    let event_id = signed.parameters.path_id("eventId")?;
    let state = signed.body.get("unsigned").and_then(|unsigned| unsigned.get("invite_room_state"));
    let state = state.cloned().unwrap_or_else(|| json!([]));
    let body = Object::from_iter([
        ("room_version".to_owned(), json!("1")),
        ("invite_room_state".to_owned(), state),
        ("event".to_owned(), Value::Object(signed.body)),
    ]);
    context.membership.invite(&signed.origin, &room_id, &event_id, body).await.map(pair)
}

//! The handshakes of joining, leaving and knocking. S2S API, "Joining Rooms" and the chapters that follow.

use axum::Json;
use axum::extract::State;
use events::{Object, UserId, Value};
use serde_json::json;

use super::body::NoBody;
use super::signed::Signed;
use super::{Answered, ServerContext};
use crate::error::ApiError;
use crate::questions::{Handshake, Members};
use crate::streamed::Streamed;

/// What a handshake ends with: after a join the state of the room.
type Sent = Result<Streamed, ApiError>;

/// Room versions that a server may list. There are 12.
const VERSIONS_MAX: usize = 100;

/// `GET /_matrix/federation/v1/make_join/{roomId}/{userId}`
pub(super) async fn make_join(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    make(context, signed, Handshake::Join).await
}

/// `GET /_matrix/federation/v1/make_leave/{roomId}/{userId}`
pub(super) async fn make_leave(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    make(context, signed, Handshake::Leave).await
}

/// `GET /_matrix/federation/v1/make_knock/{roomId}/{userId}`
pub(super) async fn make_knock(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    make(context, signed, Handshake::Knock).await
}

/// `PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}`
pub(super) async fn send_join(State(context): State<ServerContext>, signed: Signed<Object>) -> Sent {
    send(context, signed, Handshake::Join).await
}

/// `PUT /_matrix/federation/v2/send_leave/{roomId}/{eventId}`
pub(super) async fn send_leave(State(context): State<ServerContext>, signed: Signed<Object>) -> Sent {
    send(context, signed, Handshake::Leave).await
}

/// `PUT /_matrix/federation/v1/send_knock/{roomId}/{eventId}`
pub(super) async fn send_knock(State(context): State<ServerContext>, signed: Signed<Object>) -> Sent {
    send(context, signed, Handshake::Knock).await
}

/// `PUT /_matrix/federation/v1/send_join/{roomId}/{eventId}`, whose answer is a pair. Old servers call it.
pub(super) async fn send_join_v1(State(context): State<ServerContext>, signed: Signed<Object>) -> Sent {
    send(context, signed, Handshake::Join).await.map(Streamed::in_pair)
}

/// `PUT /_matrix/federation/v1/send_leave/{roomId}/{eventId}`, whose answer is a pair. Old servers call it.
pub(super) async fn send_leave_v1(State(context): State<ServerContext>, signed: Signed<Object>) -> Sent {
    send(context, signed, Handshake::Leave).await.map(Streamed::in_pair)
}

/// The first version of some endpoints repeats the status in the body.
pub(super) fn pair(answer: Value) -> Json<Value> {
    Json(json!([200, answer]))
}

async fn make(context: ServerContext, signed: Signed<NoBody>, handshake: Handshake) -> Answered {
    let room_id = signed.parameters.path_id("roomId")?;
    let user_id: UserId = signed.parameters.path_id("userId")?;
    if user_id.server() != signed.origin {
        return Err(ApiError::forbidden(format!("{} cannot speak for {user_id}", signed.origin)));
    }
    let mut versions: Vec<String> =
        signed.parameters.query_all("ver").take(VERSIONS_MAX).map(ToOwned::to_owned).collect();
    if versions.is_empty() {
        // Servers from before there were versions do not list any.
        versions.push("1".to_owned());
    }
    context.membership.make(&signed.origin, handshake, &room_id, &user_id, versions).await.map(Json)
}

async fn send(context: ServerContext, signed: Signed<Object>, handshake: Handshake) -> Sent {
    let room_id = signed.parameters.path_id("roomId")?;
    let event_id = signed.parameters.path_id("eventId")?;
    let members = match signed.parameters.query_text("omit_members") {
        Some("true") => Members::Omitted,
        Some(_) | None => Members::Complete,
    };
    let answer = context.membership.send(&signed.origin, handshake, &room_id, &event_id, signed.body, members).await?;
    Ok(context.shares.counted(&signed.origin, answer))
}

//! The handshakes of membership: `/make_*`, `/send_*`, `/invite`.

use axum::Json;
use axum::extract::State;
use events::{RoomId, UserId, Value};
use serde_json::json;

use super::ServerContext;
use super::path::{PathParameters, QueryParameters};
use super::signed::Signed;
use crate::error::ApiError;
use crate::questions::Handshake;

type JsonAnswer = Result<Json<Value>, ApiError>;

/// `GET /_matrix/federation/v1/make_join/{roomId}/{userId}`
pub(super) async fn make_join(
    state: State<ServerContext>,
    path: PathParameters,
    query: QueryParameters,
    signed: Signed,
) -> JsonAnswer {
    make(Handshake::Join, state, path, query, signed).await
}

/// `GET /_matrix/federation/v1/make_leave/{roomId}/{userId}`
pub(super) async fn make_leave(
    state: State<ServerContext>,
    path: PathParameters,
    query: QueryParameters,
    signed: Signed,
) -> JsonAnswer {
    make(Handshake::Leave, state, path, query, signed).await
}

/// `GET /_matrix/federation/v1/make_knock/{roomId}/{userId}`
pub(super) async fn make_knock(
    state: State<ServerContext>,
    path: PathParameters,
    query: QueryParameters,
    signed: Signed,
) -> JsonAnswer {
    make(Handshake::Knock, state, path, query, signed).await
}

async fn make(
    handshake: Handshake,
    State(context): State<ServerContext>,
    path: PathParameters,
    query: QueryParameters,
    signed: Signed,
) -> JsonAnswer {
    let (room_id, user_id): (RoomId, UserId) = (path.id("room_id")?, path.id("user_id")?);
    let mut versions: Vec<String> = query.all("ver").map(str::to_owned).collect();
    if versions.is_empty() {
        // Who does not say knows version 1 only. S2S API, `GET /make_join`.
        versions.push("1".to_owned());
    }
    context.membership.make(&signed.origin, handshake, &room_id, &user_id, versions).await.map(Json)
}

/// `PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}`
pub(super) async fn send_join(state: State<ServerContext>, path: PathParameters, signed: Signed) -> JsonAnswer {
    send(Handshake::Join, state, path, signed).await.map(Json)
}

/// `PUT /_matrix/federation/v1/send_join/{roomId}/{eventId}`: the answer is a pair of the status and the answer.
pub(super) async fn send_join_v1(state: State<ServerContext>, path: PathParameters, signed: Signed) -> JsonAnswer {
    send(Handshake::Join, state, path, signed).await.map(|answer| Json(json!([200, answer])))
}

/// `PUT /_matrix/federation/v2/send_leave/{roomId}/{eventId}`
pub(super) async fn send_leave(state: State<ServerContext>, path: PathParameters, signed: Signed) -> JsonAnswer {
    send(Handshake::Leave, state, path, signed).await.map(Json)
}

/// `PUT /_matrix/federation/v1/send_leave/{roomId}/{eventId}`: the answer is a pair of the status and the answer.
pub(super) async fn send_leave_v1(state: State<ServerContext>, path: PathParameters, signed: Signed) -> JsonAnswer {
    send(Handshake::Leave, state, path, signed).await.map(|answer| Json(json!([200, answer])))
}

/// `PUT /_matrix/federation/v1/send_knock/{roomId}/{eventId}`
pub(super) async fn send_knock(state: State<ServerContext>, path: PathParameters, signed: Signed) -> JsonAnswer {
    send(Handshake::Knock, state, path, signed).await.map(Json)
}

async fn send(
    handshake: Handshake,
    State(context): State<ServerContext>,
    path: PathParameters,
    signed: Signed,
) -> Result<Value, ApiError> {
    let event = signed.object()?;
    context.membership.send(&signed.origin, handshake, &path.id("room_id")?, &path.id("event_id")?, event).await
}

/// `PUT /_matrix/federation/v2/invite/{roomId}/{eventId}`
pub(super) async fn invite(State(context): State<ServerContext>, path: PathParameters, signed: Signed) -> JsonAnswer {
    let body = signed.object()?;
    context.membership.invite(&signed.origin, &path.id("room_id")?, &path.id("event_id")?, body).await.map(Json)
}

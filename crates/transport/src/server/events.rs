//! Retrieving events and state. S2S API, "Retrieving events".

use axum::Json;
use axum::extract::State;

use persistence::transactions::graph::Direction;

use super::body::NoBody;
use super::parameters::missing;
use super::signed::Signed;
use super::{Answered, ServerContext};
use crate::error::ApiError;
use crate::streamed::Streamed;

/// `GET /_matrix/federation/v1/event/{eventId}`
pub(super) async fn event(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let event_id = signed.parameters.path_id("eventId")?;
    context.events.event(&signed.origin, &event_id).await.map(Json)
}

/// `GET /_matrix/federation/v1/state/{roomId}`
pub(super) async fn state(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Result<Streamed, ApiError> {
    let room_id = signed.parameters.path_id("roomId")?;
    let event_id = signed.parameters.query_id("event_id")?;
    let answer = context.events.state(&signed.origin, &room_id, &event_id).await?;
    Ok(context.shares.counted(&signed.origin, answer))
}

/// `GET /_matrix/federation/v1/state_ids/{roomId}`
pub(super) async fn state_ids(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let room_id = signed.parameters.path_id("roomId")?;
    let event_id = signed.parameters.query_id("event_id")?;
    context.events.state_ids(&signed.origin, &room_id, &event_id).await.map(Json)
}

/// `GET /_matrix/federation/v1/event_auth/{roomId}/{eventId}`
pub(super) async fn event_auth(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let room_id = signed.parameters.path_id("roomId")?;
    let event_id = signed.parameters.path_id("eventId")?;
    context.events.event_auth(&signed.origin, &room_id, &event_id).await.map(Json)
}

/// `GET /_matrix/federation/v1/timestamp_to_event/{roomId}`
pub(super) async fn timestamp_to_event(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let room_id = signed.parameters.path_id("roomId")?;
    let at = signed.parameters.query_number("ts")?.ok_or_else(|| missing("ts"))?;
    let direction = match signed.parameters.query_text("dir").ok_or_else(|| missing("dir"))? {
        "f" => Direction::Forwards,
        "b" => Direction::Backwards,
        other => return Err(ApiError::invalid_param(format!("`dir` cannot be {other}"))),
    };
    context.events.event_by_time(&signed.origin, &room_id, at, direction).await.map(Json)
}

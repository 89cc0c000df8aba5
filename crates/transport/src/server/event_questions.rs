//! Questions about events: `/event`, `/state`, `/state_ids`, `/event_auth`, `/backfill`, `/get_missing_events`.

use axum::Json;
use axum::extract::State;
use events::{EventId, Value};
use serde::Deserialize;

use super::ServerContext;
use super::path::{PathParameters, QueryParameters};
use super::signed::Signed;
use crate::error::ApiError;
use crate::limits::{BACKFILL_FROM_MAX, BACKFILL_LIMIT_MAX, MISSING_EVENTS_LIMIT_MAX};
use crate::questions::MissingEvents;

type JsonAnswer = Result<Json<Value>, ApiError>;

/// `GET /_matrix/federation/v1/event/{eventId}`
pub(super) async fn event(State(context): State<ServerContext>, path: PathParameters, signed: Signed) -> JsonAnswer {
    context.events.event(&signed.origin, &path.id("event_id")?).await.map(Json)
}

/// `GET /_matrix/federation/v1/state/{roomId}`
pub(super) async fn state(
    State(context): State<ServerContext>,
    path: PathParameters,
    query: QueryParameters,
    signed: Signed,
) -> JsonAnswer {
    context.events.state(&signed.origin, &path.id("room_id")?, &query.id("event_id")?).await.map(Json)
}

/// `GET /_matrix/federation/v1/state_ids/{roomId}`
pub(super) async fn state_ids(
    State(context): State<ServerContext>,
    path: PathParameters,
    query: QueryParameters,
    signed: Signed,
) -> JsonAnswer {
    context.events.state_ids(&signed.origin, &path.id("room_id")?, &query.id("event_id")?).await.map(Json)
}

/// `GET /_matrix/federation/v1/event_auth/{roomId}/{eventId}`
pub(super) async fn event_auth(
    State(context): State<ServerContext>,
    path: PathParameters,
    signed: Signed,
) -> JsonAnswer {
    context.events.event_auth(&signed.origin, &path.id("room_id")?, &path.id("event_id")?).await.map(Json)
}

/// `GET /_matrix/federation/v1/backfill/{roomId}`
pub(super) async fn backfill(
    State(context): State<ServerContext>,
    path: PathParameters,
    query: QueryParameters,
    signed: Signed,
) -> JsonAnswer {
    let limit =
        query.number("limit")?.ok_or_else(|| ApiError::new(400, "M_MISSING_PARAM", "the query has no `limit`"))?;
    let from: Result<Vec<EventId>, _> = query.all("v").take(BACKFILL_FROM_MAX).map(EventId::parse).collect();
    let from = from.map_err(|error| ApiError::invalid_param(format!("in the query: {error}")))?;
    context.events.backfill(&signed.origin, &path.id("room_id")?, from, limit.min(BACKFILL_LIMIT_MAX)).await.map(Json)
}

#[derive(Deserialize)]
struct MissingEventsBody {
    earliest_events: Vec<EventId>,
    latest_events: Vec<EventId>,
    limit: Option<usize>,
    #[serde(default)]
    min_depth: i64,
}

/// Events that are named when no number is. S2S API, `POST /get_missing_events`.
const MISSING_EVENTS_LIMIT_DEFAULT: usize = 10;

/// `POST /_matrix/federation/v1/get_missing_events/{roomId}`
pub(super) async fn missing_events(
    State(context): State<ServerContext>,
    path: PathParameters,
    signed: Signed,
) -> JsonAnswer {
    let body: MissingEventsBody = signed.parse()?;
    let question = MissingEvents {
        earliest_events: body.earliest_events,
        latest_events: body.latest_events,
        limit: body.limit.unwrap_or(MISSING_EVENTS_LIMIT_DEFAULT).min(MISSING_EVENTS_LIMIT_MAX),
        min_depth: body.min_depth,
    };
    context.events.missing_events(&signed.origin, &path.id("room_id")?, question).await.map(Json)
}

//! Reading a room: single events, pages of history, what surrounds an event.

use axum::Json;
use axum::extract::State;
use events::{EventId, Object, RoomId, Value};
use messaging::filter::RoomEventFilter;
use messaging::reading::HistoryPoint;
use messaging::reading::history::PageRequest;
use persistence::Position;
use persistence::transactions::graph::Direction;
use serde_json::json;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Path, Query};
use crate::sync::Token;

type Answer = Result<Json<Value>, ApiError>;

/// Events on a page when the client does not say.
const PAGE_DEFAULT: u64 = 10;
/// Events on a page at most.
const PAGE_MAX: u64 = 1_000;
/// Events around one event at most.
const CONTEXT_MAX: u64 = 200;

/// `GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}`
pub(crate) async fn event(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Answer {
    let (room_id, event_id) = (path.id("room_id")?, path.id("event_id")?);
    Ok(Json(api.messaging().event(&who.viewer(), &room_id, &event_id).await?))
}

/// `GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event`
pub(crate) async fn by_time(State(api): State<ClientApi>, who: Authenticated, path: Path, query: Query) -> Answer {
    let (room_id, direction): (RoomId, _) = (path.id("room_id")?, direction(&query)?);
    let text = query.get("ts").ok_or_else(|| ApiError::missing_param("ts"))?;
    let at = text.parse().map_err(|_| ApiError::invalid_param("`ts` must be a number of milliseconds"))?;
    let found = api.messaging().event_by_time(&who.viewer(), &room_id, at, direction).await?;
    Ok(Json(json!({ "event_id": found.event_id, "origin_server_ts": found.origin_server_ts })))
}

fn direction(query: &Query) -> Result<Direction, ApiError> {
    match query.get("dir") {
        Some("b") => Ok(Direction::Backwards),
        Some("f") => Ok(Direction::Forwards),
        Some(other) => Err(ApiError::invalid_param(format!("`dir` cannot be {other}"))),
        None => Err(ApiError::missing_param("dir")),
    }
}

/// `GET /_matrix/client/v3/rooms/{roomId}/messages`
pub(crate) async fn messages(State(api): State<ClientApi>, who: Authenticated, path: Path, query: Query) -> Answer {
    let direction = direction(&query)?;
    let room_id: RoomId = path.id("room_id")?;
    let request = PageRequest {
        from: point(&query, "from")?,
        to: point(&query, "to")?,
        direction,
        limit: limit(&query, 1, PAGE_MAX)?,
        filter: filter(&query)?,
    };
    let page = api.messaging().history(&who.viewer(), &room_id, request).await?;
    // The client knows its own token.
    let start = query.get("from").map_or_else(|| page.start.to_string(), str::to_owned);
    let mut answer = json!({ "chunk": page.chunk, "start": start });
    if !page.is_last {
        answer["end"] = json!(page.reached.to_string());
    }
    if !page.state.is_empty() {
        answer["state"] = json!(page.state);
    }
    Ok(Json(answer))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}`
pub(crate) async fn context(State(api): State<ClientApi>, who: Authenticated, path: Path, query: Query) -> Answer {
    let (room_id, event_id): (RoomId, EventId) = (path.id("room_id")?, path.id("event_id")?);
    let (limit, filter) = (limit(&query, 0, CONTEXT_MAX)?, filter(&query)?);
    let context = api.messaging().context(&who.viewer(), &room_id, &event_id, limit, filter).await?;
    Ok(Json(json!({
        "event": context.event,
        "events_before": context.before.chunk,
        "events_after": context.after.chunk,
        "start": context.before.reached.to_string(),
        "end": context.after.reached.to_string(),
        "state": context.state,
    })))
}

fn limit(query: &Query, min: u64, max: u64) -> Result<usize, ApiError> {
    let limit = query.number("limit")?.unwrap_or(PAGE_DEFAULT).clamp(min, max);
    Ok(usize::try_from(limit).unwrap_or(0))
}

/// Reads a token: of a page, of a timeline, or one of `/sync`, which stands for what had arrived by then.
pub(crate) fn point(query: &Query, name: &str) -> Result<Option<HistoryPoint>, ApiError> {
    let Some(text) = query.get(name) else { return Ok(None) };
    if text.starts_with("s1_") {
        return Ok(Some(HistoryPoint::Arrival(Position(Token::parse(text)?.events))));
    }
    let wrong = || ApiError::invalid_param(format!("`{name}`: {text} is no token of a page"));
    HistoryPoint::parse(text).map(Some).ok_or_else(wrong)
}

/// The filter of a page, which is always given as JSON.
fn filter(query: &Query) -> Result<RoomEventFilter, ApiError> {
    let Some(text) = query.get("filter") else { return Ok(RoomEventFilter::default()) };
    let object: Object = serde_json::from_str(text)
        .map_err(|error| ApiError::invalid_param(format!("`filter` is no JSON object: {error}")))?;
    RoomEventFilter::parse(&object).map_err(|error| ApiError::invalid_param(format!("`filter`: {error}")))
}

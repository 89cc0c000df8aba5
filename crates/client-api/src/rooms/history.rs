//! Reading history. C-S API, "Getting events for a room", "Event Context".

use axum::Json;
use axum::extract::State;
use events::{EventId, RoomId, Value};
use persistence::transactions::graph::{Direction, TopologicalPoint};
use serde_json::json;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Path, Query};

type Answer = Result<Json<Value>, ApiError>;

/// Events on a page when the client does not say.
const PAGE_DEFAULT: u64 = 10;
/// Events on a page at most.
const PAGE_MAX: u64 = 1_000;

/// `GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}`
pub(crate) async fn event(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Answer {
    let (room_id, event_id) = (path.id("room_id")?, path.id("event_id")?);
    Ok(Json(api.messaging().event(&who.viewer(), &room_id, &event_id).await?))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/messages`
pub(crate) async fn messages(State(api): State<ClientApi>, who: Authenticated, path: Path, query: Query) -> Answer {
    let direction = match query.get("dir") {
        Some("b") => Direction::Backwards,
        Some("f") => Direction::Forwards,
        Some(other) => return Err(ApiError::invalid_param(format!("`dir` cannot be {other}"))),
        None => return Err(ApiError::missing_param("dir")),
    };
    let room_id: RoomId = path.id("room_id")?;
    let from = query.get("from").map(point).transpose()?;
    let limit = limit(&query)?;
    let page = api.messaging().history(&who.viewer(), &room_id, from, direction, limit).await?;
    let mut answer = json!({ "chunk": page.chunk, "start": token(page.start) });
    if let Some(end) = page.end {
        answer["end"] = json!(token(end));
    }
    Ok(Json(answer))
}

fn limit(query: &Query) -> Result<usize, ApiError> {
    let limit = query.number("limit")?.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    Ok(usize::try_from(limit).unwrap_or(1))
}

fn token(point: TopologicalPoint) -> String {
    format!("t{}_{}", point.topological, point.event)
}

/// Reads a token of `/messages`, or one of `/sync`, which stands for the newest end of the room.
fn point(token: &str) -> Result<TopologicalPoint, ApiError> {
    let wrong = || ApiError::invalid_param(format!("{token} is no token of a page"));
    if token.starts_with("s1_") {
        return Ok(TopologicalPoint::END);
    }
    let (topological, event) = token.strip_prefix('t').and_then(|rest| rest.split_once('_')).ok_or_else(wrong)?;
    Ok(TopologicalPoint {
        topological: topological.parse().map_err(|_| wrong())?,
        event: event.parse().map_err(|_| wrong())?,
    })
}

/// `GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}`
pub(crate) async fn context(State(api): State<ClientApi>, who: Authenticated, path: Path, query: Query) -> Answer {
    let (room_id, event_id): (RoomId, EventId) = (path.id("room_id")?, path.id("event_id")?);
    let (viewer, messaging) = (who.viewer(), api.messaging());
    let event = messaging.event(&viewer, &room_id, &event_id).await?;
    let (before, after) = messaging.point_of(&viewer, &room_id, &event_id).await?;
    let half = limit(&query)?.div_ceil(2);
    let earlier = messaging.history(&viewer, &room_id, Some(before), Direction::Backwards, half).await?;
    let later = messaging.history(&viewer, &room_id, Some(after), Direction::Forwards, half).await?;
    Ok(Json(json!({
        "event": event,
        "events_before": earlier.chunk,
        "events_after": later.chunk,
        "start": token(earlier.end.unwrap_or(before)),
        "end": token(later.end.unwrap_or(TopologicalPoint::END)),
        "state": messaging.room_state(&viewer, &room_id).await?,
    })))
}

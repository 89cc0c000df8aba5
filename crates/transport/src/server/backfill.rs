//! Retrieving what came before. S2S API, "Backfilling and retrieving missing events".

use axum::Json;
use axum::extract::State;
use events::{EventId, Object, Value};

use super::body::NoBody;
use super::parameters::missing;
use super::signed::Signed;
use super::{Answered, ServerContext};
use crate::error::ApiError;
use crate::limits::{BACKFILL_LIMIT_MAX, MISSING_EVENTS_LIMIT_MAX};
use crate::questions::MissingEvents;

/// What `/get_missing_events` gives to those who do not say.
const MISSING_EVENTS_DEFAULT: usize = 10;
/// Events that a question may name. Further ones are not looked at: the answer then holds more than was asked for.
const NAMED_EVENTS_MAX: usize = 100;

/// `GET /_matrix/federation/v1/backfill/{roomId}`
pub(super) async fn backfill(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let room_id = signed.parameters.path_id("roomId")?;
    let from = signed.parameters.query_all("v").take(NAMED_EVENTS_MAX).map(parse).collect::<Result<Vec<_>, _>>()?;
    if from.is_empty() {
        return Err(missing("v"));
    }
    let limit = signed.parameters.query_number("limit")?.ok_or_else(|| missing("limit"))?;
    let limit = bounded("limit", limit, BACKFILL_LIMIT_MAX)?;
    context.events.backfill(&signed.origin, &room_id, from, limit).await.map(Json)
}

/// `POST /_matrix/federation/v1/get_missing_events/{roomId}`
pub(super) async fn get_missing_events(State(context): State<ServerContext>, signed: Signed<Object>) -> Answered {
    let room_id = signed.parameters.path_id("roomId")?;
    let question = MissingEvents {
        earliest_events: events(&signed.body, "earliest_events")?,
        latest_events: events(&signed.body, "latest_events")?,
        limit: match integer(&signed.body, "limit")? {
            Some(limit) => bounded("limit", limit, MISSING_EVENTS_LIMIT_MAX)?,
            None => MISSING_EVENTS_DEFAULT,
        },
        min_depth: integer(&signed.body, "min_depth")?.unwrap_or(0),
    };
    context.events.missing_events(&signed.origin, &room_id, question).await.map(Json)
}

fn parse(text: &str) -> Result<EventId, ApiError> {
    EventId::parse(text).map_err(|error| ApiError::invalid_param(error.to_string()))
}

fn bounded(name: &str, number: i64, max: usize) -> Result<usize, ApiError> {
    let number =
        usize::try_from(number).map_err(|_| ApiError::invalid_param(format!("`{name}` must not be negative")))?;
    Ok(number.min(max))
}

fn events(body: &Object, name: &'static str) -> Result<Vec<EventId>, ApiError> {
    let wrong = || ApiError::bad_json(format!("`{name}` must be a list of event ids"));
    let listed = body.get(name).and_then(Value::as_array).ok_or_else(wrong)?;
    listed.iter().take(NAMED_EVENTS_MAX).map(|id| id.as_str().ok_or_else(wrong).and_then(parse)).collect()
}

fn integer(body: &Object, name: &'static str) -> Result<Option<i64>, ApiError> {
    body.get(name)
        .map(|value| value.as_i64().ok_or_else(|| ApiError::bad_json(format!("`{name}` must be an integer"))))
        .transpose()
}

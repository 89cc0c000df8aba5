//! The directory of published rooms. S2S API, "Published Room Directory".

use axum::Json;
use axum::extract::State;
use events::{Object, Value};
use serde::Deserialize;

use super::body::NoBody;
use super::signed::Signed;
use super::{Answered, ServerContext};
use crate::error::ApiError;
use crate::questions::DirectoryFilter;

/// Rooms in one answer, also for those who set no limit; the rest comes with the next page.
const ROOMS_MAX: usize = 500;

/// `GET /_matrix/federation/v1/publicRooms`
pub(super) async fn get(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let limit = bounded(signed.parameters.query_number("limit")?)?;
    let since = signed.parameters.query_text("since").map(ToOwned::to_owned);
    context.directory.public_rooms(&signed.origin, limit, since, DirectoryFilter::default()).await.map(Json)
}

/// `POST /_matrix/federation/v1/publicRooms`
pub(super) async fn post(State(context): State<ServerContext>, signed: Signed<Object>) -> Answered {
    let limit = match signed.body.get("limit") {
        None | Some(Value::Null) => None,
        Some(limit) => Some(limit.as_i64().ok_or_else(|| ApiError::bad_json("`limit` must be an integer"))?),
    };
    let since = text(signed.body.get("since"), "since")?;
    let filter = match signed.body.get("filter") {
        None | Some(Value::Null) => DirectoryFilter::default(),
        Some(filter) => DirectoryFilter::deserialize(filter)
            .map_err(|error| ApiError::bad_json(format!("`filter` is not as it must be: {error}")))?,
    };
    context.directory.public_rooms(&signed.origin, bounded(limit)?, since, filter).await.map(Json)
}

/// Nothing and 0 mean that there is no limit.
fn bounded(limit: Option<i64>) -> Result<usize, ApiError> {
    match limit {
        None | Some(0) => Ok(ROOMS_MAX),
        Some(limit) => usize::try_from(limit)
            .map(|limit| limit.min(ROOMS_MAX))
            .map_err(|_| ApiError::invalid_param("`limit` must not be negative")),
    }
}

fn text(value: Option<&Value>, name: &str) -> Result<Option<String>, ApiError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let text = value.as_str().ok_or_else(|| ApiError::bad_json(format!("`{name}` must be a string")))?;
            Ok(Some(text.to_owned()))
        }
    }
}

//! Reading state. C-S API, "Getting events for a room".

use axum::Json;
use axum::extract::State;
use events::Value;
use messaging::reading::state::MembershipFilter;
use serde_json::json;

use super::history::point;
use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Path, Query};

type Answer = Result<Json<Value>, ApiError>;

const MEMBERSHIPS: [&str; 5] = ["join", "invite", "knock", "leave", "ban"];

/// `GET /_matrix/client/v3/rooms/{roomId}/state`
pub(crate) async fn whole(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Answer {
    Ok(Json(Value::Array(api.messaging().room_state(&who.viewer(), &path.id("room_id")?).await?)))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`
pub(crate) async fn one(State(api): State<ClientApi>, who: Authenticated, path: Path, query: Query) -> Answer {
    let (event_type, state_key) = (path.text("type"), path.text("state_key"));
    let whole = match query.get("format") {
        None | Some("content") => false,
        Some("event") => true,
        Some(other) => return Err(ApiError::invalid_param(format!("`format` cannot be {other}"))),
    };
    let mut event =
        api.messaging().room_state_event(&who.viewer(), &path.id("room_id")?, event_type, state_key).await?;
    Ok(Json(if whole { event } else { event["content"].take() }))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/members`
pub(crate) async fn members(State(api): State<ClientApi>, who: Authenticated, path: Path, query: Query) -> Answer {
    let filter =
        MembershipFilter { is: membership(&query, "membership")?, is_not: membership(&query, "not_membership")? };
    let at = point(&query, "at")?;
    let members = api.messaging().members(&who.viewer(), &path.id("room_id")?, at, filter).await?;
    Ok(Json(json!({ "chunk": members })))
}

fn membership(query: &Query, name: &str) -> Result<Option<String>, ApiError> {
    match query.get(name) {
        Some(membership) if !MEMBERSHIPS.contains(&membership) => {
            Err(ApiError::invalid_param(format!("`{name}` cannot be {membership}")))
        }
        given => Ok(given.map(str::to_owned)),
    }
}

/// `GET /_matrix/client/v3/rooms/{roomId}/joined_members`
pub(crate) async fn joined_members(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Answer {
    let joined = api.messaging().joined_members(&who.user, &path.id("room_id")?).await?;
    Ok(Json(json!({ "joined": joined })))
}

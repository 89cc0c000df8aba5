//! Reading state. C-S API, "Getting events for a room".

use axum::Json;
use axum::extract::State;
use events::{Object, Value};
use serde_json::json;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Path, Query};

type Answer = Result<Json<Value>, ApiError>;

/// `GET /_matrix/client/v3/rooms/{roomId}/state`
pub(crate) async fn whole(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Answer {
    Ok(Json(Value::Array(api.messaging().room_state(&who.viewer(), &path.id("room_id")?).await?)))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`
pub(crate) async fn one(State(api): State<ClientApi>, who: Authenticated, path: Path, query: Query) -> Answer {
    let (event_type, state_key) = (path.text("type"), path.text("state_key"));
    let event = api.messaging().room_state_event(&who.viewer(), &path.id("room_id")?, event_type, state_key).await?;
    if query.get("format") == Some("event") { Ok(Json(event)) } else { Ok(Json(event["content"].clone())) }
}

async fn member_events(api: &ClientApi, who: &Authenticated, path: &Path) -> Result<Vec<Value>, ApiError> {
    let mut state = api.messaging().room_state(&who.viewer(), &path.id("room_id")?).await?;
    state.retain(|event| event["type"] == "m.room.member");
    Ok(state)
}

/// `GET /_matrix/client/v3/rooms/{roomId}/members`
pub(crate) async fn members(State(api): State<ClientApi>, who: Authenticated, path: Path, query: Query) -> Answer {
    let mut members = member_events(&api, &who, &path).await?;
    members.retain(|event| {
        let membership = event["content"]["membership"].as_str();
        query.get("membership").is_none_or(|wanted| membership == Some(wanted))
            && query.get("not_membership").is_none_or(|unwanted| membership != Some(unwanted))
    });
    Ok(Json(json!({ "chunk": members })))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/joined_members`
pub(crate) async fn joined_members(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Answer {
    let members = member_events(&api, &who, &path).await?;
    let joined = members.iter().filter(|event| event["content"]["membership"] == "join");
    let joined: Object = joined
        .filter_map(|event| {
            let content = &event["content"];
            let profile = json!({ "display_name": content["displayname"], "avatar_url": content["avatar_url"] });
            Some((event["state_key"].as_str()?.to_owned(), profile))
        })
        .collect();
    Ok(Json(json!({ "joined": joined })))
}

//! Coming and going. C-S API, "Room membership".

use axum::Json;
use axum::extract::State;
use events::{Object, RoomId, ServerName, UserId, Value};
use messaging::membership::RoomRef;
use serde_json::json;

use super::create::{member_profile, no_third_party_invites};
use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path, Query};

type Answer = Result<Json<Value>, ApiError>;

fn reason(body: &Body) -> Result<Object, ApiError> {
    let reason = body.find_text("reason")?;
    Ok(reason.map(|reason| Object::from_iter([("reason".to_owned(), json!(reason))])).unwrap_or_default())
}

/// The servers that a client thinks are in the room. `server_name` is the name of `via` before v1.12.
fn via(query: &Query) -> Result<Vec<ServerName>, ApiError> {
    let named = query.all("via").chain(query.all("server_name"));
    let servers: Result<Vec<_>, _> = named.map(ServerName::parse).collect();
    servers.map_err(|error| ApiError::invalid_param(format!("in the query: {error}")))
}

async fn with_profile(api: &ClientApi, who: &Authenticated, body: &Body) -> Result<Object, ApiError> {
    if body.find::<Object>("third_party_signed")?.is_some() {
        return Err(no_third_party_invites());
    }
    let mut content = member_profile(api, &who.user).await?;
    content.extend(reason(body)?);
    Ok(content)
}

/// `POST /_matrix/client/v3/join/{roomIdOrAlias}`, `/rooms/{roomId}/join`
pub(crate) async fn join(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    query: Query,
    body: Body,
) -> Answer {
    let content = with_profile(&api, &who, &body).await?;
    let room = RoomRef::parse(path.text("room"))?;
    let room_id = api.messaging().join(&who.user, &room, &via(&query)?, content).await?;
    Ok(Json(json!({ "room_id": room_id })))
}

/// `POST /_matrix/client/v3/knock/{roomIdOrAlias}`
pub(crate) async fn knock(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    query: Query,
    body: Body,
) -> Answer {
    let content = with_profile(&api, &who, &body).await?;
    let room = RoomRef::parse(path.text("room"))?;
    let room_id = api.messaging().knock(&who.user, &room, &via(&query)?, content).await?;
    Ok(Json(json!({ "room_id": room_id })))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/invite`
pub(crate) async fn invite(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    if body.0.contains_key("medium") && !body.0.contains_key("user_id") {
        return Err(no_third_party_invites());
    }
    let invited: UserId = body.need("user_id")?;
    let mut content = reason(&body)?;
    if let Some(profile) = api.users().local_profile(&invited).await?.filter(|_| api.users().is_local(&invited)) {
        content.extend(profile.into_iter().filter(|(field, _)| matches!(field.as_str(), "displayname" | "avatar_url")));
    }
    api.messaging().invite(&who.user, &path.id("room_id")?, &invited, content).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/leave`
pub(crate) async fn leave(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    api.messaging().leave(&who.user, &path.id("room_id")?, reason(&body)?).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/forget`
pub(crate) async fn forget(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Answer {
    api.messaging().forget(&who.user, &path.id("room_id")?).await?;
    Ok(Json(json!({})))
}

fn target(path: &Path, body: &Body) -> Result<(RoomId, UserId, Object), ApiError> {
    Ok((path.id("room_id")?, body.need("user_id")?, reason(body)?))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/kick`
pub(crate) async fn kick(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let (room_id, user, content) = target(&path, &body)?;
    api.messaging().kick(&who.user, &room_id, &user, content).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/ban`
pub(crate) async fn ban(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let (room_id, user, content) = target(&path, &body)?;
    api.messaging().ban(&who.user, &room_id, &user, content).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/rooms/{roomId}/unban`
pub(crate) async fn unban(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let (room_id, user, content) = target(&path, &body)?;
    api.messaging().unban(&who.user, &room_id, &user, content).await?;
    Ok(Json(json!({})))
}

/// `GET /_matrix/client/v3/joined_rooms`
pub(crate) async fn joined_rooms(State(api): State<ClientApi>, who: Authenticated) -> Answer {
    Ok(Json(json!({ "joined_rooms": api.messaging().joined_rooms(&who.user).await? })))
}

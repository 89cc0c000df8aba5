//! Aliases and published rooms. C-S API, "Room aliases", "Published room directory".

use axum::Json;
use axum::extract::State;
use events::{RoomAlias, RoomId, ServerName, Value};
use messaging::DirectoryFilter;
use serde_json::json;

use super::create::may_publish;
use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path, Query};

type Answer = Result<Json<Value>, ApiError>;

/// Rooms on a page when the client does not say.
const PAGE_DEFAULT: usize = 100;

/// `GET /_matrix/client/v3/directory/room/{roomAlias}`
pub(crate) async fn resolve(State(api): State<ClientApi>, path: Path) -> Answer {
    let alias: RoomAlias = path.id("alias")?;
    let (room_id, servers) = api.messaging().resolve_alias(&alias).await?;
    Ok(Json(json!({ "room_id": room_id, "servers": servers })))
}

/// `PUT /_matrix/client/v3/directory/room/{roomAlias}`
pub(crate) async fn create_alias(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let room_id: RoomId = body.need("room_id")?;
    api.messaging().create_alias(&path.id("alias")?, &room_id, &who.user).await?;
    Ok(Json(json!({})))
}

/// `DELETE /_matrix/client/v3/directory/room/{roomAlias}`
pub(crate) async fn delete_alias(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Answer {
    api.messaging().delete_alias(&path.id("alias")?, &who.user).await?;
    Ok(Json(json!({})))
}

/// `GET /_matrix/client/v3/rooms/{roomId}/aliases`
pub(crate) async fn aliases(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Answer {
    let room_id: RoomId = path.id("room_id")?;
    // Whoever may read the room's state may know its names.
    api.messaging().check_may_read(&who.viewer(), &room_id).await?;
    Ok(Json(json!({ "aliases": api.messaging().aliases_of(&room_id).await? })))
}

/// `GET /_matrix/client/v3/directory/list/room/{roomId}`
pub(crate) async fn visibility(State(api): State<ClientApi>, path: Path) -> Answer {
    let published = api.messaging().is_published(&path.id("room_id")?).await?;
    Ok(Json(json!({ "visibility": if published { "public" } else { "private" } })))
}

/// `PUT /_matrix/client/v3/directory/list/room/{roomId}`
pub(crate) async fn set_visibility(State(api): State<ClientApi>, who: Authenticated, path: Path, body: Body) -> Answer {
    let room_id: RoomId = path.id("room_id")?;
    api.messaging().is_published(&room_id).await?;
    if !api.messaging().may_send_state(&room_id, &who.user, "m.room.canonical_alias").await? {
        return Err(ApiError::forbidden(format!("you may not publish the room {room_id}")));
    }
    match body.find_text("visibility")?.unwrap_or("public") {
        "public" => {
            may_publish(&api, &who)?;
            api.messaging().publish(&room_id).await?;
        }
        "private" => api.messaging().unpublish(&room_id).await?,
        other => return Err(ApiError::invalid_param(format!("`visibility` cannot be {other}"))),
    }
    Ok(Json(json!({})))
}

/// `GET /_matrix/client/v3/publicRooms`
///
/// Anybody may read our directory. Whoever wants that of another server must show a token: it makes us send a request.
pub(crate) async fn public_rooms(
    State(api): State<ClientApi>,
    who: Result<Authenticated, ApiError>,
    query: Query,
) -> Answer {
    if query.get("server").is_some() {
        who?;
    }
    let limit = query.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_DEFAULT);
    page(&api, query.get("server"), limit, query.get("since"), &DirectoryFilter::default()).await
}

/// `POST /_matrix/client/v3/publicRooms`
pub(crate) async fn search_public_rooms(
    State(api): State<ClientApi>,
    _who: Authenticated,
    query: Query,
    body: Body,
) -> Answer {
    let limit = body.find::<usize>("limit")?.unwrap_or(PAGE_DEFAULT);
    let filter = body.find::<DirectoryFilter>("filter")?.unwrap_or_default();
    page(&api, query.get("server"), limit, body.find_text("since")?, &filter).await
}

async fn page(
    api: &ClientApi,
    server: Option<&str>,
    limit: usize,
    since: Option<&str>,
    filter: &DirectoryFilter,
) -> Answer {
    let named =
        server.map(ServerName::parse).transpose().map_err(|error| ApiError::invalid_param(error.to_string()))?;
    let page = match named.filter(|server| server != api.messaging().server_name()) {
        Some(server) => api.messaging().public_rooms_of(&server, limit, since, filter).await?,
        None => api.messaging().public_rooms(limit, since, filter).await?,
    };
    let mut answer = json!({ "chunk": page.chunk, "total_room_count_estimate": page.total });
    if let Some(next) = page.next_batch {
        answer["next_batch"] = json!(next);
    }
    Ok(Json(answer))
}

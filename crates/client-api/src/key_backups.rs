//! C-S API, "Server-side key backups".

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use events::{Object, RoomId, Value};
use serde::Deserialize;
use serde_json::json;
use users::key_backups::{BackupError, Keys, Part};

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, LargeBody, Path, Query};

/// `POST /_matrix/client/v3/room_keys/version`
pub(crate) async fn create(
    State(api): State<ClientApi>,
    who: Authenticated,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let auth_data: Object = body.need("auth_data")?;
    let version = api.users().create_key_backup(&who.user, body.text("algorithm")?.to_owned(), &auth_data).await?;
    Ok(Json(json!({ "version": version })))
}

/// `GET /_matrix/client/v3/room_keys/version`, also with a version
pub(crate) async fn get(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Result<Json<Value>, ApiError> {
    let version = path.find("version").map(str::to_owned);
    Ok(Json(api.users().key_backup(&who.user, version).await?))
}

/// `PUT /_matrix/client/v3/room_keys/version/{version}`
pub(crate) async fn update(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let version = path.text("version");
    if body.find_text("version")?.is_some_and(|other| other != version) {
        return Err(ApiError::invalid_param("`version` is not the one in the path"));
    }
    let auth_data: Object = body.need("auth_data")?;
    let algorithm = body.text("algorithm")?.to_owned();
    api.users().update_key_backup(&who.user, version.to_owned(), algorithm, &auth_data).await?;
    Ok(Json(json!({})))
}

/// `DELETE /_matrix/client/v3/room_keys/version/{version}`
pub(crate) async fn delete(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
) -> Result<Json<Value>, ApiError> {
    api.users().delete_key_backup(&who.user, path.text("version").to_owned()).await?;
    Ok(Json(json!({})))
}

/// The keys of a room, as they come and go.
#[derive(Deserialize)]
struct RoomKeys {
    sessions: BTreeMap<String, Object>,
}

/// `PUT /_matrix/client/v3/room_keys/keys`, also of a room or a session
pub(crate) async fn put_keys(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    query: Query,
    LargeBody(body): LargeBody,
) -> Result<Json<Value>, ApiError> {
    let version = version(&query)?;
    let keys: Keys = match part(&path)? {
        Part::All => {
            let rooms: BTreeMap<RoomId, RoomKeys> = body.need("rooms")?;
            rooms.into_iter().map(|(room, keys)| (room, keys.sessions)).collect()
        }
        Part::Room(room) => BTreeMap::from([(room, body.need("sessions")?)]),
        Part::Session(room, session) => BTreeMap::from([(room, BTreeMap::from([(session, body.0)]))]),
    };
    Ok(Json(api.users().put_backed_up_keys(&who.user, version, keys).await?))
}

/// `GET /_matrix/client/v3/room_keys/keys`, also of a room or a session
pub(crate) async fn get_keys(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let part = part(&path)?;
    let mut rooms = api.users().backed_up_keys(&who.user, version(&query)?, part.clone()).await?;
    let answer = match part {
        Part::All => {
            let rooms: Object =
                rooms.into_iter().map(|(room, sessions)| (room.to_string(), json!({ "sessions": sessions }))).collect();
            json!({ "rooms": rooms })
        }
        Part::Room(room) => json!({ "sessions": rooms.remove(&room).unwrap_or_default() }),
        Part::Session(room, session) => {
            let key = rooms.remove(&room).and_then(|mut sessions| sessions.remove(&session));
            key.ok_or_else(|| ApiError::not_found("there is no such key in the backup"))?
        }
    };
    Ok(Json(answer))
}

/// `DELETE /_matrix/client/v3/room_keys/keys`, also of a room or a session
pub(crate) async fn delete_keys(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(api.users().delete_backed_up_keys(&who.user, version(&query)?, part(&path)?).await?))
}

fn version(query: &Query) -> Result<String, ApiError> {
    query.get("version").map(str::to_owned).ok_or_else(|| ApiError::missing_param("version"))
}

fn part(path: &Path) -> Result<Part, ApiError> {
    match (path.find("room_id"), path.find("session_id")) {
        (None, _) => Ok(Part::All),
        (Some(_), None) => Ok(Part::Room(path.id("room_id")?)),
        (Some(_), Some(session)) => Ok(Part::Session(path.id("room_id")?, session.to_owned())),
    }
}

impl From<BackupError> for ApiError {
    fn from(error: BackupError) -> Self {
        let message = error.to_string();
        match error {
            BackupError::NotFound => Self::not_found(message),
            BackupError::WrongVersion { current } => Self::wrong_backup_version(message, current),
            BackupError::Invalid(_) => Self::invalid_param(message),
            BackupError::Store(error) => error.into(),
        }
    }
}

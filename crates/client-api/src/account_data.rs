//! C-S API, "Client Config" and "Room Tagging".

use axum::Json;
use axum::extract::State;
use events::{RoomId, UserId, Value};
use http::StatusCode;
use serde_json::json;
use users::account_data::AccountDataError;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path};

/// Checks that a path is about the caller; returns the room, if it names one.
fn scope(who: &Authenticated, path: &Path) -> Result<Option<RoomId>, ApiError> {
    let user: UserId = path.id("user_id")?;
    who.must_be(&user)?;
    path.find("room_id").map(|_| path.id("room_id")).transpose()
}

/// `GET /_matrix/client/v3/user/{userId}/account_data/{type}`, also of a room
pub(crate) async fn get(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Result<Json<Value>, ApiError> {
    let room = scope(&who, &path)?;
    let found = api.users().account_data(&who.user, room.as_ref(), path.text("type")).await?;
    found
        .map(|content| Json(Value::Object(content)))
        .ok_or_else(|| ApiError::not_found("there is no such account data"))
}

/// `PUT /_matrix/client/v3/user/{userId}/account_data/{type}`, also of a room
pub(crate) async fn put(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let room = scope(&who, &path)?;
    api.users().set_account_data(&who.user, room.as_ref(), path.text("type"), &body.0).await?;
    Ok(Json(json!({})))
}

/// `GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags`
pub(crate) async fn tags(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
) -> Result<Json<Value>, ApiError> {
    scope(&who, &path)?;
    Ok(Json(json!({ "tags": api.users().tags(&who.user, &path.id("room_id")?).await? })))
}

/// `PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`
pub(crate) async fn put_tag(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    scope(&who, &path)?;
    api.users().set_tag(&who.user, &path.id("room_id")?, path.text("tag").to_owned(), body.0).await?;
    Ok(Json(json!({})))
}

/// `DELETE /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`
pub(crate) async fn delete_tag(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
) -> Result<Json<Value>, ApiError> {
    scope(&who, &path)?;
    api.users().delete_tag(&who.user, &path.id("room_id")?, path.text("tag").to_owned()).await?;
    Ok(Json(json!({})))
}

impl From<AccountDataError> for ApiError {
    fn from(error: AccountDataError) -> Self {
        let message = error.to_string();
        match error {
            AccountDataError::Managed(_) => Self::new(StatusCode::METHOD_NOT_ALLOWED, "M_BAD_JSON", message),
            AccountDataError::TooLarge | AccountDataError::TooMany | AccountDataError::TagTooLong => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message)
            }
            AccountDataError::Store(error) => error.into(),
        }
    }
}

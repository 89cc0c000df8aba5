//! C-S API, "Profiles".

use axum::Json;
use axum::extract::State;
use events::{UserId, Value};
use http::StatusCode;
use serde_json::json;
use users::profiles::{ProfileChangeError, ProfileError};

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path};

/// `GET /_matrix/client/v3/profile/{userId}`
pub(crate) async fn whole(State(api): State<ClientApi>, path: Path) -> Result<Json<Value>, ApiError> {
    let user: UserId = path.id("user_id")?;
    Ok(Json(Value::Object(api.users().profile(&user, None).await?)))
}

/// `GET /_matrix/client/v3/profile/{userId}/{keyName}`
pub(crate) async fn field(State(api): State<ClientApi>, path: Path) -> Result<Json<Value>, ApiError> {
    let user: UserId = path.id("user_id")?;
    Ok(Json(Value::Object(api.users().profile(&user, Some(path.text("field"))).await?)))
}

/// `PUT /_matrix/client/v3/profile/{userId}/{keyName}`
pub(crate) async fn set_field(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    who.must_be(&path.id("user_id")?)?;
    let field = path.text("field");
    let value = body.0.get(field).cloned().ok_or_else(|| ApiError::missing_param(field))?;
    api.users().set_profile_field(&who.user, field, value).await?;
    Ok(Json(json!({})))
}

/// `DELETE /_matrix/client/v3/profile/{userId}/{keyName}`
pub(crate) async fn delete_field(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
) -> Result<Json<Value>, ApiError> {
    who.must_be(&path.id("user_id")?)?;
    api.users().delete_profile_field(&who.user, path.text("field")).await?;
    Ok(Json(json!({})))
}

impl From<ProfileError> for ApiError {
    fn from(error: ProfileError) -> Self {
        let message = error.to_string();
        match error {
            ProfileError::Store(error) => error.into(),
            ProfileError::NotFound => Self::not_found(message),
            ProfileError::Remote { .. } => Self::new(StatusCode::BAD_GATEWAY, "M_UNKNOWN", message),
        }
    }
}

impl From<ProfileChangeError> for ApiError {
    fn from(error: ProfileChangeError) -> Self {
        let message = error.to_string();
        match error {
            ProfileChangeError::Store(error) => error.into(),
            ProfileChangeError::FieldNameTooLong => Self::new(StatusCode::BAD_REQUEST, "M_KEY_TOO_LARGE", message),
            ProfileChangeError::TooLarge => Self::new(StatusCode::BAD_REQUEST, "M_PROFILE_TOO_LARGE", message),
            ProfileChangeError::InvalidField | ProfileChangeError::InvalidValue { .. } => Self::invalid_param(message),
        }
    }
}

//! Sessions. C-S API, "Login".

use axum::Json;
use axum::extract::State;
use events::Value;
use http::StatusCode;
use serde_json::json;
use users::sessions::{LoginError, PasswordError, REFRESHABLE_LIFETIME_MS};

use crate::ClientApi;
use crate::error::ApiError;
use crate::register::{device, session_answer};
use crate::request::{Address, Authenticated, Body};

/// `GET /_matrix/client/v3/login`
pub(crate) async fn flows() -> Json<Value> {
    Json(json!({ "flows": [{ "type": "m.login.password" }] }))
}

/// `POST /_matrix/client/v3/login`
pub(crate) async fn login(
    State(api): State<ClientApi>,
    Address(address): Address,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    if body.text("type")? != "m.login.password" {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "M_UNKNOWN", "only m.login.password is supported"));
    }
    let identifier = body.0.get("identifier");
    let named = match identifier {
        Some(identifier) if identifier.get("type").and_then(Value::as_str) == Some("m.id.user") => {
            identifier.get("user").and_then(Value::as_str)
        }
        // As for an e-mail address or a phone number that nobody has.
        Some(_) => return Err(ApiError::forbidden("users are identified by m.id.user only")),
        // The form before v1.1, that some clients still send.
        None => body.find_text("user")?,
    };
    let name = named.ok_or_else(|| ApiError::missing_param("identifier.user"))?;
    let session = api.users().log_in(name, body.text("password")?, device(&body)?, address).await?;
    Ok(Json(session_answer(&api, &session)))
}

/// `POST /_matrix/client/v3/refresh`
pub(crate) async fn refresh(State(api): State<ClientApi>, body: Body) -> Result<Json<Value>, ApiError> {
    let session = api.users().refresh_session(body.text("refresh_token")?).await?;
    let unknown = || ApiError::new(StatusCode::UNAUTHORIZED, "M_UNKNOWN_TOKEN", "the refresh token is not valid");
    let session = session.ok_or_else(unknown)?;
    Ok(Json(json!({
        "access_token": session.access_token,
        "refresh_token": session.refresh_token,
        "expires_in_ms": REFRESHABLE_LIFETIME_MS,
    })))
}

/// `POST /_matrix/client/v3/logout`
pub(crate) async fn logout(State(api): State<ClientApi>, who: Authenticated) -> Result<Json<Value>, ApiError> {
    api.users().delete_devices(&who.user, vec![who.device]).await?;
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/logout/all`
pub(crate) async fn logout_all(State(api): State<ClientApi>, who: Authenticated) -> Result<Json<Value>, ApiError> {
    api.users().delete_devices_but(&who.user, None).await?;
    Ok(Json(json!({})))
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        let message = error.to_string();
        match error {
            LoginError::Password(error) => error.into(),
            LoginError::DeviceIsKey => Self::forbidden(message),
            LoginError::TooManyDevices(_) | LoginError::DisplayNameTooLong => Self::invalid_param(message),
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        let message = error.to_string();
        match error {
            PasswordError::Wrong => Self::forbidden(message),
            PasswordError::Deactivated => Self::new(StatusCode::FORBIDDEN, "M_USER_DEACTIVATED", message),
            PasswordError::Limited(limited) => limited.into(),
            PasswordError::Store(error) => error.into(),
        }
    }
}

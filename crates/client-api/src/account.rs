//! One's own account.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use events::{UserId, Value};
use http::StatusCode;
use serde_json::json;
use users::Users;
use users::sessions::PasswordError;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Address, Authenticated, Body};

/// `GET /_matrix/client/v3/account/whoami`
pub(crate) async fn whoami(who: Authenticated) -> Json<Value> {
    Json(json!({ "user_id": who.user, "device_id": who.device.as_str(), "is_guest": false }))
}

/// `POST /_matrix/client/v3/account/password`
pub(crate) async fn change_password(
    State(api): State<ClientApi>,
    who: Authenticated,
    Address(address): Address,
    body: Body,
) -> Result<Response, ApiError> {
    if let Some(challenge) = prove_password(&api, &who.user, address, &body).await? {
        return Ok(challenge);
    }
    if !api.users().set_password(&who.user, body.text("new_password")?).await? {
        return Err(ApiError::invalid_param("the new password is too long"));
    }
    if body.find::<bool>("logout_devices")?.unwrap_or(true) {
        api.users().delete_devices_but(&who.user, Some(&who.device)).await?;
    }
    Ok(Json(json!({})).into_response())
}

/// Asks for the password again before something that cannot be undone. `None` once it was given. C-S API, "User-Interactive
/// Authentication API".
pub(crate) async fn prove_password(
    api: &ClientApi,
    user: &UserId,
    address: Option<std::net::IpAddr>,
    body: &Body,
) -> Result<Option<Response>, ApiError> {
    let auth = body.0.get("auth").and_then(Value::as_object);
    let text = |key: &str| auth.and_then(|auth| auth.get(key)).and_then(Value::as_str);
    let mut challenge = json!({
        "flows": [{ "stages": ["m.login.password"] }],
        "params": {},
        "session": api.messaging().handles().random.token(16),
    });
    if text("type") == Some("m.login.password") {
        let users: &Users = api.users();
        match users.check_password(user, text("password").unwrap_or_default(), address).await {
            Ok(()) => return Ok(None),
            Err(error @ PasswordError::Wrong) => {
                challenge["errcode"] = json!("M_FORBIDDEN");
                challenge["error"] = json!(error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some((StatusCode::UNAUTHORIZED, Json(challenge)).into_response()))
}

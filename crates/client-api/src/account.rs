//! One's own account. C-S API, "Account management" and "Adding Account Administrative Contact Information".

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use events::Value;
use http::StatusCode;
use serde_json::json;
use users::accounts::ErasedProfile;

use crate::ClientApi;
use crate::authentication::prove_password;
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

/// `POST /_matrix/client/v3/account/deactivate`
pub(crate) async fn deactivate(
    State(api): State<ClientApi>,
    who: Authenticated,
    Address(address): Address,
    body: Body,
) -> Result<Response, ApiError> {
    let profile = if body.find::<bool>("erase")?.unwrap_or(false) { ErasedProfile::Erase } else { ErasedProfile::Keep };
    if let Some(challenge) = prove_password(&api, &who.user, address, &body).await? {
        return Ok(challenge);
    }
    api.users().deactivate(&who.user, profile).await?;
    // No third-party identifier is ever bound here, so that none is left bound.
    Ok(Json(json!({ "id_server_unbind_result": "success" })).into_response())
}

/// `GET /_matrix/client/v3/account/3pid`: there are none.
pub(crate) async fn no_third_party_ids(_who: Authenticated) -> Json<Value> {
    Json(json!({ "threepids": [] }))
}

/// `POST /_matrix/client/v3/account/3pid` and below: none can be added, as the capability `m.3pid_changes` says.
pub(crate) async fn no_third_party_changes(_who: Authenticated) -> ApiError {
    ApiError::forbidden("this server keeps no e-mail addresses and phone numbers")
}

/// `POST …/requestToken`: nothing is ever sent to an e-mail address or a phone number.
pub(crate) async fn no_validation() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "M_THREEPID_DENIED",
        "this server sends nothing to e-mail addresses and phone numbers",
    )
}

//! New accounts. C-S API, "Account registration"; and the registration by shared secret that Synapse's tools use.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use events::{Object, Value};
use http::StatusCode;
use serde_json::json;
use users::accounts::{NewAccount, RegistrationError, Role, SharedSecretError, SharedSecretRequest};
use users::rate_limits::Limit;
use users::sessions::{DeviceRequest, Lifetime, REFRESHABLE_LIFETIME_MS, Session};
use users::{DeviceId, Registration};

use crate::ClientApi;
use crate::authentication::{Failure, challenge};
use crate::error::ApiError;
use crate::request::{Address, Body, Query};

/// `POST /_matrix/client/v3/register`
pub(crate) async fn register(
    State(api): State<ClientApi>,
    Address(address): Address,
    query: Query,
    body: Body,
) -> Result<Response, ApiError> {
    match query.get("kind") {
        None | Some("user") => {}
        Some("guest") => return Err(ApiError::forbidden("guests are not accepted here")),
        Some(_) => return Err(ApiError::invalid_param("`kind` is user or guest")),
    }
    let stage = match api.users().registration() {
        Registration::Closed => return Err(ApiError::forbidden("registration is closed on this server")),
        Registration::Open => "m.login.dummy",
        Registration::Token(_) => "m.login.registration_token",
    };
    let localpart = body.find_text("username")?;
    let device = if body.find::<bool>("inhibit_login")?.unwrap_or(false) { None } else { Some(device(&body)?) };
    let password = body.find_text("password")?.map(str::to_owned);
    if let Some(localpart) = localpart {
        api.users().check_open_to_clients(localpart).await?;
    }
    let Some(auth) = body.find::<Object>("auth")? else { return Ok(challenge(&api, stage, None, None)) };
    let text = |key: &str| auth.get(key).and_then(Value::as_str);
    let token = || text("token").unwrap_or_default();
    let passed =
        text("type") == Some(stage) && (stage == "m.login.dummy" || api.users().registration_token_is_valid(token()));
    if !passed {
        let failure = auth
            .contains_key("type")
            .then(|| Failure { errcode: "M_UNAUTHORIZED", error: "that stage was not passed".to_owned() });
        return Ok(challenge(&api, stage, text("session"), failure));
    }
    let new = NewAccount { localpart: localpart.map(str::to_owned), password, role: Role::User };
    let (user, session) = api.users().register(new, device, address).await?;
    let answer = match session {
        Some(session) => session_answer(&api, &session),
        None => json!({ "user_id": user, "home_server": api.users().server_name() }),
    };
    Ok(Json(answer).into_response())
}

/// `GET /_matrix/client/v1/register/m.login.registration_token/validity`
pub(crate) async fn token_validity(
    State(api): State<ClientApi>,
    address: Address,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    address.take(&api, Limit::RegistrationChecksPerAddress)?;
    if *api.users().registration() == Registration::Closed {
        return Err(ApiError::forbidden("registration is closed on this server"));
    }
    let token = query.get("token").ok_or_else(|| ApiError::missing_param("token"))?;
    Ok(Json(json!({ "valid": api.users().registration_token_is_valid(token) })))
}

/// `GET /_matrix/client/v3/register/available`
pub(crate) async fn available(
    State(api): State<ClientApi>,
    address: Address,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    address.take(&api, Limit::RegistrationChecksPerAddress)?;
    let localpart = query.get("username").ok_or_else(|| ApiError::missing_param("username"))?;
    api.users().check_open_to_clients(localpart).await?;
    Ok(Json(json!({ "available": true })))
}

/// `GET /_synapse/admin/v1/register`
pub(crate) async fn shared_secret_nonce(State(api): State<ClientApi>) -> Result<Json<Value>, ApiError> {
    let nonce = api.users().registration_nonce();
    let nonce = nonce.ok_or_else(|| ApiError::forbidden(SharedSecretError::Disabled.to_string()))?;
    Ok(Json(json!({ "nonce": nonce })))
}

/// `POST /_synapse/admin/v1/register`
pub(crate) async fn shared_secret(State(api): State<ClientApi>, body: Body) -> Result<Json<Value>, ApiError> {
    let request = SharedSecretRequest {
        nonce: body.text("nonce")?.to_owned(),
        username: body.text("username")?.to_owned(),
        password: body.text("password")?.to_owned(),
        role: if body.find::<bool>("admin")?.unwrap_or(false) { Role::Admin } else { Role::User },
        user_type: body.find_text("user_type")?.map(str::to_owned),
        mac: body.text("mac")?.to_owned(),
    };
    let inhibits = body.find::<bool>("inhibit_login")?.unwrap_or(false);
    let device = (!inhibits).then(DeviceRequest::default);
    let (user, session) = api.users().register_with_shared_secret(request, device).await.map_err(refused)?;
    let mut answer = match session {
        Some(session) => session_answer(&api, &session),
        None => json!({ "user_id": user }),
    };
    answer["home_server"] = json!(api.users().server_name());
    Ok(Json(answer))
}

fn refused(error: SharedSecretError) -> ApiError {
    match error {
        SharedSecretError::Disabled | SharedSecretError::UnknownNonce | SharedSecretError::WrongMac => {
            ApiError::forbidden(error.to_string())
        }
        SharedSecretError::Registration(error) => error.into(),
    }
}

/// What a client is told of its new session.
pub(crate) fn session_answer(api: &ClientApi, session: &Session) -> Value {
    let mut answer = json!({
        "user_id": session.user_id,
        "device_id": session.device_id.as_str(),
        "access_token": session.access_token,
        "home_server": api.users().server_name(),
    });
    if let Some(refresh_token) = &session.refresh_token {
        answer["refresh_token"] = json!(refresh_token);
        answer["expires_in_ms"] = json!(REFRESHABLE_LIFETIME_MS);
    }
    answer
}

/// The device that a client names.
pub(crate) fn device(body: &Body) -> Result<DeviceRequest, ApiError> {
    let device_id = match body.find_text("device_id")? {
        Some(text) => {
            Some(DeviceId::parse(text).ok_or_else(|| ApiError::invalid_param("`device_id` is no device id"))?)
        }
        None => None,
    };
    let display_name = body.find_text("initial_device_display_name")?.map(str::to_owned);
    let refreshes = body.find::<bool>("refresh_token")?.unwrap_or(false);
    let lifetime = if refreshes { Lifetime::Refreshable } else { Lifetime::Endless };
    Ok(DeviceRequest { device_id, display_name, lifetime })
}

impl From<RegistrationError> for ApiError {
    fn from(error: RegistrationError) -> Self {
        let message = error.to_string();
        match error {
            RegistrationError::InvalidUsername(_) => Self::new(StatusCode::BAD_REQUEST, "M_INVALID_USERNAME", message),
            RegistrationError::Taken(_) => Self::new(StatusCode::BAD_REQUEST, "M_USER_IN_USE", message),
            RegistrationError::PasswordTooLong => Self::invalid_param(message),
            RegistrationError::Limited(limited) => limited.into(),
            RegistrationError::Store(error) => error.into(),
        }
    }
}

//! New accounts. C-S API, "Account registration"; and the registration by shared secret that Synapse's tools use.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use events::Value;
use http::StatusCode;
use serde_json::json;
use users::accounts::{NewAccount, RegistrationError, Role, SharedSecretError, SharedSecretRequest};
use users::sessions::{DeviceRequest, Session};
use users::{DeviceId, Registration};

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Address, Body, Query};

/// `POST /_matrix/client/v3/register`
pub(crate) async fn register(
    State(api): State<ClientApi>,
    Address(address): Address,
    query: Query,
    body: Body,
) -> Result<Response, ApiError> {
    if query.get("kind").is_some_and(|kind| kind != "user") {
        return Err(ApiError::forbidden("guests are not accepted here"));
    }
    let stage = match api.users().registration() {
        Registration::Closed => return Err(ApiError::forbidden("registration is closed on this server")),
        Registration::Open => "m.login.dummy",
        Registration::Token(_) => "m.login.registration_token",
    };
    let auth = body.0.get("auth").and_then(Value::as_object);
    let named = auth.and_then(|auth| auth.get("type")).and_then(Value::as_str);
    let token = auth.and_then(|auth| auth.get("token")).and_then(Value::as_str).unwrap_or_default();
    let passed = named == Some(stage) && (stage == "m.login.dummy" || api.users().registration_token_is_valid(token));
    if let Some(localpart) = body.find_text("username")? {
        api.users().check_available(localpart).await?;
    }
    if !passed {
        return Ok(challenge(&api, stage, named.is_some()));
    }
    let new = NewAccount {
        localpart: body.find_text("username")?.map(str::to_owned),
        password: body.find_text("password")?.map(str::to_owned),
        role: Role::User,
    };
    let device = if body.find::<bool>("inhibit_login")?.unwrap_or(false) { None } else { Some(device(&body)?) };
    let (user, session) = api.users().register(new, device, address).await?;
    let answer = match session {
        Some(session) => session_answer(&api, &session),
        None => json!({ "user_id": user }),
    };
    Ok(Json(answer).into_response())
}

/// User-interactive authentication: what is still to be done. C-S API, "User-Interactive Authentication API".
fn challenge(api: &ClientApi, stage: &str, failed: bool) -> Response {
    let random = &api.messaging().handles().random;
    let mut body = json!({
        "flows": [{ "stages": [stage] }],
        "params": {},
        "session": random.token(16),
    });
    if failed {
        body["errcode"] = json!("M_UNAUTHORIZED");
        body["error"] = json!("that stage was not passed");
    }
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

/// `GET /_matrix/client/v3/register/available`
pub(crate) async fn available(State(api): State<ClientApi>, query: Query) -> Result<Json<Value>, ApiError> {
    let localpart = query.get("username").ok_or_else(|| ApiError::missing_param("username"))?;
    api.users().check_available(localpart).await?;
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
    let (user, session) =
        api.users().register_with_shared_secret(request, Some(DeviceRequest::default())).await.map_err(refused)?;
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
    json!({
        "user_id": session.user_id,
        "device_id": session.device_id.as_str(),
        "access_token": session.access_token,
        "home_server": api.users().server_name(),
    })
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
    Ok(DeviceRequest { device_id, display_name })
}

impl From<RegistrationError> for ApiError {
    fn from(error: RegistrationError) -> Self {
        let message = error.to_string();
        match error {
            RegistrationError::InvalidUsername(_) => Self::new(StatusCode::BAD_REQUEST, "M_INVALID_USERNAME", message),
            RegistrationError::Taken(_) => Self::new(StatusCode::BAD_REQUEST, "M_USER_IN_USE", message),
            RegistrationError::PasswordTooLong => Self::invalid_param(message),
            RegistrationError::Limited(limited) => Self::limited(limited.retry_after),
            RegistrationError::Store(error) => error.into(),
        }
    }
}

//! C-S API, "Device Management".

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use events::Value;
use persistence::transactions::devices::Device;
use serde_json::json;
use users::DeviceId;
use users::devices::RenameError;

use crate::ClientApi;
use crate::authentication::prove_password;
use crate::error::ApiError;
use crate::request::{Address, Authenticated, Body, Path};

fn show(device: &Device) -> Value {
    json!({
        "device_id": device.device_id.as_str(),
        "display_name": device.display_name,
        "last_seen_ip": device.last_seen_address,
        "last_seen_ts": device.last_seen_at,
    })
}

fn named(path: &Path) -> Result<DeviceId, ApiError> {
    DeviceId::parse(path.text("device_id")).ok_or_else(|| ApiError::invalid_param("the path has no device id"))
}

/// `GET /_matrix/client/v3/devices`
pub(crate) async fn all(State(api): State<ClientApi>, who: Authenticated) -> Result<Json<Value>, ApiError> {
    let devices = api.users().devices(&who.user).await?;
    Ok(Json(json!({ "devices": devices.iter().map(show).collect::<Vec<_>>() })))
}

/// `GET /_matrix/client/v3/devices/{deviceId}`
pub(crate) async fn one(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Result<Json<Value>, ApiError> {
    let device = api.users().device(&who.user, &named(&path)?).await?;
    device.map(|device| Json(show(&device))).ok_or_else(|| ApiError::not_found("you have no such device"))
}

/// `PUT /_matrix/client/v3/devices/{deviceId}`
pub(crate) async fn rename(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let device = named(&path)?;
    match body.find_text("display_name")? {
        Some(name) => api.users().rename_device(&who.user, &device, name.to_owned()).await?,
        None if api.users().device(&who.user, &device).await?.is_none() => {
            return Err(ApiError::not_found("you have no such device"));
        }
        None => {}
    }
    Ok(Json(json!({})))
}

/// `DELETE /_matrix/client/v3/devices/{deviceId}`
pub(crate) async fn delete(
    State(api): State<ClientApi>,
    who: Authenticated,
    Address(address): Address,
    path: Path,
    body: Body,
) -> Result<Response, ApiError> {
    if let Some(challenge) = prove_password(&api, &who.user, address, &body).await? {
        return Ok(challenge);
    }
    api.users().delete_devices(&who.user, vec![named(&path)?]).await?;
    Ok(Json(json!({})).into_response())
}

/// `POST /_matrix/client/v3/delete_devices`
pub(crate) async fn delete_many(
    State(api): State<ClientApi>,
    who: Authenticated,
    Address(address): Address,
    body: Body,
) -> Result<Response, ApiError> {
    let devices: Vec<String> = body.need("devices")?;
    if let Some(challenge) = prove_password(&api, &who.user, address, &body).await? {
        return Ok(challenge);
    }
    let devices = devices.iter().filter_map(|device| DeviceId::parse(device)).collect();
    api.users().delete_devices(&who.user, devices).await?;
    Ok(Json(json!({})).into_response())
}

impl From<RenameError> for ApiError {
    fn from(error: RenameError) -> Self {
        let message = error.to_string();
        match error {
            RenameError::Store(error) => error.into(),
            RenameError::Unknown(..) => Self::not_found(message),
            RenameError::TooLong => Self::invalid_param(message),
        }
    }
}

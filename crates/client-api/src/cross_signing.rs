//! C-S API, "Cross-signing".

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use events::{Object, UserId, Value};
use http::StatusCode;
use serde_json::json;
use users::cross_signing::{Change, CrossSigningError, CrossSigningUpload};
use users::keys::InvalidKeys;

use crate::ClientApi;
use crate::authentication::prove_password;
use crate::error::ApiError;
use crate::request::{Address, Authenticated, Body};

/// `POST /_matrix/client/v3/keys/device_signing/upload`. Only the first keys, and those that are there, need no password.
pub(crate) async fn upload(
    State(api): State<ClientApi>,
    who: Authenticated,
    Address(address): Address,
    body: Body,
) -> Result<Response, ApiError> {
    let upload = CrossSigningUpload {
        master_key: body.find("master_key")?,
        self_signing_key: body.find("self_signing_key")?,
        user_signing_key: body.find("user_signing_key")?,
    };
    match api.users().cross_signing_change(&who.user, &upload).await? {
        Change::None | Change::First => {}
        Change::Replacement => {
            if let Some(challenge) = prove_password(&api, &who.user, address, &body).await? {
                return Ok(challenge);
            }
        }
    }
    api.users().upload_cross_signing_keys(&who.user, upload).await?;
    Ok(Json(json!({})).into_response())
}

/// `POST /_matrix/client/v3/keys/signatures/upload`
pub(crate) async fn upload_signatures(
    State(api): State<ClientApi>,
    who: Authenticated,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let mut signed: BTreeMap<UserId, BTreeMap<String, Object>> = BTreeMap::new();
    for (user, keys) in body.0 {
        let user = UserId::parse(&user).map_err(|error| ApiError::bad_json(format!("{user:?}: {error}")))?;
        let keys = serde_json::from_value(keys)
            .map_err(|error| ApiError::bad_json(format!("the keys of {user} are not as they must be: {error}")))?;
        signed.insert(user, keys);
    }
    let failures = api.users().upload_signatures(&who.user, signed).await?;
    Ok(Json(json!({ "failures": failures })))
}

impl From<CrossSigningError> for ApiError {
    fn from(error: CrossSigningError) -> Self {
        let message = error.to_string();
        match error {
            CrossSigningError::Invalid(InvalidKeys::Signature { .. }) => {
                Self::new(StatusCode::BAD_REQUEST, "M_INVALID_SIGNATURE", message)
            }
            CrossSigningError::Invalid(InvalidKeys::Format { .. }) => Self::invalid_param(message),
            CrossSigningError::NoMasterKey => Self::new(StatusCode::BAD_REQUEST, "M_MISSING_PARAM", message),
            CrossSigningError::KeyIsDevice(_) => Self::forbidden(message),
            CrossSigningError::Store(error) => error.into(),
        }
    }
}

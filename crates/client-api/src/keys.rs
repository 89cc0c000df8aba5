//! Keys of devices. C-S API, "End-to-End Encryption".

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use events::{UserId, Value};
use serde_json::json;
use users::keys::{KeyUpload, KeyUploadError};

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Query};
use crate::sync::{Token, changed_devices};

/// How long other servers are waited for if the client does not say. C-S API, `POST /keys/query` recommends ten seconds.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// `POST /_matrix/client/v3/keys/upload`
pub(crate) async fn upload(
    State(api): State<ClientApi>,
    who: Authenticated,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let upload = KeyUpload {
        device_keys: body.find("device_keys")?,
        one_time_keys: body.find("one_time_keys")?.unwrap_or_default(),
        fallback_keys: body.find("fallback_keys")?.unwrap_or_default(),
    };
    let counts = api.users().upload_keys(&who.user, &who.device, upload).await?;
    Ok(Json(json!({ "one_time_key_counts": counts })))
}

/// `POST /_matrix/client/v3/keys/query`
pub(crate) async fn query(
    State(api): State<ClientApi>,
    who: Authenticated,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let wanted: BTreeMap<UserId, Vec<String>> = body.need("device_keys")?;
    let timeout = timeout(&body)?.unwrap_or(QUERY_TIMEOUT);
    Ok(Json(Value::Object(api.users().query_all_keys(wanted, &who.user, timeout).await?)))
}

/// `POST /_matrix/client/v3/keys/claim`
pub(crate) async fn claim(
    State(api): State<ClientApi>,
    _who: Authenticated,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let claims: BTreeMap<UserId, BTreeMap<String, String>> = body.need("one_time_keys")?;
    let timeout = timeout(&body)?.unwrap_or(QUERY_TIMEOUT);
    let claimed = api.users().claim_all_keys(claims, timeout).await?;
    Ok(Json(json!({ "one_time_keys": claimed.one_time_keys, "failures": claimed.failures })))
}

/// `GET /_matrix/client/v3/keys/changes`. Whoever changed after `to` is listed too: the client asks for their keys once more.
pub(crate) async fn changes(
    State(api): State<ClientApi>,
    who: Authenticated,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let token = |name: &'static str| Token::parse(query.get(name).ok_or_else(|| ApiError::missing_param(name))?);
    let (from, _) = (token("from")?, token("to")?);
    let changes = api.messaging().database().read(move |tx| {
        let from = from.before_loss(tx)?.unwrap_or(from);
        changed_devices(tx, &who.user, from)
    });
    let changes = changes.await?;
    Ok(Json(json!({ "changed": changes.changed, "left": changes.left })))
}

/// How long the client wants other servers to be waited for.
fn timeout(body: &Body) -> Result<Option<Duration>, ApiError> {
    Ok(body.find("timeout")?.map(Duration::from_millis))
}

impl From<KeyUploadError> for ApiError {
    fn from(error: KeyUploadError) -> Self {
        let message = error.to_string();
        match error {
            KeyUploadError::Store(error) => error.into(),
            KeyUploadError::Invalid(_)
            | KeyUploadError::NoIdentityKeys(_)
            | KeyUploadError::Taken(_)
            | KeyUploadError::TooMany => Self::invalid_param(message),
        }
    }
}

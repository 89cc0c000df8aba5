//! C-S API, "Send-to-Device messaging".

use axum::Json;
use axum::extract::State;
use events::Value;
use http::StatusCode;
use serde_json::json;
use users::to_device::{Messages, SendError};

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path};

/// `PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId}`
pub(crate) async fn send(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let messages: Messages = body.need("messages")?;
    api.users().send_to_devices(&who.user, &who.device, path.text("type"), path.text("txn_id"), messages).await?;
    Ok(Json(json!({})))
}

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        let message = error.to_string();
        match error {
            SendError::TypeTooLong => Self::invalid_param(message),
            SendError::TooLarge(_) | SendError::TooMany => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message)
            }
            SendError::Store(error) => error.into(),
        }
    }
}

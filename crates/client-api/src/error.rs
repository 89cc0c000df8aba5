//! How clients are refused. C-S API, "Standard error response".

use std::any::Any;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use events::Value;
use http::StatusCode;
use http::header::RETRY_AFTER;
use messaging::MessagingError;
use persistence::StoreError;
use serde_json::json;
use users::rate_limits::Limited;

/// What another server may say through us to a client, each with the status that the specification gives it. Any other code
/// would be taken for ours: with `M_UNKNOWN_TOKEN` a client logs out.
const PASSED_ON: [(&str, StatusCode); 5] = [
    ("M_FORBIDDEN", StatusCode::FORBIDDEN),
    ("M_NOT_FOUND", StatusCode::NOT_FOUND),
    ("M_INCOMPATIBLE_ROOM_VERSION", StatusCode::BAD_REQUEST),
    ("M_UNABLE_TO_AUTHORISE_JOIN", StatusCode::BAD_REQUEST),
    ("M_UNABLE_TO_GRANT_JOIN", StatusCode::BAD_REQUEST),
];

/// An error for a client.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    errcode: String,
    message: String,
    extra: Option<(&'static str, Value)>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, errcode: &str, message: impl Into<String>) -> Self {
        Self { status, errcode: errcode.to_owned(), message: message.into(), extra: None }
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "M_NOT_FOUND", message)
    }

    pub(crate) fn invalid_param(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_INVALID_PARAM", message)
    }

    pub(crate) fn missing_param(name: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_MISSING_PARAM", format!("`{name}` is missing"))
    }

    pub(crate) fn bad_json(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_BAD_JSON", message)
    }

    pub(crate) fn limited(retry_after: Duration) -> Self {
        let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED", "too many requests: wait a little");
        Self { extra: Some(("retry_after_ms", json!(millis))), ..error }
    }

    /// C-S API, "Soft logout": the client keeps what it has, and gets another token.
    pub(crate) fn expired_token() -> Self {
        let error = Self::new(StatusCode::UNAUTHORIZED, "M_UNKNOWN_TOKEN", "the access token has expired");
        Self { extra: Some(("soft_logout", json!(true))), ..error }
    }

    pub(crate) fn wrong_backup_version(message: String, current: i64) -> Self {
        let error = Self::new(StatusCode::FORBIDDEN, "M_WRONG_ROOM_KEYS_VERSION", message);
        Self { extra: Some(("current_version", json!(current.to_string()))), ..error }
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "M_UNKNOWN", "the server failed; its log says why")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "errcode": self.errcode, "error": self.message });
        let mut retry_after = None;
        if let Some((key, value)) = self.extra {
            retry_after = value.as_u64().filter(|_| key == "retry_after_ms").map(|millis| millis.div_ceil(1000));
            body[key] = value;
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Limited> for ApiError {
    fn from(limited: Limited) -> Self {
        Self::limited(limited.retry_after)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!("a client's request failed: {error}");
        Self::internal()
    }
}

impl From<MessagingError> for ApiError {
    fn from(error: MessagingError) -> Self {
        let message = error.to_string();
        match error {
            MessagingError::UnknownRoom(_) | MessagingError::NotFound(_) => Self::not_found(message),
            MessagingError::Forbidden(_) => Self::forbidden(message),
            MessagingError::Invalid(_) => Self::invalid_param(message),
            MessagingError::InUse(_) => Self::new(StatusCode::CONFLICT, "M_UNKNOWN", message),
            MessagingError::BadAlias(_) => Self::new(StatusCode::BAD_REQUEST, "M_BAD_ALIAS", message),
            MessagingError::InvalidState(_) => Self::new(StatusCode::BAD_REQUEST, "M_INVALID_ROOM_STATE", message),
            MessagingError::NotLeft(_) => Self::new(StatusCode::BAD_REQUEST, "M_UNKNOWN", message),
            MessagingError::UnsupportedVersion { version, .. } => {
                let error = Self::new(StatusCode::BAD_REQUEST, "M_INCOMPATIBLE_ROOM_VERSION", message);
                Self { extra: Some(("room_version", json!(version))), ..error }
            }
            MessagingError::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message),
            MessagingError::RemoteRefused { errcode, .. } => {
                let status = PASSED_ON.iter().find(|(known, _)| *known == errcode).map(|(_, status)| *status);
                match status {
                    Some(status) => Self::new(status, &errcode, message),
                    None => Self::new(StatusCode::BAD_GATEWAY, "M_UNKNOWN", message),
                }
            }
            MessagingError::RemoteFailed(_) => Self::new(StatusCode::BAD_GATEWAY, "M_UNKNOWN", message),
            MessagingError::Partial(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", message),
            MessagingError::Internal(_) => Self::internal(),
        }
    }
}

pub(crate) async fn unknown_path() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "there is no such endpoint here")
}

pub(crate) async fn wrong_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "M_UNRECOGNIZED", "this endpoint does not answer to that method")
}

pub(crate) fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("an endpoint panicked: a defect, please report it with the lines above");
    ApiError::internal().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_server_speaks_through_us_in_few_codes_only() {
        for (status, errcode, expected) in [
            (403, "M_FORBIDDEN", (403, "M_FORBIDDEN")),
            (404, "M_NOT_FOUND", (404, "M_NOT_FOUND")),
            (400, "M_UNABLE_TO_GRANT_JOIN", (400, "M_UNABLE_TO_GRANT_JOIN")),
            (200, "M_FORBIDDEN", (403, "M_FORBIDDEN")),
            (418, "M_TEAPOT", (502, "M_UNKNOWN")),
            (403, "M_UNKNOWN_TOKEN", (502, "M_UNKNOWN")),
            (403, "M_USER_DEACTIVATED", (502, "M_UNKNOWN")),
            (500, "M_UNKNOWN", (502, "M_UNKNOWN")),
        ] {
            let refused = MessagingError::RemoteRefused {
                status,
                errcode: errcode.to_owned(),
                message: "b.test says: no".to_owned(),
            };
            let error = ApiError::from(refused);
            assert_eq!((error.status.as_u16(), error.errcode.as_str()), expected, "{status} {errcode}");
            assert_eq!(error.message, "b.test says: no");
        }
    }
}

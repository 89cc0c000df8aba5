//! Errors as Matrix answers them. C-S API, "Standard error response".

use serde_json::{Value, json};

/// An error that goes to whoever asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{status} {errcode}: {message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// `M_FORBIDDEN` and the like.
    pub errcode: &'static str,
    /// For people: what was wrong, where, and what to do.
    pub message: String,
    /// Further properties of the answer, as some errors have.
    pub extra: Vec<(&'static str, Value)>,
}

impl ApiError {
    /// An error with this status and code.
    pub fn new(status: u16, errcode: &'static str, message: impl Into<String>) -> Self {
        Self { status, errcode, message: message.into(), extra: Vec::new() }
    }

    /// 403 `M_FORBIDDEN`
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "M_FORBIDDEN", message)
    }

    /// 404 `M_NOT_FOUND`
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "M_NOT_FOUND", message)
    }

    /// 400 `M_BAD_JSON`
    pub fn bad_json(message: impl Into<String>) -> Self {
        Self::new(400, "M_BAD_JSON", message)
    }

    /// 400 `M_INVALID_PARAM`
    pub fn invalid_param(message: impl Into<String>) -> Self {
        Self::new(400, "M_INVALID_PARAM", message)
    }

    /// 401 `M_UNAUTHORIZED`: the request is not signed, or not by whom it says.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "M_UNAUTHORIZED", message)
    }

    /// 413 `M_TOO_LARGE`
    pub fn too_large(bytes_max: usize) -> Self {
        Self::new(413, "M_TOO_LARGE", format!("the body of this request may have {bytes_max} bytes"))
    }

    /// 404 `M_UNRECOGNIZED`: there is no such endpoint.
    pub fn unrecognized_path() -> Self {
        Self::new(404, "M_UNRECOGNIZED", "there is no such endpoint")
    }

    /// 405 `M_UNRECOGNIZED`: the endpoint is there, but not for this method.
    pub fn unrecognized_method() -> Self {
        Self::new(405, "M_UNRECOGNIZED", "this endpoint does not know this method")
    }

    /// 500 `M_UNKNOWN`: our fault. The cause belongs in the log, not in the answer.
    pub fn internal() -> Self {
        Self::new(500, "M_UNKNOWN", "the server failed to answer; its log says why")
    }

    /// Adds a property to the answer.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.extra.push((key, value.into()));
        self
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut body = json!({ "errcode": self.errcode, "error": self.message });
        for (key, value) in &self.extra {
            body[*key] = value.clone();
        }
        body
    }
}

impl axum::response::IntoResponse for ApiError {
    fn into_response(self) -> axum::response::Response {
        let status = http::StatusCode::from_u16(self.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        (status, axum::Json(self.body())).into_response()
    }
}

impl From<persistence::StoreError> for ApiError {
    fn from(error: persistence::StoreError) -> Self {
        tracing::error!("a request failed: {error}");
        Self::internal()
    }
}

//! The content repository. C-S API, "Content repository".

mod answer;
mod config;
mod download;
mod thumbnail;
mod upload;

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post, put};
use http::StatusCode;
use media::{InvalidMxc, MediaError, Mxc};

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Path, Query};

/// What a client should wait when everything is busy.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(2);

/// The endpoints of files. How often a user may call them is decided by path, where requests are authenticated.
pub(crate) fn router() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/media/v3/upload", post(upload::upload))
        .route("/_matrix/media/v1/create", post(upload::create))
        .route("/_matrix/media/v3/upload/{server_name}/{media_id}", put(upload::upload_to))
        .route("/_matrix/client/v1/media/config", get(config::config))
        .route("/_matrix/client/v1/media/download/{server_name}/{media_id}", get(download::download))
        .route("/_matrix/client/v1/media/download/{server_name}/{media_id}/{file_name}", get(download::download))
        .route("/_matrix/client/v1/media/thumbnail/{server_name}/{media_id}", get(thumbnail::thumbnail))
        .merge(deprecated())
}

/// What anybody could download without a token. Frozen, as the specification wants since version 1.12, before the first file
/// came: whatever is here was uploaded, or cached, after the freeze.
fn deprecated() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/media/v3/config", get(config::config))
        .route("/_matrix/media/v3/download/{server_name}/{media_id}", get(frozen))
        .route("/_matrix/media/v3/download/{server_name}/{media_id}/{file_name}", get(frozen))
        .route("/_matrix/media/v3/thumbnail/{server_name}/{media_id}", get(frozen))
}

async fn frozen() -> ApiError {
    ApiError::not_found("files are only to be had with an access token, at /_matrix/client/v1/media")
}

fn mxc(path: &Path) -> Result<Mxc, ApiError> {
    Ok(Mxc::new(path.text("server_name"), path.text("media_id"))?)
}

fn patience(query: &Query) -> Result<Option<Duration>, ApiError> {
    Ok(query.number("timeout_ms")?.map(Duration::from_millis))
}

impl From<InvalidMxc> for ApiError {
    fn from(error: InvalidMxc) -> Self {
        Self::invalid_param(format!("in the path: {error}"))
    }
}

impl From<MediaError> for ApiError {
    fn from(error: MediaError) -> Self {
        let message = error.to_string();
        match error {
            MediaError::NotFound(_) => Self::not_found(message),
            MediaError::NotYetUploaded(_) => Self::new(StatusCode::GATEWAY_TIMEOUT, "M_NOT_YET_UPLOADED", message),
            MediaError::TooLarge(_) | MediaError::ImageTooLarge { is_ours: true, .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message)
            }
            MediaError::RemoteTooLarge { .. } | MediaError::ImageTooLarge { is_ours: false, .. } => {
                Self::new(StatusCode::BAD_GATEWAY, "M_TOO_LARGE", message)
            }
            MediaError::CannotOverwrite(_) => Self::new(StatusCode::CONFLICT, "M_CANNOT_OVERWRITE_MEDIA", message),
            MediaError::NotYours(_) => Self::forbidden(message),
            MediaError::TooManyUnused { retry_after } => Self::limited(retry_after),
            MediaError::Busy => Self::limited(BUSY_RETRY_AFTER),
            MediaError::NameTooLong(_) => Self::invalid_param(message),
            MediaError::BrokenOff(_) | MediaError::CannotThumbnail(_) => {
                Self::new(StatusCode::BAD_REQUEST, "M_UNKNOWN", message)
            }
            MediaError::TooSlow => Self::new(StatusCode::REQUEST_TIMEOUT, "M_UNKNOWN", message),
            MediaError::RemoteRefused { .. } | MediaError::RemoteFailed { .. } => {
                Self::new(StatusCode::BAD_GATEWAY, "M_UNKNOWN", message)
            }
            MediaError::Internal => Self::internal(),
        }
    }
}

//! Uploads, at once and in two steps.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use events::Value;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use media::Description;
use serde_json::json;

use super::mxc;
use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Path, Query};

type Answer = Result<Json<Value>, ApiError>;

/// `POST /_matrix/media/v3/upload`
pub(super) async fn upload(State(api): State<ClientApi>, who: Authenticated, query: Query, request: Request) -> Answer {
    let (description, content) = split(&query, request);
    let mxc = api.media().upload(&who.user, description, content.into_data_stream()).await?;
    Ok(Json(json!({ "content_uri": mxc.to_string() })))
}

/// `POST /_matrix/media/v1/create`
pub(super) async fn create(State(api): State<ClientApi>, who: Authenticated) -> Answer {
    let unused = api.media().create(&who.user).await?;
    Ok(Json(json!({ "content_uri": unused.mxc.to_string(), "unused_expires_at": unused.expires_at })))
}

/// `PUT /_matrix/media/v3/upload/{serverName}/{mediaId}`
pub(super) async fn upload_to(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    query: Query,
    request: Request,
) -> Answer {
    let mxc = mxc(&path)?;
    let (description, content) = split(&query, request);
    api.media().upload_to(&who.user, &mxc, description, content.into_data_stream()).await?;
    Ok(Json(json!({})))
}

/// What is said about a file, and the file.
fn split(query: &Query, request: Request) -> (Description, Body) {
    let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let description = Description {
        content_type: header(CONTENT_TYPE).map(str::to_owned),
        file_name: query.get("filename").map(str::to_owned),
        bytes: header(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
    };
    (description, request.into_body())
}

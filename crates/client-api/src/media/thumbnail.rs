//! Thumbnails.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use media::{Motion, Reach, ThumbnailMethod, ThumbnailQuestion};

use super::{answer, mxc, patience};
use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Path, Query};

/// `GET /_matrix/client/v1/media/thumbnail/{serverName}/{mediaId}`
pub(super) async fn thumbnail(
    State(api): State<ClientApi>,
    _who: Authenticated,
    path: Path,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (mxc, question) = (mxc(&path)?, question(&query)?);
    let file = api.media().thumbnail(&mxc, question, patience(&query)?, Reach::Everywhere).await?;
    Ok(answer::with_file(file, &headers))
}

fn question(query: &Query) -> Result<ThumbnailQuestion, ApiError> {
    let length = |name| {
        let length = query.number(name)?.ok_or_else(|| ApiError::missing_param(name))?;
        let length = u32::try_from(length).ok().filter(|length| *length > 0);
        length.ok_or_else(|| ApiError::invalid_param(format!("in the query: `{name}` must be a number of pixels")))
    };
    let method = match query.get("method") {
        Some("crop") => ThumbnailMethod::Crop,
        Some("scale") | None => ThumbnailMethod::Scale,
        Some(_) => return Err(ApiError::invalid_param("in the query: `method` must be crop or scale")),
    };
    let motion = match query.get("animated") {
        Some("true") => Motion::Animated,
        Some("false") | None => Motion::Still,
        Some(_) => return Err(ApiError::invalid_param("in the query: `animated` must be true or false")),
    };
    Ok(ThumbnailQuestion { width: length("width")?, height: length("height")?, method, motion })
}

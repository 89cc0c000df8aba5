//! Downloads.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use media::Reach;

use super::{answer, mxc, patience};
use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Path, Query};

/// `GET /_matrix/client/v1/media/download/{serverName}/{mediaId}`, with or without `/{fileName}`, which is then what the file is
/// called.
pub(super) async fn download(
    State(api): State<ClientApi>,
    _who: Authenticated,
    path: Path,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut file = api.media().download(&mxc(&path)?, patience(&query)?, Reach::Everywhere).await?;
    if let Some(file_name) = path.find("file_name") {
        file.file_name = Some(file_name.to_owned());
    }
    Ok(answer::with_file(file, &headers))
}

//! Files of our users. S2S API, "Content Repository".

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures_util::{StreamExt, future, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};

use super::ServerContext;
use super::body::NoBody;
use super::parameters::{Parameters, missing};
use super::signed::Signed;
use crate::error::ApiError;
use crate::multipart;
use crate::questions::{FileAnswer, Motion, ThumbnailMethod, ThumbnailQuestion};

/// Letters and digits of a boundary: nobody guesses it, so no content can have it.
const BOUNDARY_LENGTH: usize = 32;

/// `GET /_matrix/federation/v1/media/download/{mediaId}`
pub(super) async fn download(
    State(context): State<ServerContext>,
    signed: Signed<NoBody>,
) -> Result<Response, ApiError> {
    let media_id = signed.parameters.path_text("mediaId")?;
    let answer = context.media.download(&signed.origin, media_id, patience(&signed.parameters)?).await?;
    Ok(respond(&context, answer))
}

/// `GET /_matrix/federation/v1/media/thumbnail/{mediaId}`
pub(super) async fn thumbnail(
    State(context): State<ServerContext>,
    signed: Signed<NoBody>,
) -> Result<Response, ApiError> {
    let media_id = signed.parameters.path_text("mediaId")?;
    let question = question(&signed.parameters)?;
    let answer = context.media.thumbnail(&signed.origin, media_id, question, patience(&signed.parameters)?).await?;
    Ok(respond(&context, answer))
}

fn patience(parameters: &Parameters) -> Result<Option<Duration>, ApiError> {
    let millis = parameters.query_number("timeout_ms")?;
    Ok(millis.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0))))
}

fn question(parameters: &Parameters) -> Result<ThumbnailQuestion, ApiError> {
    let length = |name| {
        let length = parameters.query_number(name)?.ok_or_else(|| missing(name))?;
        let length = u32::try_from(length).ok().filter(|length| *length > 0);
        length.ok_or_else(|| ApiError::invalid_param(format!("`{name}` must be a number of pixels")))
    };
    let method = match parameters.query_text("method") {
        Some("crop") => ThumbnailMethod::Crop,
        Some("scale") | None => ThumbnailMethod::Scale,
        Some(_) => return Err(ApiError::invalid_param("`method` must be crop or scale")),
    };
    let motion = match parameters.query_text("animated") {
        Some("true") => Motion::Animated,
        Some("false") | None => Motion::Still,
        Some(_) => return Err(ApiError::invalid_param("`animated` must be true or false")),
    };
    Ok(ThumbnailQuestion { width: length("width")?, height: length("height")?, method, motion })
}

/// The first part says nothing yet; the second one is the file.
fn respond(context: &ServerContext, answer: FileAnswer) -> Response {
    let boundary = context.key_ring.handles().random.token(BOUNDARY_LENGTH);
    let opening = multipart::opening(&boundary, &answer.content_type, &answer.disposition);
    let closing = multipart::closing(&boundary);
    let length = answer.bytes + (opening.len() + closing.len()) as u64;
    let part = |bytes| stream::once(future::ready(Ok(bytes)));
    let mut response = Response::new(Body::from_stream(part(opening).chain(answer.content).chain(part(closing))));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    if let Ok(content_type) = format!("multipart/mixed; boundary={boundary}").try_into() {
        headers.insert(CONTENT_TYPE, content_type);
    }
    response
}

//! Lets a request through to its handler once it has proved who sends it. S2S API, "Request Authentication".

use axum::extract::{FromRequest, Request};
use events::{PublicKey, ServerName};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::ServerContext;
use super::body::{self, FromBody, Wanted};
use super::parameters::{Parameters, raw_target};
use super::shares::{RequestShare, address_of};
use crate::error::ApiError;
use crate::limits::REQUEST_BYTES_MAX;
use crate::x_matrix::{Malformed, SignedRequest, XMatrix};

/// `Authorization` headers that are looked at: one for each key of a server that changes its key.
const HEADERS_MAX: usize = 4;

/// A request from `origin`, to us, unchanged on its way.
pub(super) struct Signed<B> {
    pub(super) origin: ServerName,
    pub(super) parameters: Parameters,
    pub(super) body: B,
    /// Held until the request is answered.
    _share: RequestShare,
}

impl<B: FromBody> FromRequest<ServerContext> for Signed<B> {
    type Rejection = ApiError;

    async fn from_request(request: Request, context: &ServerContext) -> Result<Self, ApiError> {
        let (mut parts, body) = request.into_parts();
        let (us, handles) = (&context.server_name, context.key_ring.handles());
        let headers = headers(&parts.headers, us)?;
        let origin = headers[0].origin.clone();
        let keys = keys(context, headers).await?;
        let mut share = context.shares.body(address_of(&parts));
        let bytes = match B::WANTED {
            Wanted::Nothing => None,
            Wanted::Json => Some(body::read(&parts.headers, body, REQUEST_BYTES_MAX, &mut share, handles).await?),
        };
        let (method, target) = (parts.method.to_string(), raw_target(&parts));
        let (destination, asker) = (us.clone(), origin.clone());
        let body = handles
            .compute
            .run(move || {
                let json = bytes.as_deref().map(body::check_json).transpose()?;
                let request =
                    SignedRequest { method: &method, uri: &target, origin: &asker, destination: &destination };
                if !keys.iter().any(|(key, signature)| request.is_signed(json, key, signature)) {
                    return Err(ApiError::unauthorized(format!("the signature of {asker} does not verify")));
                }
                B::from_json(json.unwrap_or_default())
            })
            .await?;
        context.heard_from.heard_from(&origin);
        let share = context.shares.request(&origin, share).await?;
        let parameters = Parameters::read(&mut parts).await?;
        Ok(Self { origin, parameters, body, _share: share })
    }
}

/// The X-Matrix headers: at least one, of one origin, for us.
fn headers(headers: &HeaderMap, us: &ServerName) -> Result<Vec<XMatrix>, ApiError> {
    let mut found: Vec<XMatrix> = Vec::new();
    for value in headers.get_all(AUTHORIZATION).iter().take(HEADERS_MAX) {
        let text = value.to_str().map_err(|_| ApiError::unauthorized("the Authorization header is not ASCII"))?;
        let header = match XMatrix::parse(text) {
            Ok(header) => header,
            Err(Malformed::Scheme) => continue,
            Err(
                malformed @ (Malformed::Grammar(_)
                | Malformed::Duplicate(_)
                | Malformed::Missing(_)
                | Malformed::Invalid { .. }),
            ) => return Err(ApiError::unauthorized(malformed.to_string())),
        };
        if header.destination.as_ref().is_some_and(|destination| destination != us) {
            return Err(ApiError::unauthorized(format!("the request is for another server; this is {us}")));
        }
        if header.origin == *us {
            return Err(ApiError::unauthorized(format!("{us} does not ask itself: whoever sent this is not {us}")));
        }
        if found.first().is_some_and(|first| first.origin != header.origin) {
            return Err(ApiError::unauthorized("the X-Matrix headers name different origins"));
        }
        found.push(header);
    }
    if found.is_empty() {
        return Err(ApiError::unauthorized("the request has no Authorization header with the scheme X-Matrix"));
    }
    Ok(found)
}

/// The keys with which the request may be signed, each with its signature. None is the error of the last.
async fn keys(context: &ServerContext, headers: Vec<XMatrix>) -> Result<Vec<(PublicKey, String)>, ApiError> {
    let mut keys = Vec::new();
    let mut last_error = None;
    for header in headers {
        if !header.key.as_str().starts_with("ed25519:") {
            last_error = Some(format!("the algorithm of the key {} is not known", header.key));
            continue;
        }
        match context.key_ring.for_request(&header.origin, &header.key).await {
            Ok(key) => keys.push((key, header.signature)),
            Err(error) => last_error = Some(error.to_string()),
        }
    }
    match last_error {
        Some(error) if keys.is_empty() => Err(ApiError::unauthorized(error)),
        Some(_) | None => Ok(keys),
    }
}

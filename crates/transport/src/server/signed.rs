//! Who asks: checked before any endpoint sees the request. S2S API, "Request Authentication".

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use events::{Object, ServerName, Value};
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::ServerContext;
use crate::error::ApiError;
use crate::limits::REQUEST_BYTES_MAX;
use crate::x_matrix::{SignedRequest, XMatrix};

/// A request whose sender has proved who they are.
pub(super) struct Signed {
    /// Who asks.
    pub(super) origin: ServerName,
    /// The body, valid JSON; `None` for requests without one.
    body: Option<String>,
}

impl Signed {
    /// The body as an object.
    pub(super) fn object(&self) -> Result<Object, ApiError> {
        match self.parse::<Value>()? {
            Value::Object(object) => Ok(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(ApiError::bad_json("the body must be a JSON object"))
            }
        }
    }

    /// The body as a type.
    pub(super) fn parse<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, ApiError> {
        let body = self.body.as_deref().unwrap_or_default();
        serde_json::from_str(body)
            .map_err(|error| ApiError::bad_json(format!("the body is not as it must be: {error}")))
    }
}

impl FromRequest<ServerContext> for Signed {
    type Rejection = ApiError;

    async fn from_request(request: Request, context: &ServerContext) -> Result<Self, ApiError> {
        let header = read_header(&request, &context.server_name)?;
        let method = request.method().clone();
        let uri = request.uri().path_and_query().map(|uri| uri.as_str().to_owned()).unwrap_or_default();
        let body = read_body(request).await?;
        let key = context.key_ring.for_request(&header.origin, &header.key).await;
        let key = key.map_err(|error| unauthorized(error.to_string()))?;
        let destination = header.destination.as_ref().unwrap_or(&context.server_name);
        let signed = SignedRequest { method: method.as_str(), uri: &uri, origin: &header.origin, destination };
        if !signed.is_signed(body.as_deref(), &key, &header.signature) {
            return Err(unauthorized(format!(
                "the signature of {} with {} does not verify",
                header.origin, header.key
            )));
        }
        context.heard_from.heard_from(&header.origin);
        Ok(Self { origin: header.origin, body })
    }
}

fn read_header(request: &Request, us: &ServerName) -> Result<XMatrix, ApiError> {
    let header =
        request.headers().get(AUTHORIZATION).ok_or_else(|| unauthorized("the request has no Authorization header"))?;
    let header = header.to_str().map_err(|_| unauthorized("the Authorization header is not ASCII"))?;
    let header = XMatrix::parse(header).map_err(|error| unauthorized(error.to_string()))?;
    match &header.destination {
        Some(destination) if destination != us => {
            Err(unauthorized(format!("the request is meant for {destination}, this is {us}")))
        }
        Some(_) | None if header.origin == *us => {
            Err(unauthorized("the request claims to come from this server itself"))
        }
        Some(_) | None => Ok(header),
    }
}

/// Reads the body, up to the limit, and checks that it is JSON.
async fn read_body(request: Request) -> Result<Option<String>, ApiError> {
    if request.method() == Method::GET {
        return Ok(None);
    }
    let too_large = || ApiError::new(413, "M_TOO_LARGE", format!("the body has more than {REQUEST_BYTES_MAX} bytes"));
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > REQUEST_BYTES_MAX) {
        return Err(too_large());
    }
    let body: Bytes = match Limited::new(request.into_body(), REQUEST_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(error) => return Err(ApiError::new(400, "M_NOT_JSON", format!("the body could not be read: {error}"))),
    };
    let text = String::from_utf8(body.into()).map_err(|_| ApiError::new(400, "M_NOT_JSON", "the body is not UTF-8"))?;
    serde_json::from_str::<serde::de::IgnoredAny>(&text)
        .map_err(|error| ApiError::new(400, "M_NOT_JSON", format!("the body is not JSON: {error}")))?;
    Ok(Some(text))
}

fn unauthorized(message: impl Into<String>) -> ApiError {
    ApiError::new(401, "M_UNAUTHORIZED", message)
}

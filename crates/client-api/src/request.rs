//! What clients send, read and checked: who they are, parameters of paths and queries, bodies.

use std::net::IpAddr;

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use events::id::{Id, Kind};
use events::{Object, UserId, Value};
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use messaging::reading::Viewer;
use serde::de::DeserializeOwned;
use users::DeviceId;
use users::rate_limits::{Limit, address_key};
use users::sessions::Authentication;

use crate::ClientApi;
use crate::error::ApiError;
use crate::limits::{address_of, limit_of};

/// Bytes of a request's JSON. An event has at most 64 KiB; uploads of keys are larger.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of JSON with the keys of many rooms. Clients back up some hundred at a time.
const LARGE_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Somebody who has shown a valid access token.
pub(crate) struct Authenticated {
    pub(crate) user: UserId,
    pub(crate) device: DeviceId,
    pub(crate) is_admin: bool,
}

impl Authenticated {
    /// As a reader of rooms.
    pub(crate) fn viewer(&self) -> Viewer {
        Viewer { user: self.user.clone(), device: self.device.as_str().to_owned() }
    }

    /// Refuses a request that is about somebody else's settings.
    pub(crate) fn must_be(&self, user: &UserId) -> Result<(), ApiError> {
        if self.user == *user { Ok(()) } else { Err(ApiError::forbidden(format!("you are not {user}"))) }
    }
}

impl FromRequestParts<ClientApi> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ClientApi) -> Result<Self, ApiError> {
        let missing = || ApiError::new(StatusCode::UNAUTHORIZED, "M_MISSING_TOKEN", "the request has no access token");
        let header = parts.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer ")).map(str::to_owned);
        let token = token.or_else(|| Query::of(parts).get("access_token").map(str::to_owned)).ok_or_else(missing)?;
        let address = address_of(parts, &api.config().trusted_proxies);
        let owner = match api.users().authenticate(&token, address).await? {
            Authentication::Owner(owner) => owner,
            Authentication::Expired => return Err(ApiError::expired_token()),
            Authentication::Unknown => {
                let message = "the access token is not valid";
                return Err(ApiError::new(StatusCode::UNAUTHORIZED, "M_UNKNOWN_TOKEN", message));
            }
        };
        if let Some(limit) = limit_of(parts) {
            api.users().take(limit, owner.user_id.as_str())?;
        }
        Ok(Self { user: owner.user_id, device: owner.device_id, is_admin: owner.is_admin })
    }
}

/// The address that a request came from.
pub(crate) struct Address(pub(crate) Option<IpAddr>);

impl FromRequestParts<ClientApi> for Address {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ClientApi) -> Result<Self, ApiError> {
        Ok(Self(address_of(parts, &api.config().trusted_proxies)))
    }
}

impl Address {
    /// Counts the request against a limit of its address. Who has none comes from this process.
    pub(crate) fn take(&self, api: &ClientApi, limit: Limit) -> Result<(), ApiError> {
        match self.0 {
            Some(address) => Ok(api.users().take(limit, &address_key(address))?),
            None => Ok(()),
        }
    }
}

/// The parameters of a path, percent-decoded.
pub(crate) struct Path(Vec<(String, String)>);

impl Path {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn id<K: Kind>(&self, name: &str) -> Result<Id<K>, ApiError> {
        Id::parse(self.text(name)).map_err(|error| ApiError::invalid_param(format!("in the path: {error}")))
    }
}

impl FromRequestParts<ClientApi> for Path {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &ClientApi) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, api).await;
        let raw = raw.map_err(|error| ApiError::invalid_param(format!("in the path: {error}")))?;
        Ok(Self(raw.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }
}

/// The parameters of a query.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let wrong = |_| ApiError::invalid_param(format!("in the query: `{name}` must be a number, not negative"));
        self.get(name).map(|value| value.parse().map_err(wrong)).transpose()
    }
}

impl FromRequestParts<ClientApi> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &ClientApi) -> Result<Self, ApiError> {
        Ok(Self::of(parts))
    }
}

/// A JSON object; an empty body counts as an empty one.
pub(crate) struct Body(pub(crate) Object);

impl Body {
    /// A text that must be there.
    pub(crate) fn text(&self, name: &str) -> Result<&str, ApiError> {
        self.find_text(name)?.ok_or_else(|| ApiError::missing_param(name))
    }

    /// A text, if it is there.
    pub(crate) fn find_text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                value.as_str().map(Some).ok_or_else(|| ApiError::bad_json(format!("`{name}` must be a string")))
            }
        }
    }

    /// A value of some type, if it is there.
    pub(crate) fn find<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value.clone())
                .map(Some)
                .map_err(|error| ApiError::bad_json(format!("`{name}` is not as it must be: {error}"))),
        }
    }

    /// A value of some type that must be there.
    pub(crate) fn need<T: DeserializeOwned>(&self, name: &str) -> Result<T, ApiError> {
        self.find(name)?.ok_or_else(|| ApiError::missing_param(name))
    }
}

impl FromRequest<ClientApi> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, _api: &ClientApi) -> Result<Self, ApiError> {
        read_body(request, BODY_BYTES_MAX).await
    }
}

/// Like [`Body`], but larger.
pub(crate) struct LargeBody(pub(crate) Body);

impl FromRequest<ClientApi> for LargeBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _api: &ClientApi) -> Result<Self, ApiError> {
        read_body(request, LARGE_BODY_BYTES_MAX).await.map(Self)
    }
}

async fn read_body(request: Request, bytes_max: usize) -> Result<Body, ApiError> {
    let too_large = || {
        let message = format!("the body has more than {bytes_max} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message)
    };
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > bytes_max) {
        return Err(too_large());
    }
    let body = match Limited::new(request.into_body(), bytes_max).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(too_large()),
        Err(error) => return Err(ApiError::bad_json(format!("the body could not be read: {error}"))),
    };
    if body.is_empty() {
        return Ok(Body(Object::new()));
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => Ok(Body(object)),
        Ok(_) => Err(ApiError::bad_json("the body must be a JSON object")),
        Err(error) => {
            Err(ApiError::new(StatusCode::BAD_REQUEST, "M_NOT_JSON", format!("the body is not JSON: {error}")))
        }
    }
}

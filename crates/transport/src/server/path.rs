//! What stands in paths and queries, read as what it must be.

use axum::extract::{FromRequestParts, RawPathParams};
use events::id::{Id, Kind};
use http::request::Parts;

use super::ServerContext;
use crate::error::ApiError;

/// The parameters of a path, percent-decoded.
pub(super) struct PathParameters(Vec<(String, String)>);

impl PathParameters {
    /// The parameter of this name, as an identifier.
    pub(super) fn id<K: Kind>(&self, name: &str) -> Result<Id<K>, ApiError> {
        Id::parse(self.text(name)).map_err(|error| ApiError::invalid_param(format!("in the path: {error}")))
    }

    /// The parameter of this name.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }
}

impl FromRequestParts<ServerContext> for PathParameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, context: &ServerContext) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, context).await;
        let raw = raw.map_err(|error| ApiError::invalid_param(format!("in the path: {error}")))?;
        Ok(Self(raw.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }
}

/// The parameters of a query, each name possibly several times.
pub(super) struct QueryParameters(Vec<(String, String)>);

impl QueryParameters {
    /// The first value of this name.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Every value of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of this name, which must be there, as an identifier.
    pub(super) fn id<K: Kind>(&self, name: &str) -> Result<Id<K>, ApiError> {
        let missing = || ApiError::new(400, "M_MISSING_PARAM", format!("the query has no `{name}`"));
        let value = self.get(name).ok_or_else(missing)?;
        Id::parse(value).map_err(|error| ApiError::invalid_param(format!("in the query: {error}")))
    }

    /// The value of this name as a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let wrong = |_| ApiError::invalid_param(format!("in the query: `{name}` must be a number, not negative"));
        self.get(name).map(|value| value.parse().map_err(wrong)).transpose()
    }
}

impl FromRequestParts<ServerContext> for QueryParameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _context: &ServerContext) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }
}

//! The parameters in paths and queries, percent-decoded, and what they should be.

use axum::extract::{FromRequestParts, RawPathParams};
use events::id::{Id, Kind};
use http::request::Parts;

use crate::error::ApiError;

/// Parameters of a query that are read; further ones are an error.
const QUERY_PARAMETERS_MAX: usize = 1000;

/// The parameters of one request.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

impl Parameters {
    pub(super) async fn read(parts: &mut Parts) -> Result<Self, ApiError> {
        let path = RawPathParams::from_request_parts(parts, &())
            .await
            .map_err(|error| ApiError::invalid_param(error.body_text()))?
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let query = parts.uri.query().unwrap_or_default();
        let query: Vec<_> =
            form_urlencoded::parse(query.as_bytes()).into_owned().take(QUERY_PARAMETERS_MAX + 1).collect();
        if query.len() > QUERY_PARAMETERS_MAX {
            return Err(ApiError::invalid_param("the query has too many parameters"));
        }
        Ok(Self { path, query })
    }

    /// The text of a path parameter.
    pub(super) fn path_text(&self, name: &'static str) -> Result<&str, ApiError> {
        let found = self.path.iter().find(|(found, _)| found == name);
        // A handler that reads what its route does not have would be our mistake.
        found.map(|(_, value)| value.as_str()).ok_or_else(ApiError::internal)
    }

    /// An identifier in the path.
    pub(super) fn path_id<K: Kind>(&self, name: &'static str) -> Result<Id<K>, ApiError> {
        parse_id(name, self.path_text(name)?)
    }

    /// Each value of a parameter of the query.
    pub(super) fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a parameter of the query.
    pub(super) fn query_text(&self, name: &'static str) -> Option<&str> {
        self.query_all(name).next()
    }

    /// An identifier in the query that must be there.
    pub(super) fn query_id<K: Kind>(&self, name: &'static str) -> Result<Id<K>, ApiError> {
        parse_id(name, self.query_text(name).ok_or_else(|| missing(name))?)
    }

    /// A number in the query.
    pub(super) fn query_number(&self, name: &'static str) -> Result<Option<i64>, ApiError> {
        self.query_text(name)
            .map(|text| text.parse().map_err(|_| ApiError::invalid_param(format!("`{name}` must be a number"))))
            .transpose()
    }
}

/// The path and query as they are on the wire.
pub(super) fn raw_target(parts: &Parts) -> String {
    // No router of ours nests another, which would rewrite it.
    parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), ToString::to_string)
}

pub(super) fn missing(name: &'static str) -> ApiError {
    ApiError::new(400, "M_MISSING_PARAM", format!("the query has no `{name}`"))
}

pub(super) fn parse_id<K: Kind>(name: &'static str, text: &str) -> Result<Id<K>, ApiError> {
    Id::parse(text).map_err(|error| ApiError::invalid_param(format!("`{name}`: {error}")))
}

//! C-S API, "Filtering".

use axum::Json;
use axum::extract::State;
use events::Value;
use http::StatusCode;
use messaging::filter::Filter;
use serde_json::json;
use users::filters::FilterError;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path};

/// `POST /_matrix/client/v3/user/{userId}/filter`
pub(crate) async fn store(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    who.must_be(&path.id("user_id")?)?;
    Filter::parse(&body.0).map_err(|error| ApiError::bad_json(error.to_string()))?;
    Ok(Json(json!({ "filter_id": api.users().store_filter(&who.user, &body.0).await? })))
}

/// `GET /_matrix/client/v3/user/{userId}/filter/{filterId}`
pub(crate) async fn get(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Result<Json<Value>, ApiError> {
    who.must_be(&path.id("user_id")?)?;
    let filter = api.users().filter(&who.user, path.text("filter_id")).await?;
    filter.map(|filter| Json(Value::Object(filter))).ok_or_else(|| ApiError::not_found("you have no such filter"))
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> Self {
        let message = error.to_string();
        match error {
            FilterError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message),
            FilterError::Store(error) => error.into(),
        }
    }
}

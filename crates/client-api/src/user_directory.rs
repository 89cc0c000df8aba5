//! C-S API, "User Directory".

use axum::Json;
use axum::extract::State;
use events::{Object, Value};
use serde_json::json;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body};

/// Results if the client does not say how many.
const LIMIT_DEFAULT: usize = 10;
/// Results at most.
const LIMIT_MAX: usize = 50;

/// `POST /_matrix/client/v3/user_directory/search`
pub(crate) async fn search(
    State(api): State<ClientApi>,
    who: Authenticated,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let limit = body.find::<usize>("limit")?.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let (people, limited) = api.messaging().find_people(&who.user, body.text("search_term")?, limit).await?;
    let results: Vec<Object> = people
        .into_iter()
        .map(|person| {
            let mut result = Object::from_iter([("user_id".to_owned(), json!(person.user_id))]);
            for (field, value) in [("display_name", person.display_name), ("avatar_url", person.avatar_url)] {
                result.extend(value.map(|value| (field.to_owned(), Value::String(value))));
            }
            result
        })
        .collect();
    Ok(Json(json!({ "results": results, "limited": limited })))
}

//! User-interactive authentication: asks for the password again before something that cannot be undone. C-S API,
//! "User-Interactive Authentication API".
//!
//! There is one flow of one stage, so nothing has to be remembered between two requests.

use std::net::IpAddr;

use axum::Json;
use axum::response::{IntoResponse, Response};
use events::{Object, UserId, Value};
use http::StatusCode;
use serde_json::json;
use users::sessions::PasswordError;

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::Body;

/// Characters of the id of a session.
const SESSION_CHARS: usize = 24;

/// Why a stage was not passed.
pub(crate) struct Failure {
    pub(crate) errcode: &'static str,
    pub(crate) error: String,
}

/// Proves that the caller knows the password of `user`. `None` once that is so; until then, the answer to give.
pub(crate) async fn prove_password(
    api: &ClientApi,
    user: &UserId,
    address: Option<IpAddr>,
    body: &Body,
) -> Result<Option<Response>, ApiError> {
    const STAGE: &str = "m.login.password";
    let Some(auth) = body.find::<Object>("auth")? else { return Ok(Some(challenge(api, STAGE, None, None))) };
    let text = |key: &str| auth.get(key).and_then(Value::as_str);
    let session = text("session");
    let wrong =
        |error: String| Ok(Some(challenge(api, STAGE, session, Some(Failure { errcode: "M_FORBIDDEN", error }))));
    if text("type") != Some(STAGE) {
        let failure = auth.contains_key("type").then(|| Failure {
            errcode: "M_UNRECOGNIZED",
            error: format!("this stage cannot be used here: {STAGE} can"),
        });
        return Ok(Some(challenge(api, STAGE, session, failure)));
    }
    let named = match auth.get("identifier") {
        Some(identifier) if identifier.get("type").and_then(Value::as_str) == Some("m.id.user") => {
            identifier.get("user").and_then(Value::as_str)
        }
        Some(_) => return Err(ApiError::forbidden("users are identified by m.id.user only")),
        // Without one, the owner of the access token is meant. `user` is the form before v1.1.
        None => text("user"),
    };
    if named.is_some_and(|name| api.users().resolve(&name.to_lowercase()).as_ref() != Some(user)) {
        return wrong(format!("this request is made by {user}, and needs their password"));
    }
    match api.users().check_password(user, text("password").unwrap_or_default(), address).await {
        Ok(()) => Ok(None),
        Err(error @ PasswordError::Wrong) => wrong(error.to_string()),
        Err(error) => Err(error.into()),
    }
}

/// What is still to be done: the one stage there is.
pub(crate) fn challenge(api: &ClientApi, stage: &str, session: Option<&str>, failure: Option<Failure>) -> Response {
    let session = match session.filter(|session| session.len() <= 255) {
        Some(session) => session.to_owned(),
        None => api.messaging().handles().random.token(SESSION_CHARS),
    };
    let mut body = json!({ "flows": [{ "stages": [stage] }], "params": {}, "session": session });
    if let Some(Failure { errcode, error }) = failure {
        body["errcode"] = json!(errcode);
        body["error"] = json!(error);
    }
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

//! C-S API, "Push Rules".

use axum::Json;
use axum::extract::State;
use events::Value;
use http::StatusCode;
use serde_json::json;
use users::push_rules::{PushRuleError, RuleKind};

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path};

/// `GET /_matrix/client/v3/pushrules/`
pub(crate) async fn all(State(api): State<ClientApi>, who: Authenticated) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({ "global": api.users().push_rules(&who.user).await?.to_json() })))
}

/// `GET /_matrix/client/v3/pushrules/global/`
pub(crate) async fn global(State(api): State<ClientApi>, who: Authenticated) -> Result<Json<Value>, ApiError> {
    Ok(Json(api.users().push_rules(&who.user).await?.to_json()))
}

/// `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`
pub(crate) async fn one(State(api): State<ClientApi>, who: Authenticated, path: Path) -> Result<Json<Value>, ApiError> {
    let rules = api.users().push_rules(&who.user).await?;
    let rule = rules.rule(path.text("kind"), path.text("rule_id"));
    rule.map(Json).ok_or_else(|| ApiError::not_found("there is no such push rule"))
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled`
pub(crate) async fn enable(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let kind = RuleKind::from(path.text("kind"));
    let enabled: bool = body.need("enabled")?;
    api.users().enable_push_rule(&who.user, kind, path.text("rule_id").to_owned(), enabled).await?;
    Ok(Json(json!({})))
}

impl From<PushRuleError> for ApiError {
    fn from(error: PushRuleError) -> Self {
        let message = error.to_string();
        match error {
            PushRuleError::NotFound => Self::not_found(message),
            PushRuleError::Invalid(_) => Self::invalid_param(message),
            PushRuleError::TooMany => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message),
            PushRuleError::Store(error) => error.into(),
        }
    }
}

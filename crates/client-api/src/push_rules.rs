//! C-S API, "Push Rules".

use axum::Json;
use axum::extract::State;
use events::Value;
use http::StatusCode;
use serde_json::json;
use users::push_rules::{PushRuleError, RuleKind, given};

use crate::ClientApi;
use crate::error::ApiError;
use crate::request::{Authenticated, Body, Path, Query};

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
    rule(&api, &who, &path).await.map(Json)
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`
pub(crate) async fn put(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    query: Query,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let rule = given::rule(&kind(&path)?, path.text("rule_id"), &body.0)?;
    let relative_to = |name: &str| query.get(name).map(str::to_owned);
    api.users().add_push_rule(&who.user, rule, relative_to("before"), relative_to("after")).await?;
    Ok(Json(json!({})))
}

/// `DELETE /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`
pub(crate) async fn delete(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
) -> Result<Json<Value>, ApiError> {
    api.users().delete_push_rule(&who.user, kind(&path)?, path.text("rule_id").to_owned()).await?;
    Ok(Json(json!({})))
}

/// `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled`
pub(crate) async fn is_enabled(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({ "enabled": rule(&api, &who, &path).await?["enabled"] })))
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled`
pub(crate) async fn enable(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let enabled: bool = body.need("enabled")?;
    api.users().enable_push_rule(&who.user, kind(&path)?, path.text("rule_id").to_owned(), enabled).await?;
    Ok(Json(json!({})))
}

/// `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions`
pub(crate) async fn actions(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(json!({ "actions": rule(&api, &who, &path).await?["actions"] })))
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions`
pub(crate) async fn set_actions(
    State(api): State<ClientApi>,
    who: Authenticated,
    path: Path,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let actions = given::actions(body.0.get("actions"))?;
    api.users().set_push_rule_actions(&who.user, kind(&path)?, path.text("rule_id").to_owned(), actions).await?;
    Ok(Json(json!({})))
}

fn kind(path: &Path) -> Result<RuleKind, ApiError> {
    let name = path.text("kind");
    given::kind(name).ok_or_else(|| ApiError::invalid_param(format!("there is no kind {name:?} of push rules")))
}

async fn rule(api: &ClientApi, who: &Authenticated, path: &Path) -> Result<Value, ApiError> {
    let rules = api.users().push_rules(&who.user).await?;
    let rule = rules.rule(path.text("kind"), path.text("rule_id"));
    rule.ok_or_else(|| ApiError::not_found("there is no such push rule"))
}

impl From<PushRuleError> for ApiError {
    fn from(error: PushRuleError) -> Self {
        let message = error.to_string();
        match error {
            PushRuleError::NotFound => Self::not_found(message),
            PushRuleError::Missing(name) => Self::missing_param(name),
            PushRuleError::Invalid(_) => Self::invalid_param(message),
            PushRuleError::TooMany => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", message),
            PushRuleError::Store(error) => error.into(),
        }
    }
}

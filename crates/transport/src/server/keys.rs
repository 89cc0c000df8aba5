//! Our keys, and as a notary those of others. S2S API, "Retrieving server keys". These endpoints are open to everybody.

use axum::Json;
use axum::extract::{Request, State};
use events::{ServerName, Value};
use http_body_util::{BodyExt, Limited};
use serde_json::json;

use super::ServerContext;
use super::path::{PathParameters, QueryParameters};
use crate::error::ApiError;
use crate::limits::{KEYS_BYTES_MAX, NOTARY_SERVERS_MAX};

/// `GET /_matrix/key/v2/server`
pub(super) async fn own(State(context): State<ServerContext>) -> Json<Value> {
    Json(context.key_ring.own_document())
}

/// `GET /_matrix/key/v2/query/{serverName}`
pub(super) async fn query_one(
    State(context): State<ServerContext>,
    path: PathParameters,
    query: QueryParameters,
) -> Result<Json<Value>, ApiError> {
    let server: ServerName = path.id("server_name")?;
    let minimum = query.number("minimum_valid_until_ts")?.and_then(|minimum| i64::try_from(minimum).ok());
    let keys = context.key_ring.notarise(vec![(server, minimum.unwrap_or(0))]).await;
    Ok(Json(json!({ "server_keys": keys })))
}

/// `GET /_matrix/key/v2/query/{serverName}/{keyId}`, which older servers call.
pub(super) async fn query_one_key(
    state: State<ServerContext>,
    path: PathParameters,
    query: QueryParameters,
) -> Result<Json<Value>, ApiError> {
    query_one(state, path, query).await
}

/// `POST /_matrix/key/v2/query`
pub(super) async fn query_many(
    State(context): State<ServerContext>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let body = Limited::new(request.into_body(), KEYS_BYTES_MAX).collect().await;
    let body = body.map_err(|_| ApiError::new(413, "M_TOO_LARGE", "the question is too large"))?.to_bytes();
    let body: Value =
        serde_json::from_slice(&body).map_err(|error| ApiError::new(400, "M_NOT_JSON", error.to_string()))?;
    let wanted = body.get("server_keys").and_then(Value::as_object);
    let wanted = wanted.ok_or_else(|| ApiError::bad_json("the body has no object `server_keys`"))?;
    let mut servers = Vec::new();
    for (server, criteria) in wanted.iter().take(NOTARY_SERVERS_MAX) {
        let server = ServerName::parse(server).map_err(|error| ApiError::invalid_param(error.to_string()))?;
        let minimums = criteria.as_object().into_iter().flatten();
        let minimums = minimums.filter_map(|(_, one)| one.get("minimum_valid_until_ts").and_then(Value::as_i64));
        servers.push((server, minimums.max().unwrap_or(0)));
    }
    Ok(Json(json!({ "server_keys": context.key_ring.notarise(servers).await })))
}

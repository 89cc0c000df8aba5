//! Our keys, and those of others as a notary. S2S API, "Retrieving server keys". Open to everybody.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Request, State};
use events::{Object, ServerName, Value};
use handles::Timestamp;
use serde_json::json;

use super::body::{self, FromBody};
use super::parameters::{Parameters, parse_id};
use super::shares::address_of;
use super::{Answered, ServerContext};
use crate::error::ApiError;

/// Bytes of a question to the notary.
const QUESTION_BYTES_MAX: usize = 256 * 1024;
/// Servers in one question to the notary.
const QUESTION_SERVERS_MAX: usize = 100;

/// `GET /_matrix/key/v2/server`
pub(super) async fn server(State(context): State<ServerContext>) -> Json<Value> {
    Json(Value::Object(context.key_ring.own_document()))
}

/// `GET /_matrix/key/v2/query/{serverName}`
pub(super) async fn query(State(context): State<ServerContext>, request: Request) -> Answered {
    let (mut parts, _) = request.into_parts();
    let parameters = Parameters::read(&mut parts).await?;
    let server = parameters.path_id("serverName")?;
    let until = parameters.query_number("minimum_valid_until_ts")?;
    let until = until.unwrap_or_else(|| context.key_ring.handles().clock.now());
    answer(&context, BTreeMap::from([(server, until)])).await
}

/// `POST /_matrix/key/v2/query`
pub(super) async fn query_batch(State(context): State<ServerContext>, request: Request) -> Answered {
    let (parts, body) = request.into_parts();
    let mut share = context.shares.body(address_of(&parts));
    let handles = context.key_ring.handles();
    let bytes = body::read(&parts.headers, body, QUESTION_BYTES_MAX, &mut share, handles).await?;
    let question = Object::from_json(body::check_json(&bytes)?)?;
    let servers = question
        .get("server_keys")
        .and_then(Value::as_object)
        .ok_or_else(|| ApiError::bad_json("`server_keys` must be an object"))?;
    if servers.len() > QUESTION_SERVERS_MAX {
        return Err(ApiError::invalid_param(format!("at most {QUESTION_SERVERS_MAX} servers in one question")));
    }
    let now = context.key_ring.handles().clock.now();
    let questions = servers
        .iter()
        .map(|(server, criteria)| Ok((parse_id("server_keys", server)?, latest(criteria).unwrap_or(now))))
        .collect::<Result<BTreeMap<ServerName, Timestamp>, ApiError>>()?;
    answer(&context, questions).await
}

async fn answer(context: &ServerContext, questions: BTreeMap<ServerName, Timestamp>) -> Answered {
    let documents = context.key_ring.countersigned(questions).await?;
    Ok(Json(json!({ "server_keys": documents })))
}

/// The latest `minimum_valid_until_ts` that is asked of any key of a server.
fn latest(criteria: &Value) -> Option<Timestamp> {
    let criteria = criteria.as_object()?;
    criteria.values().filter_map(|criterion| criterion.get("minimum_valid_until_ts")?.as_i64()).max()
}

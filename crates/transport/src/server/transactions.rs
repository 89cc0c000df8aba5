//! `PUT /_matrix/federation/v1/send/{txnId}`

use axum::Json;
use axum::extract::State;
use events::Value;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ServerContext;
use super::path::PathParameters;
use super::signed::Signed;
use crate::error::ApiError;
use crate::limits::{TRANSACTION_EDUS_MAX, TRANSACTION_PDUS_MAX};
use crate::questions::{Edu, TransactionBody};

#[derive(Deserialize)]
struct Body {
    pdus: Vec<Box<RawValue>>,
    #[serde(default)]
    edus: Vec<Value>,
}

/// Takes a transaction. Larger ones than the specification allows are refused whole.
pub(super) async fn send(
    State(context): State<ServerContext>,
    path: PathParameters,
    signed: Signed,
) -> Result<Json<Value>, ApiError> {
    let body: Body = signed.parse()?;
    if body.pdus.len() > TRANSACTION_PDUS_MAX || body.edus.len() > TRANSACTION_EDUS_MAX {
        let message = format!(
            "a transaction has at most {TRANSACTION_PDUS_MAX} PDUs and {TRANSACTION_EDUS_MAX} EDUs, this one {} and {}",
            body.pdus.len(),
            body.edus.len()
        );
        return Err(ApiError::bad_json(message));
    }
    let edus = body.edus.into_iter().filter_map(edu).collect();
    let body = TransactionBody { pdus: body.pdus, edus };
    context.inbox.receive(&signed.origin, path.text("txn_id"), body).await.map(Json)
}

fn edu(raw: Value) -> Option<Edu> {
    let edu_type = raw.get("edu_type")?.as_str()?.to_owned();
    let content = raw.get("content")?.clone();
    content.is_object().then_some(Edu { edu_type, content })
}

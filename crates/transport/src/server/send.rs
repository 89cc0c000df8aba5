use axum::Json;
use axum::extract::State;

use super::signed::Signed;
use super::{Answered, ServerContext};
use crate::error::ApiError;
use crate::questions::TransactionBody;

/// Bytes of a transaction id. Other servers use less than 30.
const TRANSACTION_ID_BYTES_MAX: usize = 255;

/// `PUT /_matrix/federation/v1/send/{txnId}`
pub(super) async fn send_transaction(
    State(context): State<ServerContext>,
    signed: Signed<TransactionBody>,
) -> Answered {
    let id = signed.parameters.path_text("txnId")?;
    if id.len() > TRANSACTION_ID_BYTES_MAX {
        return Err(ApiError::invalid_param(format!("`txnId` is longer than {TRANSACTION_ID_BYTES_MAX} bytes")));
    }
    context.inbox.receive(&signed.origin, id, signed.body).await.map(Json)
}

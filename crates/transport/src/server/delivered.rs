use axum::Json;
use axum::extract::State;

use super::body::NoBody;
use super::parameters::missing;
use super::signed::Signed;
use super::{Answered, ServerContext};
use crate::questions::DeliveredAfter;

/// `GET /_matrix/federation/unstable/org.althing.delivered`: what we sent to the one who asks after the transaction `after`, or
/// after the page that ended with the number `from`. An extension: servers of our kind ask each other, and nobody else.
pub(super) async fn delivered(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let after = match signed.parameters.query_number("from")? {
        Some(number) => DeliveredAfter::Number(number),
        None => {
            let id = signed.parameters.query_text("after").ok_or_else(|| missing("after"))?;
            DeliveredAfter::Transaction(id.to_owned())
        }
    };
    context.deliveries.delivered_after(&signed.origin, after).await.map(Json)
}

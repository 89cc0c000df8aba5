//! Devices and encryption keys of our users. S2S API, "Device Management" and "End-to-End Encryption".

use axum::Json;
use axum::extract::State;
use events::Object;

use super::body::NoBody;
use super::signed::Signed;
use super::{Answered, ServerContext};

/// `GET /_matrix/federation/v1/user/devices/{userId}`
pub(super) async fn devices(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let user_id = signed.parameters.path_id("userId")?;
    context.users.devices(&signed.origin, &user_id).await.map(Json)
}

/// `POST /_matrix/federation/v1/user/keys/query`
pub(super) async fn query_keys(State(context): State<ServerContext>, signed: Signed<Object>) -> Answered {
    context.users.query_keys(&signed.origin, signed.body).await.map(Json)
}

/// `POST /_matrix/federation/v1/user/keys/claim`
pub(super) async fn claim_keys(State(context): State<ServerContext>, signed: Signed<Object>) -> Answered {
    context.users.claim_keys(&signed.origin, signed.body).await.map(Json)
}

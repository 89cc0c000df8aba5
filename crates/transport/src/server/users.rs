//! Questions about our users: `/query/profile`, `/user/devices`, `/user/keys/*`.

use axum::Json;
use axum::extract::State;
use events::Value;

use super::ServerContext;
use super::path::{PathParameters, QueryParameters};
use super::signed::Signed;
use crate::error::ApiError;

type JsonAnswer = Result<Json<Value>, ApiError>;

/// `GET /_matrix/federation/v1/query/profile`
pub(super) async fn profile(
    State(context): State<ServerContext>,
    query: QueryParameters,
    signed: Signed,
) -> JsonAnswer {
    let field = query.get("field").map(str::to_owned);
    context.users.profile(&signed.origin, &query.id("user_id")?, field).await.map(Json)
}

/// `GET /_matrix/federation/v1/user/devices/{userId}`
pub(super) async fn devices(State(context): State<ServerContext>, path: PathParameters, signed: Signed) -> JsonAnswer {
    context.users.devices(&signed.origin, &path.id("user_id")?).await.map(Json)
}

/// `POST /_matrix/federation/v1/user/keys/query`
pub(super) async fn query_keys(State(context): State<ServerContext>, signed: Signed) -> JsonAnswer {
    context.users.query_keys(&signed.origin, signed.object()?).await.map(Json)
}

/// `POST /_matrix/federation/v1/user/keys/claim`
pub(super) async fn claim_keys(State(context): State<ServerContext>, signed: Signed) -> JsonAnswer {
    context.users.claim_keys(&signed.origin, signed.object()?).await.map(Json)
}

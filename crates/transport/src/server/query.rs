//! Queries. S2S API, "Querying for information".

use axum::Json;
use axum::extract::State;

use super::body::NoBody;
use super::signed::Signed;
use super::{Answered, ServerContext};

/// `GET /_matrix/federation/v1/query/directory`
pub(super) async fn directory(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let alias = signed.parameters.query_id("room_alias")?;
    context.directory.directory(&signed.origin, &alias).await.map(Json)
}

/// `GET /_matrix/federation/v1/query/profile`
pub(super) async fn profile(State(context): State<ServerContext>, signed: Signed<NoBody>) -> Answered {
    let user_id = signed.parameters.query_id("user_id")?;
    let field = signed.parameters.query_text("field").map(ToOwned::to_owned);
    context.users.profile(&signed.origin, &user_id, field).await.map(Json)
}

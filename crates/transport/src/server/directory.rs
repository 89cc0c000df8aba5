//! Aliases and published rooms: `/query/directory`, `/publicRooms`.

use axum::Json;
use axum::extract::State;
use events::Value;

use super::ServerContext;
use super::path::QueryParameters;
use super::signed::Signed;
use crate::error::ApiError;

/// Rooms that are given when no number is asked for.
const PUBLIC_ROOMS_DEFAULT: usize = 100;

/// `GET /_matrix/federation/v1/query/directory`
pub(super) async fn directory(
    State(context): State<ServerContext>,
    query: QueryParameters,
    signed: Signed,
) -> Result<Json<Value>, ApiError> {
    context.directory.directory(&signed.origin, &query.id("room_alias")?).await.map(Json)
}

/// `GET /_matrix/federation/v1/publicRooms`
pub(super) async fn public_rooms(
    State(context): State<ServerContext>,
    query: QueryParameters,
    signed: Signed,
) -> Result<Json<Value>, ApiError> {
    let limit = query.number("limit")?.unwrap_or(PUBLIC_ROOMS_DEFAULT);
    let since = query.get("since").map(str::to_owned);
    context.directory.public_rooms(&signed.origin, limit, since, None).await.map(Json)
}

/// `POST /_matrix/federation/v1/publicRooms`
pub(super) async fn search_public_rooms(
    State(context): State<ServerContext>,
    signed: Signed,
) -> Result<Json<Value>, ApiError> {
    let body = signed.object()?;
    let limit = body.get("limit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
    let since = body.get("since").and_then(Value::as_str).map(str::to_owned);
    let search = body.get("filter").and_then(|filter| filter.get("generic_search_term")).and_then(Value::as_str);
    let limit = limit.unwrap_or(PUBLIC_ROOMS_DEFAULT);
    context.directory.public_rooms(&signed.origin, limit, since, search.map(str::to_owned)).await.map(Json)
}

//! The endpoints of the server-server API: who asks is checked, what is asked is read, one call down, the answer is written.

mod directory;
mod event_questions;
mod keys;
mod membership;
mod path;
mod signed;
mod transactions;
mod users;
mod version;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use events::ServerName;
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::ApiError;
use crate::key_ring::KeyRing;
use crate::questions::{DirectoryQuestions, EventQuestions, Inbox, MembershipQuestions, UserQuestions};

/// What the endpoints need.
#[derive(Clone)]
pub struct ServerContext {
    /// Our name: what requests must be meant for.
    pub server_name: ServerName,
    /// Whose requests these are.
    pub key_ring: KeyRing,
    /// Takes transactions.
    pub inbox: Arc<dyn Inbox>,
    /// Knows events.
    pub events: Arc<dyn EventQuestions>,
    /// Knows who may come and go.
    pub membership: Arc<dyn MembershipQuestions>,
    /// Knows aliases and published rooms.
    pub directory: Arc<dyn DirectoryQuestions>,
    /// Knows our users.
    pub users: Arc<dyn UserQuestions>,
    /// Told of every server that proved who it is: it is awake.
    pub heard_from: Arc<dyn HeardFrom>,
}

/// Told of every server that proved who it is.
pub trait HeardFrom: Send + Sync {
    /// `server` has just asked us something.
    fn heard_from(&self, server: &ServerName);
}

/// Returns all endpoints. Works without a socket: it is a service.
pub fn router(context: ServerContext) -> Router {
    Router::new()
        .route("/_matrix/federation/v1/version", get(version::version))
        .route("/_matrix/key/v2/server", get(keys::own))
        .route("/_matrix/key/v2/server/{key_id}", get(keys::own))
        .route("/_matrix/key/v2/query", post(keys::query_many))
        .route("/_matrix/key/v2/query/{server_name}", get(keys::query_one))
        .route("/_matrix/key/v2/query/{server_name}/{key_id}", get(keys::query_one_key))
        .route("/_matrix/federation/v1/send/{txn_id}", put(transactions::send))
        .route("/_matrix/federation/v1/event/{event_id}", get(event_questions::event))
        .route("/_matrix/federation/v1/state/{room_id}", get(event_questions::state))
        .route("/_matrix/federation/v1/state_ids/{room_id}", get(event_questions::state_ids))
        .route("/_matrix/federation/v1/event_auth/{room_id}/{event_id}", get(event_questions::event_auth))
        .route("/_matrix/federation/v1/backfill/{room_id}", get(event_questions::backfill))
        .route("/_matrix/federation/v1/get_missing_events/{room_id}", post(event_questions::missing_events))
        .route("/_matrix/federation/v1/make_join/{room_id}/{user_id}", get(membership::make_join))
        .route("/_matrix/federation/v1/make_leave/{room_id}/{user_id}", get(membership::make_leave))
        .route("/_matrix/federation/v1/make_knock/{room_id}/{user_id}", get(membership::make_knock))
        .route("/_matrix/federation/v1/send_join/{room_id}/{event_id}", put(membership::send_join_v1))
        .route("/_matrix/federation/v2/send_join/{room_id}/{event_id}", put(membership::send_join))
        .route("/_matrix/federation/v1/send_leave/{room_id}/{event_id}", put(membership::send_leave_v1))
        .route("/_matrix/federation/v2/send_leave/{room_id}/{event_id}", put(membership::send_leave))
        .route("/_matrix/federation/v1/send_knock/{room_id}/{event_id}", put(membership::send_knock))
        .route("/_matrix/federation/v2/invite/{room_id}/{event_id}", put(membership::invite))
        .route("/_matrix/federation/v1/query/directory", get(directory::directory))
        .route("/_matrix/federation/v1/publicRooms", get(directory::public_rooms).post(directory::search_public_rooms))
        .route("/_matrix/federation/v1/query/profile", get(users::profile))
        .route("/_matrix/federation/v1/user/devices/{user_id}", get(users::devices))
        .route("/_matrix/federation/v1/user/keys/query", post(users::query_keys))
        .route("/_matrix/federation/v1/user/keys/claim", post(users::claim_keys))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(context)
}

async fn unknown_path() -> ApiError {
    ApiError::new(404, "M_UNRECOGNIZED", "there is no such endpoint here")
}

async fn wrong_method() -> ApiError {
    ApiError::new(405, "M_UNRECOGNIZED", "this endpoint does not answer to that method")
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("an endpoint panicked: a defect, please report it with the lines above");
    ApiError::internal().into_response()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = http::StatusCode::from_u16(self.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        (status, axum::Json(self.body())).into_response()
    }
}

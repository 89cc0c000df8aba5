//! The endpoints that other servers call. S2S API.
//!
//! [`routes`] is an [`axum::Router`], a service without sockets: the listeners serve it, and a simulation calls it. Who may
//! call, how much may be sent and what is JSON is decided in [`signed`] before a handler runs; a handler reads the parameters,
//! makes one call into the layers above, and answers.

mod backfill;
mod body;
mod delivered;
mod events;
mod invite;
mod keys;
mod media;
mod membership;
mod parameters;
mod public_rooms;
mod query;
mod send;
mod shares;
mod signed;
mod users;
mod version;
mod working_time;

pub use shares::Shares;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use ::events::{ServerName, Value};
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use futures_util::FutureExt;

use crate::error::ApiError;
use crate::key_ring::KeyRing;
use crate::questions::{
    DeliveryQuestions, DirectoryQuestions, EventQuestions, Inbox, MediaQuestions, MembershipQuestions, UserQuestions,
};

/// What the endpoints need. Cheap to clone.
#[derive(Clone)]
pub struct ServerContext {
    /// Our name: whom requests must be meant for.
    pub server_name: ServerName,
    /// The keys of those who ask.
    pub key_ring: KeyRing,
    /// Takes transactions.
    pub inbox: Arc<dyn Inbox>,
    /// Answers about what we sent before.
    pub deliveries: Arc<dyn DeliveryQuestions>,
    /// Answers about events.
    pub events: Arc<dyn EventQuestions>,
    /// Answers the handshakes of membership.
    pub membership: Arc<dyn MembershipQuestions>,
    /// Answers about aliases and published rooms.
    pub directory: Arc<dyn DirectoryQuestions>,
    /// Answers about our users.
    pub users: Arc<dyn UserQuestions>,
    /// Answers about our users' files.
    pub media: Arc<dyn MediaQuestions>,
    /// Told of everybody who has proved who it is: it is awake. [`Health`](crate::Health) is such a one.
    pub heard_from: Arc<dyn HeardFrom>,
    /// Bounds what a peer has of us at once.
    pub shares: Shares,
}

/// Told of every server that has proved who it is.
pub trait HeardFrom: Send + Sync {
    /// `server` has just asked us something.
    fn heard_from(&self, server: &ServerName);
}

/// What a handler returns.
type Answered = Result<Json<Value>, ApiError>;

/// All endpoints, and the answer to unknown paths.
pub fn router(context: ServerContext) -> Router {
    routes(context).fallback(async || ApiError::unrecognized_path())
}

/// All endpoints without an answer to unknown paths, to be merged into a router that has one.
pub fn routes(context: ServerContext) -> Router {
    Router::new()
        .merge(federation_v1())
        .merge(federation_v2())
        .merge(key_v2())
        .method_not_allowed_fallback(async || ApiError::unrecognized_method())
        .layer(middleware::from_fn(answer_panics))
        .with_state(context)
}

/// Answers `/.well-known/matrix/server`: federation with us goes to `delegate`, a host name, perhaps with a port.
pub fn well_known_server(delegate: String) -> Router {
    let answer = serde_json::json!({ "m.server": delegate });
    Router::new().route(
        "/.well-known/matrix/server",
        get(async move || Json(answer)).fallback(async || ApiError::unrecognized_method()),
    )
}

fn federation_v1() -> Router<ServerContext> {
    Router::new()
        .route("/_matrix/federation/v1/version", get(version::version))
        .route("/_matrix/federation/v1/send/{txnId}", put(send::send_transaction))
        .route("/_matrix/federation/unstable/org.althing.delivered", get(delivered::delivered))
        .route("/_matrix/federation/v1/event/{eventId}", get(events::event))
        .route("/_matrix/federation/v1/state/{roomId}", get(events::state))
        .route("/_matrix/federation/v1/state_ids/{roomId}", get(events::state_ids))
        .route("/_matrix/federation/v1/event_auth/{roomId}/{eventId}", get(events::event_auth))
        .route("/_matrix/federation/v1/timestamp_to_event/{roomId}", get(events::timestamp_to_event))
        .route("/_matrix/federation/v1/backfill/{roomId}", get(backfill::backfill))
        .route("/_matrix/federation/v1/get_missing_events/{roomId}", post(backfill::get_missing_events))
        .route("/_matrix/federation/v1/make_join/{roomId}/{userId}", get(membership::make_join))
        .route("/_matrix/federation/v1/make_leave/{roomId}/{userId}", get(membership::make_leave))
        .route("/_matrix/federation/v1/make_knock/{roomId}/{userId}", get(membership::make_knock))
        .route("/_matrix/federation/v1/send_join/{roomId}/{eventId}", put(membership::send_join_v1))
        .route("/_matrix/federation/v1/send_leave/{roomId}/{eventId}", put(membership::send_leave_v1))
        .route("/_matrix/federation/v1/send_knock/{roomId}/{eventId}", put(membership::send_knock))
        .route("/_matrix/federation/v1/invite/{roomId}/{eventId}", put(invite::invite_v1))
        .route("/_matrix/federation/v1/query/directory", get(query::directory))
        .route("/_matrix/federation/v1/query/profile", get(query::profile))
        .route("/_matrix/federation/v1/publicRooms", get(public_rooms::get).post(public_rooms::post))
        .route("/_matrix/federation/v1/user/devices/{userId}", get(users::devices))
        .route("/_matrix/federation/v1/user/keys/query", post(users::query_keys))
        .route("/_matrix/federation/v1/user/keys/claim", post(users::claim_keys))
        .route("/_matrix/federation/v1/media/download/{mediaId}", get(media::download))
        .route("/_matrix/federation/v1/media/thumbnail/{mediaId}", get(media::thumbnail))
}

fn federation_v2() -> Router<ServerContext> {
    Router::new()
        .route("/_matrix/federation/v2/send_join/{roomId}/{eventId}", put(membership::send_join))
        .route("/_matrix/federation/v2/send_leave/{roomId}/{eventId}", put(membership::send_leave))
        .route("/_matrix/federation/v2/invite/{roomId}/{eventId}", put(invite::invite))
}

fn key_v2() -> Router<ServerContext> {
    Router::new()
        .route("/_matrix/key/v2/server", get(keys::server))
        // Older callers name a key; the answer is the same. Synapse still does so.
        .route("/_matrix/key/v2/server/{keyId}", get(keys::server))
        .route("/_matrix/key/v2/query", post(keys::query_batch))
        .route("/_matrix/key/v2/query/{serverName}", get(keys::query))
        .route("/_matrix/key/v2/query/{serverName}/{keyId}", get(keys::query))
}

/// A handler that panics costs its own request only.
async fn answer_panics(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("the endpoint at {path} panicked; this is a bug");
            ApiError::internal().into_response()
        }
    }
}

#[cfg(test)]
mod tests;

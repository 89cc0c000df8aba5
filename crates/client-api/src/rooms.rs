//! Rooms: making them, coming and going, sending, reading, the directory.

mod create;
mod directory;
mod history;
mod membership;
mod receipts;
mod send;
mod state;

use axum::Router;
use axum::routing::{get, post, put};

use crate::ClientApi;

/// The endpoints of rooms.
pub(crate) fn router() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/client/v3/createRoom", post(create::create))
        .merge(coming_and_going())
        .merge(talking())
        .merge(looking_up())
}

fn coming_and_going() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/client/v3/join/{room}", post(membership::join))
        .route("/_matrix/client/v3/rooms/{room}/join", post(membership::join))
        .route("/_matrix/client/v3/knock/{room}", post(membership::knock))
        .route("/_matrix/client/v3/rooms/{room_id}/invite", post(membership::invite))
        .route("/_matrix/client/v3/rooms/{room_id}/leave", post(membership::leave))
        .route("/_matrix/client/v3/rooms/{room_id}/forget", post(membership::forget))
        .route("/_matrix/client/v3/rooms/{room_id}/kick", post(membership::kick))
        .route("/_matrix/client/v3/rooms/{room_id}/ban", post(membership::ban))
        .route("/_matrix/client/v3/rooms/{room_id}/unban", post(membership::unban))
        .route("/_matrix/client/v3/joined_rooms", get(membership::joined_rooms))
}

fn talking() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/client/v3/rooms/{room_id}/send/{type}/{txn_id}", put(send::message))
        .route("/_matrix/client/v3/rooms/{room_id}/redact/{event_id}/{txn_id}", put(send::redact))
        .route("/_matrix/client/v3/rooms/{room_id}/state", get(state::whole))
        .route("/_matrix/client/v3/rooms/{room_id}/state/{type}", get(state::one).put(send::state))
        .route("/_matrix/client/v3/rooms/{room_id}/state/{type}/", get(state::one).put(send::state))
        .route("/_matrix/client/v3/rooms/{room_id}/state/{type}/{state_key}", get(state::one).put(send::state))
        .route("/_matrix/client/v3/rooms/{room_id}/members", get(state::members))
        .route("/_matrix/client/v3/rooms/{room_id}/joined_members", get(state::joined_members))
        .route("/_matrix/client/v3/rooms/{room_id}/event/{event_id}", get(history::event))
        .route("/_matrix/client/v3/rooms/{room_id}/messages", get(history::messages))
        .route("/_matrix/client/v3/rooms/{room_id}/context/{event_id}", get(history::context))
        .route("/_matrix/client/v1/rooms/{room_id}/timestamp_to_event", get(history::by_time))
        .route("/_matrix/client/v3/rooms/{room_id}/typing/{user_id}", put(receipts::typing))
        .route("/_matrix/client/v3/rooms/{room_id}/receipt/{receipt_type}/{event_id}", post(receipts::receipt))
        .route("/_matrix/client/v3/rooms/{room_id}/read_markers", post(receipts::read_markers))
}

fn looking_up() -> Router<ClientApi> {
    Router::new()
        .route(
            "/_matrix/client/v3/directory/room/{alias}",
            get(directory::resolve).put(directory::create_alias).delete(directory::delete_alias),
        )
        .route(
            "/_matrix/client/v3/directory/list/room/{room_id}",
            get(directory::visibility).put(directory::set_visibility),
        )
        .route("/_matrix/client/v3/rooms/{room_id}/aliases", get(directory::aliases))
        .route("/_matrix/client/v3/publicRooms", get(directory::public_rooms).post(directory::search_public_rooms))
}

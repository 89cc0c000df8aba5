//! The Matrix client-server API: HTTP in, one call down, JSON out. Files follow the endpoints' paths.
//!
//! [`request`] reads what clients send, [`error`] is how they are refused; then one file for each family of endpoints.
//!
//! **Invariant:** no logic. What a room or an account does is decided in `messaging` and `users`.

mod account;
mod account_data;
mod api;
mod authentication;
mod cross_signing;
mod devices;
mod error;
mod filters;
mod key_backups;
mod keys;
mod limits;
mod login;
mod profile;
mod push_rules;
mod register;
mod request;
mod rooms;
mod sync;
mod to_device;
mod user_directory;
mod versions;

use axum::Router;
use axum::routing::{any, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any, CorsLayer};

pub use api::{ClientApi, ClientApiConfig, PublicDirectory};

/// Returns all endpoints.
pub fn router(api: ClientApi) -> Router {
    Router::new()
        .merge(server())
        .merge(accounts())
        .merge(settings())
        .merge(encryption())
        .merge(rooms::router())
        .fallback(any(error::unknown_path))
        .method_not_allowed_fallback(error::wrong_method)
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any))
        .with_state(api)
}

fn server() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/client/versions", get(versions::versions))
        .route("/_matrix/client/v3/capabilities", get(versions::capabilities))
        .route("/_matrix/client/v3/voip/turnServer", get(versions::no_turn_server))
        .route("/_matrix/client/v3/thirdparty/protocols", get(versions::no_protocols))
        .route("/_matrix/client/v3/pushers", get(versions::no_pushers))
        .route("/_matrix/client/v3/sync", get(sync::sync))
}

fn accounts() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/client/v3/register", post(register::register))
        .route("/_matrix/client/v3/register/available", get(register::available))
        .route("/_matrix/client/v1/register/m.login.registration_token/validity", get(register::token_validity))
        .route("/_matrix/client/v3/register/email/requestToken", post(account::no_validation))
        .route("/_matrix/client/v3/register/msisdn/requestToken", post(account::no_validation))
        .route("/_synapse/admin/v1/register", get(register::shared_secret_nonce).post(register::shared_secret))
        .route("/_matrix/client/v3/login", get(login::flows).post(login::login))
        .route("/_matrix/client/v3/refresh", post(login::refresh))
        .route("/_matrix/client/v3/logout", post(login::logout))
        .route("/_matrix/client/v3/logout/all", post(login::logout_all))
        .route("/_matrix/client/v3/account/whoami", get(account::whoami))
        .route("/_matrix/client/v3/account/password", post(account::change_password))
        .route("/_matrix/client/v3/account/password/email/requestToken", post(account::no_validation))
        .route("/_matrix/client/v3/account/password/msisdn/requestToken", post(account::no_validation))
        .route("/_matrix/client/v3/account/deactivate", post(account::deactivate))
        .merge(third_party_ids())
        .route("/_matrix/client/v3/devices", get(devices::all))
        .route("/_matrix/client/v3/devices/{device_id}", get(devices::one).put(devices::rename).delete(devices::delete))
        .route("/_matrix/client/v3/delete_devices", post(devices::delete_many))
        .route("/_matrix/client/v3/user_directory/search", post(user_directory::search))
        .route("/_matrix/client/v3/profile/{user_id}", get(profile::whole))
        .route(
            "/_matrix/client/v3/profile/{user_id}/{field}",
            get(profile::field).put(profile::set_field).delete(profile::delete_field),
        )
}

fn third_party_ids() -> Router<ClientApi> {
    Router::new()
        .route(
            "/_matrix/client/v3/account/3pid",
            get(account::no_third_party_ids).post(account::no_third_party_changes),
        )
        .route("/_matrix/client/v3/account/3pid/add", post(account::no_third_party_changes))
        .route("/_matrix/client/v3/account/3pid/bind", post(account::no_third_party_changes))
        .route("/_matrix/client/v3/account/3pid/delete", post(account::no_third_party_changes))
        .route("/_matrix/client/v3/account/3pid/unbind", post(account::no_third_party_changes))
        .route("/_matrix/client/v3/account/3pid/email/requestToken", post(account::no_validation))
        .route("/_matrix/client/v3/account/3pid/msisdn/requestToken", post(account::no_validation))
}

fn settings() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/client/v3/user/{user_id}/filter", post(filters::store))
        .route("/_matrix/client/v3/user/{user_id}/filter/{filter_id}", get(filters::get))
        .route("/_matrix/client/v3/user/{user_id}/account_data/{type}", get(account_data::get).put(account_data::put))
        .route(
            "/_matrix/client/v3/user/{user_id}/rooms/{room_id}/account_data/{type}",
            get(account_data::get).put(account_data::put),
        )
        .route("/_matrix/client/v3/user/{user_id}/rooms/{room_id}/tags", get(account_data::tags))
        .route(
            "/_matrix/client/v3/user/{user_id}/rooms/{room_id}/tags/{tag}",
            put(account_data::put_tag).delete(account_data::delete_tag),
        )
        .route("/_matrix/client/v3/pushrules", get(push_rules::all))
        .route("/_matrix/client/v3/pushrules/", get(push_rules::all))
        .route("/_matrix/client/v3/pushrules/global", get(push_rules::global))
        .route("/_matrix/client/v3/pushrules/global/", get(push_rules::global))
        .route(
            "/_matrix/client/v3/pushrules/global/{kind}/{rule_id}",
            get(push_rules::one).put(push_rules::put).delete(push_rules::delete),
        )
        .route(
            "/_matrix/client/v3/pushrules/global/{kind}/{rule_id}/enabled",
            get(push_rules::is_enabled).put(push_rules::enable),
        )
        .route(
            "/_matrix/client/v3/pushrules/global/{kind}/{rule_id}/actions",
            get(push_rules::actions).put(push_rules::set_actions),
        )
}

fn encryption() -> Router<ClientApi> {
    Router::new()
        .route("/_matrix/client/v3/keys/upload", post(keys::upload))
        .route("/_matrix/client/v3/keys/query", post(keys::query))
        .route("/_matrix/client/v3/keys/claim", post(keys::claim))
        .route("/_matrix/client/v3/keys/changes", get(keys::changes))
        .route("/_matrix/client/v3/keys/device_signing/upload", post(cross_signing::upload))
        .route("/_matrix/client/v3/keys/signatures/upload", post(cross_signing::upload_signatures))
        .route("/_matrix/client/v3/sendToDevice/{type}/{txn_id}", put(to_device::send))
        .merge(backups())
}

fn backups() -> Router<ClientApi> {
    let keys = || get(key_backups::get_keys).put(key_backups::put_keys).delete(key_backups::delete_keys);
    Router::new()
        .route("/_matrix/client/v3/room_keys/version", get(key_backups::get).post(key_backups::create))
        .route(
            "/_matrix/client/v3/room_keys/version/{version}",
            get(key_backups::get).put(key_backups::update).delete(key_backups::delete),
        )
        .route("/_matrix/client/v3/room_keys/keys", keys())
        .route("/_matrix/client/v3/room_keys/keys/{room_id}", keys())
        .route("/_matrix/client/v3/room_keys/keys/{room_id}/{session_id}", keys())
}

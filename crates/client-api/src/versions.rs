//! What this server is and can do.

use axum::Json;
use axum::extract::State;
use events::{Object, RoomVersion, Value};
use serde_json::json;

use crate::ClientApi;
use crate::request::Authenticated;

/// `GET /_matrix/client/versions`. Up to the version in which files came to need an access token: a client that does not find it
/// here asks for files without one, and gets none.
pub(crate) async fn versions() -> Json<Value> {
    Json(json!({
        "versions": ["v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11", "v1.12"],
        "unstable_features": { "org.matrix.msc3916.stable": true },
    }))
}

/// `GET /_matrix/client/v3/capabilities`. C-S API, "Capabilities negotiation".
pub(crate) async fn capabilities(State(api): State<ClientApi>, _who: Authenticated) -> Json<Value> {
    let available: Object = RoomVersion::ALL.iter().map(|version| (version.to_string(), json!("stable"))).collect();
    Json(json!({
        "capabilities": {
            "m.change_password": { "enabled": true },
            "m.room_versions": { "default": api.config().default_version.as_str(), "available": available },
            "m.profile_fields": { "enabled": true },
            // Replaced by the one above; older clients look at these.
            "m.set_displayname": { "enabled": true },
            "m.set_avatar_url": { "enabled": true },
            "m.3pid_changes": { "enabled": false },
            "m.get_login_token": { "enabled": false },
            "m.forget_forced_upon_leave": { "enabled": false },
        },
    }))
}

/// `GET /_matrix/client/v3/voip/turnServer`: there is none.
pub(crate) async fn no_turn_server(_who: Authenticated) -> Json<Value> {
    Json(json!({}))
}

/// `GET /_matrix/client/v3/thirdparty/protocols`: there are none.
pub(crate) async fn no_protocols(_who: Authenticated) -> Json<Value> {
    Json(json!({}))
}

/// `GET /_matrix/client/v3/pushers`: none can be set.
pub(crate) async fn no_pushers(_who: Authenticated) -> Json<Value> {
    Json(json!({ "pushers": [] }))
}

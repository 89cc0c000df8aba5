//! `POST /_matrix/client/v3/createRoom`

use axum::Json;
use axum::extract::State;
use events::{Object, RoomVersion, UserId, Value};
use http::StatusCode;
use messaging::MessagingError;
use messaging::rooms::{InitialState, NewRoom, Preset};
use serde::Deserialize;
use serde_json::json;

use crate::error::ApiError;
use crate::request::{Authenticated, Body};
use crate::{ClientApi, PublicDirectory};

#[derive(Deserialize)]
struct InitialStateEvent {
    #[serde(rename = "type")]
    event_type: String,
    #[serde(default)]
    state_key: String,
    content: Object,
}

/// Makes a room.
pub(crate) async fn create(
    State(api): State<ClientApi>,
    who: Authenticated,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let published = match body.find_text("visibility")? {
        None | Some("private") => false,
        Some("public") => true,
        Some(other) => return Err(ApiError::invalid_param(format!("`visibility` cannot be {other}"))),
    };
    if published {
        may_publish(&api, &who)?;
    }
    if body.find::<Vec<Value>>("invite_3pid")?.is_some_and(|invites| !invites.is_empty()) {
        return Err(no_third_party_invites());
    }
    let initial: Vec<InitialStateEvent> = body.find("initial_state")?.unwrap_or_default();
    let initial_state = initial.into_iter().map(|InitialStateEvent { event_type, state_key, content }| InitialState {
        event_type,
        state_key,
        content,
    });
    let new = NewRoom {
        creator: who.user.clone(),
        version: version(&api, &body)?,
        published,
        preset: preset(&body, published)?,
        name: body.find_text("name")?.map(str::to_owned),
        topic: body.find_text("topic")?.map(str::to_owned),
        alias_localpart: body.find_text("room_alias_name")?.map(str::to_owned),
        invite: body.find::<Vec<UserId>>("invite")?.unwrap_or_default(),
        is_direct: body.find::<bool>("is_direct")?.unwrap_or(false),
        creation_content: body.find("creation_content")?.unwrap_or_default(),
        initial_state: initial_state.collect(),
        power_levels_override: body.find("power_level_content_override")?.unwrap_or_default(),
        profile: member_profile(&api, &who.user).await?,
    };
    let room_id = match api.messaging().create_room(new).await {
        Ok(room_id) => room_id,
        // Where an alias is all that is made, the specification has another status and code for this.
        Err(MessagingError::InUse(message)) => {
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "M_ROOM_IN_USE", message));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Json(json!({ "room_id": room_id })))
}

/// Nobody can be invited by an address: that takes an identity server, and none is asked from here.
pub(super) fn no_third_party_invites() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "M_THREEPID_DENIED", "users can only be invited by their user id")
}

/// Refuses who may not publish rooms on this server.
pub(super) fn may_publish(api: &ClientApi, who: &Authenticated) -> Result<(), ApiError> {
    let may = match api.config().public_directory {
        PublicDirectory::Everyone => true,
        PublicDirectory::Admins => who.is_admin,
        PublicDirectory::Nobody => false,
    };
    if may { Ok(()) } else { Err(ApiError::forbidden("you may not publish rooms on this server")) }
}

fn version(api: &ClientApi, body: &Body) -> Result<RoomVersion, ApiError> {
    let Some(name) = body.find_text("room_version")? else { return Ok(api.config().default_version) };
    RoomVersion::parse(name).ok_or_else(|| {
        let message = format!("room version {name} is not supported here");
        ApiError::new(StatusCode::BAD_REQUEST, "M_UNSUPPORTED_ROOM_VERSION", message)
    })
}

fn preset(body: &Body, published: bool) -> Result<Preset, ApiError> {
    match body.find_text("preset")? {
        None if published => Ok(Preset::PublicChat),
        None | Some("private_chat") => Ok(Preset::PrivateChat),
        Some("trusted_private_chat") => Ok(Preset::TrustedPrivateChat),
        Some("public_chat") => Ok(Preset::PublicChat),
        Some(other) => Err(ApiError::invalid_param(format!("`preset` cannot be {other}"))),
    }
}

/// What a user's member event says of their profile.
pub(super) async fn member_profile(api: &ClientApi, user: &UserId) -> Result<Object, ApiError> {
    let mut profile = api.users().local_profile(user).await?.unwrap_or_default();
    profile.retain(|field, _| matches!(field.as_str(), "displayname" | "avatar_url"));
    Ok(profile)
}

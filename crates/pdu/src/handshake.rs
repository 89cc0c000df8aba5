//! The resident's side of joins, leaves and knocks: templates for others. [`crate::entering`] takes the events.
//!
//! S2S API, "Joining Rooms", "Restricted rooms", "Knocking upon a room", "Leaving Rooms".

use events::auth::{AuthEvent, check_state};
use events::limits::INTEGER_MAX;
use events::membership::{JoinRule, Membership};
use events::power::Levels;
use events::{Object, Pdu, RoomId, RoomVersion, ServerName, UserId, Value};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, partial as partial_rows};
use persistence::{ReadTx, RoomNumber, StoreError};
use serde_json::json;
use transport::ApiError;
use transport::questions::Handshake;

use crate::graph::{Graph, RoomTurn};
use crate::partial::StillPartial;
use crate::room::{Room, View};
use crate::send::{Draft, select_auth_events};

/// Types of the state events that tell somebody outside what a room is. C-S API, "Stripped state".
pub const STRIPPED_TYPES: [&str; 8] = [
    "m.room.create",
    "m.room.name",
    "m.room.avatar",
    "m.room.topic",
    "m.room.join_rules",
    "m.room.canonical_alias",
    "m.room.encryption",
    "m.room.member",
];

/// The membership that a handshake is about.
pub(crate) fn membership_of(handshake: Handshake) -> &'static str {
    match handshake {
        Handshake::Join => "join",
        Handshake::Leave => "leave",
        Handshake::Knock => "knock",
    }
}

impl Graph {
    /// `GET /make_join`, `/make_leave`, `/make_knock`
    pub async fn make(
        &self,
        origin: &ServerName,
        handshake: Handshake,
        room_id: &RoomId,
        user: &UserId,
        versions: &[String],
    ) -> Result<Value, ApiError> {
        if user.server() != *origin {
            return Err(ApiError::forbidden(format!("{user} is not a user of {origin}")));
        }
        let turn = self.resident_turn(origin, room_id).await?;
        let version = turn.row.version;
        if handshake != Handshake::Leave && !versions.iter().any(|known| known == version.as_str()) {
            let error =
                ApiError::new(400, "M_INCOMPATIBLE_ROOM_VERSION", format!("the room {room_id} has version {version}"));
            return Err(error.with("room_version", version.as_str()));
        }
        let unknown = || unknown_room(room_id);
        let room = turn.room().ok_or_else(unknown)?;
        let mut content = Object::from_iter([("membership".to_owned(), json!(membership_of(handshake)))]);
        if handshake == Handshake::Join
            && let Some(authoriser) = self.authoriser(room, user).await?
        {
            content.insert("join_authorised_via_users_server".to_owned(), json!(authoriser));
        }
        let draft = Draft {
            sender: user.clone(),
            event_type: "m.room.member".to_owned(),
            state_key: Some(user.to_string()),
            content,
            redacts: None,
        };
        let event = self.template(room, &draft).ok_or_else(unknown)?;
        may_enter(room, &draft, &event)?;
        Ok(json!({ "room_version": version.as_str(), "event": event }))
    }

    /// Waits for the turn of a room that we are resident in, and that `origin` may take part in.
    pub(crate) async fn resident_turn(&self, origin: &ServerName, room_id: &RoomId) -> Result<RoomTurn, ApiError> {
        let id = room_id.clone();
        let row = self.database().read(move |tx| room_rows::by_id(tx, &id)).await?;
        let row = row.ok_or_else(|| unknown_room(room_id))?;
        // Before the turn is taken: it may wait for somebody who needs it.
        self.check_resident(origin, &row).await?;
        Ok(self.turn_of(row.number).await?)
    }

    /// Refuses a server that the room's ACL denies, and everybody if nobody here is in the room. Waits a while for a room whose
    /// members are being fetched: whoever is banned may be unknown here, and nobody can be told the state.
    pub(crate) async fn check_resident(&self, origin: &ServerName, row: &RoomRow) -> Result<(), ApiError> {
        let (number, version, us, graph) = (row.number, row.version, self.server_name().clone(), self.clone());
        let (resident, acl) = self
            .database()
            .read(move |tx| {
                let resident = room_rows::is_server_joined(tx, number, &us)?;
                Ok::<_, StoreError>((resident, graph.server_acl(tx, number, version)?))
            })
            .await?;
        if !resident {
            return Err(unknown_room(&row.room_id));
        }
        if acl.is_some_and(|acl| !acl.allows(origin)) {
            return Err(ApiError::forbidden(format!("the server ACL of {} denies {origin}", row.room_id)));
        }
        self.until_tellable(number).await?.map_err(still_joining)
    }

    fn template(&self, room: &Room, draft: &Draft) -> Option<Object> {
        let map = &room.current.as_ref()?.map;
        let mut heads: Vec<_> = room.heads.iter().collect();
        heads.sort_by_key(|head| std::cmp::Reverse(head.depth));
        heads.truncate(events::limits::OWN_PREV_EVENTS_MAX);
        // What a member claims may be the largest that there is: nobody could sign more.
        let depth = (heads.iter().map(|head| head.depth).max()? + 1).min(INTEGER_MAX);
        let auth_events = select_auth_events(room, draft, map);
        let event = json!({
            "room_id": room.room_id,
            "sender": draft.sender,
            "type": draft.event_type,
            "state_key": draft.state_key,
            "content": draft.content,
            "prev_events": heads.iter().map(|head| head.reference.write(room.version)).collect::<Vec<_>>(),
            "auth_events": auth_events.iter().map(|event| event.write(room.version)).collect::<Vec<_>>(),
            "depth": depth,
            "origin": self.server_name(),
            "origin_server_ts": self.handles().clock.now(),
        });
        event.as_object().cloned()
    }

    /// Like the resident's side of a restricted join, for a user of ours in a room that we are in.
    pub async fn authoriser_of(&self, room_id: &RoomId, user: &UserId) -> Result<Option<UserId>, ApiError> {
        let turn = self.turn(room_id).await?.ok_or_else(|| unknown_room(room_id))?;
        match turn.room() {
            Some(room) => self.authoriser(room, user).await,
            None => Err(unknown_room(room_id)),
        }
    }

    /// Finds who of our users can authorise a restricted join of `user`. `None` if the join needs no authorisation.
    ///
    /// S2S API, "Restricted rooms", with the errors named there.
    pub(crate) async fn authoriser(&self, room: &Room, user: &UserId) -> Result<Option<UserId>, ApiError> {
        let join_rules = room.current_event("m.room.join_rules", "").and_then(AuthEvent::join_rule);
        let Some(allowed) = join_rules.and_then(JoinRule::allowed_rooms) else { return Ok(None) };
        let membership = room.current_event("m.room.member", user.as_str()).and_then(AuthEvent::membership);
        if matches!(membership, Some(Membership::Join | Membership::Invite)) {
            return Ok(None);
        }
        let (allowed, us, who) = (allowed.to_vec(), self.server_name().clone(), user.clone());
        let (in_one, unknown) = self.database().read(move |tx| is_in_one_of(tx, &allowed, &us, &who)).await?;
        if !in_one && unknown {
            let text = format!("this server is not in the rooms whose members may join {}", room.room_id);
            return Err(ApiError::new(400, "M_UNABLE_TO_AUTHORISE_JOIN", text));
        }
        if !in_one {
            return Err(ApiError::forbidden(format!(
                "{user} is in none of the rooms whose members may join {}",
                room.room_id
            )));
        }
        let text = format!("nobody on this server may invite to {}", room.room_id);
        self.inviter(room).await?.map(Some).ok_or_else(|| ApiError::new(400, "M_UNABLE_TO_GRANT_JOIN", text))
    }

    /// One of our users who is in the room and may invite.
    async fn inviter(&self, room: &Room) -> Result<Option<UserId>, StoreError> {
        let (number, us) = (room.number, self.server_name().clone());
        let ours = self.database().read(move |tx| room_rows::members_of_server(tx, number, "join", &us)).await?;
        let Some(create) = room.current_event("m.room.create", "") else { return Ok(None) };
        let levels = Levels::new(create, room.current_event("m.room.power_levels", ""));
        Ok(ours.into_iter().find(|user| levels.user_level(user) >= levels.invite()))
    }
}

/// What tells somebody outside what the room is: full events, as room version 12 wants and every version allows.
pub(crate) fn stripped_state(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    version: RoomVersion,
    inviter: Option<&UserId>,
) -> Result<Vec<Value>, StoreError> {
    let mut stripped = Vec::new();
    for event_type in STRIPPED_TYPES {
        let state_key = if event_type == "m.room.member" { inviter.map(UserId::as_str) } else { Some("") };
        let Some(state_key) = state_key else { continue };
        if let Some(event) = room_rows::current(tx, room, event_type, state_key)?
            && let Some(stored) = event_rows::load(tx, version, event)?
        {
            stripped.push(Value::Object(stored.visible().object().clone()));
        }
    }
    Ok(stripped)
}

/// What others are told who ask about a room whose members are still being fetched.
pub(crate) fn still_joining(partial: StillPartial) -> ApiError {
    ApiError::not_found(format!("this server is itself still joining {}: ask another", partial.room))
}

pub(crate) fn unknown_room(room_id: &RoomId) -> ApiError {
    ApiError::not_found(format!("the room {room_id} is not known here"))
}

/// Says whether `user` is joined to one of the rooms, and whether there are some that we cannot tell about.
fn is_in_one_of(tx: &ReadTx<'_>, rooms: &[RoomId], us: &ServerName, user: &UserId) -> Result<(bool, bool), StoreError> {
    let mut unknown = rooms.is_empty();
    for room_id in rooms {
        match room_rows::by_id(tx, room_id)? {
            Some(room) if room_rows::is_server_joined(tx, room.number, us)? => {
                match room_rows::membership(tx, room.number, user)?.as_deref() {
                    Some("join") => return Ok((true, false)),
                    Some(_) => {}
                    // Of a room whose members are still being fetched we cannot tell.
                    None => unknown |= partial_rows::find(tx, room.number)?.is_some(),
                }
            }
            Some(_) | None => unknown = true,
        }
    }
    Ok((false, unknown))
}

/// Refuses a template for an event that the room's rules would refuse.
fn may_enter(room: &Room, draft: &Draft, event: &Object) -> Result<(), ApiError> {
    let Some(current) = &room.current else { return Err(unknown_room(&room.room_id)) };
    let mut object = event.clone();
    object.insert("hashes".to_owned(), json!({}));
    object.insert("signatures".to_owned(), json!({}));
    object.remove("origin");
    // Where ids are chosen, the joining server will choose one.
    object.insert("event_id".to_owned(), json!("$template"));
    let id = events::hash::event_id(&object, room.version).ok_or_else(ApiError::internal)?;
    // The authoriser's signature comes with send_join; the rule asks for it, so that the check counts ours as given.
    let pdu =
        Pdu::from_store(object, room.version, id, false).map_err(|error| ApiError::invalid_param(error.to_string()))?;
    let view = View { graph: &room.graph, map: &current.map };
    check_state(&AuthEvent::new(&pdu), &view)
        .map_err(|rejection| ApiError::forbidden(format!("{} may not: {rejection}", draft.sender)))
}

//! The resident's side of joins, leaves and knocks: templates for others, and their events' way into the room.
//!
//! S2S API, "Joining Rooms", "Restricted rooms", "Knocking upon a room", "Leaving Rooms".

use events::auth::{AuthEvent, check_state};
use events::membership::{JoinRule, Membership};
use events::power::Levels;
use events::{EventId, Object, ParsedPdu, Pdu, RoomId, RoomVersion, ServerName, UserId, Value};
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, state as state_rows};
use persistence::{ReadTx, RoomNumber, StoreError};
use serde_json::json;
use transport::ApiError;
use transport::questions::Handshake;

use crate::commit::Entry;
use crate::graph::Graph;
use crate::intake::{References, is_placed};
use crate::judge::{Candidate, Refusal, judge_entering};
use crate::room::{Room, View};
use crate::send::{Draft, select_auth_events};
use crate::serve::into_values;

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
    async fn resident_turn(&self, origin: &ServerName, room_id: &RoomId) -> Result<crate::graph::RoomTurn, ApiError> {
        let turn = self.turn(room_id).await?.ok_or_else(|| unknown_room(room_id))?;
        self.check_resident(origin, &turn.row).await?;
        Ok(turn)
    }

    async fn check_resident(&self, origin: &ServerName, row: &RoomRow) -> Result<(), ApiError> {
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
        match acl {
            Some(acl) if !acl.allows(origin) => {
                Err(ApiError::forbidden(format!("the server ACL of {} denies {origin}", row.room_id)))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn template(&self, room: &Room, draft: &Draft) -> Option<Object> {
        let map = &room.current.as_ref()?.map;
        let mut heads: Vec<_> = room.heads.iter().collect();
        heads.sort_by_key(|head| std::cmp::Reverse(head.depth));
        heads.truncate(events::limits::OWN_PREV_EVENTS_MAX);
        let depth = heads.iter().map(|head| head.depth).max()? + 1;
        let event = json!({
            "room_id": room.room_id,
            "sender": draft.sender,
            "type": draft.event_type,
            "state_key": draft.state_key,
            "content": draft.content,
            "prev_events": heads.iter().map(|head| &head.event_id).collect::<Vec<_>>(),
            "auth_events": select_auth_events(room, draft, map),
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

    /// `PUT /send_join`, `/send_leave`, `/send_knock`
    pub async fn accept(
        &self,
        origin: &ServerName,
        handshake: Handshake,
        room_id: &RoomId,
        event_id: &EventId,
        event: Object,
    ) -> Result<Value, ApiError> {
        let id = room_id.clone();
        let row = self.database().read(move |tx| room_rows::by_id(tx, &id)).await?;
        let row = row.ok_or_else(|| unknown_room(room_id))?;
        self.check_resident(origin, &row).await?;
        let (number, version) = (row.number, row.version);
        let parsed = ParsedPdu::parse(event, version).map_err(|error| ApiError::invalid_param(error.to_string()))?;
        check_handshake_event(&parsed, origin, handshake, room_id, event_id)?;
        let parsed = self.authorise(&row, parsed).await?;
        // Checking may wait for keys: nobody waits for the room's turn meanwhile.
        let checked = self.check_events(room_id, version, vec![parsed.object().clone()], References::Limited).await;
        let pdu = match checked.into_iter().next() {
            Some(Ok(pdu)) if pdu.is_mangled() => {
                return Err(ApiError::invalid_param(format!("{event_id}: its content hash does not match")));
            }
            Some(Ok(pdu)) => pdu,
            Some(Err(refusal)) => return Err(ApiError::invalid_param(format!("{event_id}: {refusal}"))),
            None => return Err(ApiError::internal()),
        };
        self.let_in(origin, room_id, &pdu).await?;
        self.handshake_answer(handshake, number, version, &pdu).await
    }

    /// Judges an event that wants to enter the room through us, and commits it if it may. One that is in already is let in again:
    /// its server did not get our answer.
    async fn let_in(&self, origin: &ServerName, room_id: &RoomId, pdu: &Pdu) -> Result<(), ApiError> {
        let mut turn = self.resident_turn(origin, room_id).await?;
        let event_id = pdu.event_id();
        let (number, id) = (turn.row.number, event_id.clone());
        if self.database().read(move |tx| is_placed(tx, number, &id)).await? {
            return self.check_accepted(number, event_id).await;
        }
        let Some(mut room) = turn.take() else { return Err(unknown_room(room_id)) };
        let around = self.surroundings(&mut room, std::slice::from_ref(pdu)).await?;
        if pdu.prev_events().iter().any(|id| !around.parents.contains_key(id)) || pdu.prev_events().is_empty() {
            turn.put_back(room);
            return Err(ApiError::invalid_param(format!("{event_id} names parents that are not known here")));
        }
        let candidate = Candidate { pdu: pdu.clone(), origin: Some(origin.clone()) };
        let advance = match judge_entering(&mut room, vec![candidate], &around) {
            Ok(advance) => advance,
            Err(refusal) => {
                turn.put_back(room);
                return Err(match refusal {
                    Refusal::Rejected(rejection) => ApiError::forbidden(rejection.to_string()),
                    Refusal::Unjudged(error) => {
                        tracing::error!(room.id = %room_id, event.id = %event_id, "Cannot judge {event_id}: {error}");
                        ApiError::invalid_param(format!("{event_id}: {error}"))
                    }
                });
            }
        };
        self.commit(&mut room, advance, Entry::ThroughUs, None).await.map_err(|error| {
            tracing::error!(room.id = %room_id, "cannot commit {event_id}: {error}");
            ApiError::internal()
        })?;
        turn.put_back(room);
        Ok(())
    }

    async fn check_accepted(&self, room: RoomNumber, event_id: &EventId) -> Result<(), ApiError> {
        let id = event_id.clone();
        let outcome = self
            .database()
            .read(move |tx| match event_rows::number(tx, room, &id)? {
                Some(event) => Ok(graph_rows::place(tx, event)?.map(|place| place.outcome)),
                None => Ok::<_, StoreError>(None),
            })
            .await?;
        match outcome {
            Some(Outcome::Accepted) => Ok(()),
            Some(Outcome::SoftFailed | Outcome::Rejected) | None => {
                Err(ApiError::forbidden(format!("{event_id} was refused before")))
            }
        }
    }

    /// Signs a restricted join that names one of our users, if it may be authorised.
    async fn authorise(&self, row: &RoomRow, parsed: ParsedPdu) -> Result<ParsedPdu, ApiError> {
        let named = parsed.object().get("content").and_then(|content| content.get("join_authorised_via_users_server"));
        let named = named.and_then(Value::as_str).and_then(|user| UserId::parse(user).ok());
        if named.is_none_or(|user| user.server() != *self.server_name()) || !row.version.rules().auth.restricted_joins {
            return Ok(parsed);
        }
        let turn = self.turn_of(row.number).await?;
        let room = turn.room().ok_or_else(|| unknown_room(&row.room_id))?;
        self.authoriser(room, parsed.sender()).await?;
        Ok(parsed.authorised(self.server_name(), self.signing_key()))
    }

    async fn handshake_answer(
        &self,
        handshake: Handshake,
        room: RoomNumber,
        version: RoomVersion,
        pdu: &Pdu,
    ) -> Result<Value, ApiError> {
        let event = pdu.clone();
        let us = self.server_name().clone();
        self.database()
            .read(move |tx| match handshake {
                Handshake::Join => join_answer(tx, room, version, &event, &us),
                Handshake::Leave => Ok(json!({})),
                Handshake::Knock => Ok(json!({ "knock_room_state": stripped_state(tx, room, version, None)? })),
            })
            .await
            .map_err(|error: StoreError| error.into())
    }
}

fn join_answer(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    version: RoomVersion,
    event: &Pdu,
    us: &ServerName,
) -> Result<Value, StoreError> {
    let number = event_rows::number(tx, room, event.event_id())?;
    let place = match number {
        Some(number) => graph_rows::place(tx, number)?,
        None => None,
    };
    let mut state = Vec::new();
    if let Some(snapshot) = place.and_then(|place| place.state_before) {
        let map = state_rows::load(tx, snapshot)?;
        state.extend(map.iter().map(|(_, event)| event));
    }
    let mut cited = state.clone();
    cited.extend(number);
    let chain = crate::serve::auth_chain(tx, &cited)?;
    Ok(json!({
        "origin": us,
        "members_omitted": false,
        "event": event.object(),
        "state": into_values(crate::serve::load_all(tx, version, state)?),
        "auth_chain": into_values(crate::serve::load_all(tx, version, chain)?),
        "servers_in_room": room_rows::servers(tx, room)?,
    }))
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

fn unknown_room(room_id: &RoomId) -> ApiError {
    ApiError::not_found(format!("the room {room_id} is not known here"))
}

/// Says whether `user` is joined to one of the rooms, and whether there are some that we cannot tell about.
fn is_in_one_of(tx: &ReadTx<'_>, rooms: &[RoomId], us: &ServerName, user: &UserId) -> Result<(bool, bool), StoreError> {
    let mut unknown = rooms.is_empty();
    for room_id in rooms {
        match room_rows::by_id(tx, room_id)? {
            Some(room) if room_rows::is_server_joined(tx, room.number, us)? => {
                if room_rows::membership(tx, room.number, user)?.as_deref() == Some("join") {
                    return Ok((true, false));
                }
            }
            Some(_) | None => unknown = true,
        }
    }
    Ok((false, unknown))
}

/// Checks what S2S API, `PUT /send_join` and its siblings, demand of the event before anything else.
fn check_handshake_event(
    parsed: &ParsedPdu,
    origin: &ServerName,
    handshake: Handshake,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<(), ApiError> {
    let object = parsed.object();
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let membership = object.get("content").and_then(|content| content.get("membership")).and_then(Value::as_str);
    let wrong = if parsed.event_id() != event_id {
        Some(format!("the path names the event {event_id}, the body is {}", parsed.event_id()))
    } else if parsed.room_id() != room_id {
        Some(format!("the path names the room {room_id}, the event {}", parsed.room_id()))
    } else if text("type") != Some("m.room.member") || membership != Some(membership_of(handshake)) {
        Some(format!("the event is no m.room.member with membership {}", membership_of(handshake)))
    } else if parsed.sender().server() != *origin {
        Some(format!("the sender {} is not a user of {origin}", parsed.sender()))
    } else if text("state_key") != Some(parsed.sender().as_str()) {
        Some("the event's state_key is not its sender".to_owned())
    } else {
        None
    };
    wrong.map_or(Ok(()), |wrong| Err(ApiError::invalid_param(wrong)))
}

/// Refuses a template for an event that the room's rules would refuse.
fn may_enter(room: &Room, draft: &Draft, event: &Object) -> Result<(), ApiError> {
    let Some(current) = &room.current else { return Err(unknown_room(&room.room_id)) };
    let mut object = event.clone();
    object.insert("hashes".to_owned(), json!({}));
    object.insert("signatures".to_owned(), json!({}));
    object.remove("origin");
    let id = events::hash::event_id(&object, room.version).ok_or_else(ApiError::internal)?;
    // The authoriser's signature comes with send_join; the rule asks for it, so that the check counts ours as given.
    let pdu =
        Pdu::from_store(object, room.version, id, false).map_err(|error| ApiError::invalid_param(error.to_string()))?;
    let view = View { graph: &room.graph, map: &current.map };
    check_state(&AuthEvent::new(&pdu), &view)
        .map_err(|rejection| ApiError::forbidden(format!("{} may not: {rejection}", draft.sender)))
}

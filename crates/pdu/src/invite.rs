//! Invites: ours to users of other servers, and theirs to ours. S2S API, "Inviting to a room".

use events::{EventId, NewEvent, Object, ParsedPdu, Pdu, RoomId, RoomVersion, ServerName, UserId, Value};
use persistence::transactions::rooms as room_rows;
use serde_json::json;
use transport::ApiError;

use crate::commit::{CommitError, Entry};
use crate::graph::Graph;
use crate::handshake::{STRIPPED_TYPES, stripped_state};
use crate::intake::{References, server_acl};
use crate::join::{JoinError, refused};
use crate::judge::{Candidate, judge_entering};
use crate::send::{Draft, SendError, Sent, not_entered, parents, select_auth_events};

/// Entries of `invite_room_state` that are kept.
pub(crate) const INVITE_STATE_ENTRIES_MAX: usize = 50;
/// Bytes of `invite_room_state` as JSON.
pub(crate) const INVITE_STATE_BYTES_MAX: usize = 256 * 1024;

/// An invite cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// The room's rules, or its state, forbid it.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The invited user's server refused it or could not be asked.
    #[error(transparent)]
    Remote(#[from] JoinError),
}

impl Graph {
    /// Invites a user of another server: their server signs the invite before it enters the room.
    ///
    /// The room's turn is free while the other server is asked.
    pub async fn invite_remote(&self, room_id: &RoomId, draft: Draft, invited: &UserId) -> Result<Sent, InviteError> {
        let (pdu, stripped) = self.build_invite(room_id, &draft).await?;
        let server = invited.server();
        let body = json!({
            "room_version": pdu.version().as_str(),
            "event": pdu.object(),
            "invite_room_state": stripped,
        });
        let signed = self.requests().invite(&server, room_id, pdu.event_id(), &body).await;
        let signed = signed.map_err(|error| refused(&server, error))?;
        let object: Option<Object> = serde_json::from_str(signed.get()).ok();
        let checked =
            self.check_events(room_id, pdu.version(), object.into_iter().collect(), References::Limited).await;
        let countersigned = match checked.into_iter().next() {
            Some(Ok(event)) if event.event_id() == pdu.event_id() && !event.is_mangled() => event,
            Some(Ok(_) | Err(_)) | None => {
                return Err(JoinError::Failed { server, reason: "it returned the invite spoilt".to_owned() }.into());
            }
        };
        Ok(self.enter_invite(room_id, countersigned).await?)
    }

    async fn build_invite(&self, room_id: &RoomId, draft: &Draft) -> Result<(Pdu, Vec<Value>), SendError> {
        let turn = self.turn(room_id).await?.ok_or_else(|| SendError::UnknownRoom(room_id.clone()))?;
        let not_in_room = || SendError::NotInRoom(room_id.clone());
        let room = turn.room().ok_or_else(not_in_room)?;
        let current = room.current.as_ref().ok_or_else(not_in_room)?;
        let mut heads: Vec<_> = room.heads.iter().collect();
        heads.sort_by_key(|head| std::cmp::Reverse(head.depth));
        heads.truncate(events::limits::OWN_PREV_EVENTS_MAX);
        let event = NewEvent {
            room_id: Some(room_id.clone()),
            sender: draft.sender.clone(),
            event_type: draft.event_type.clone(),
            state_key: draft.state_key.clone(),
            content: draft.content.clone(),
            redacts: None,
            prev_events: heads.iter().map(|head| head.event_id.clone()).collect(),
            auth_events: select_auth_events(room, draft, &current.map),
            depth: heads.iter().map(|head| head.depth).max().ok_or_else(not_in_room)? + 1,
            origin_server_ts: self.handles().clock.now(),
        };
        let pdu = event.sign(room.version, self.server_name(), self.signing_key())?;
        let view = crate::room::View { graph: &room.graph, map: &current.map };
        events::auth::check_state(&events::auth::AuthEvent::new(&pdu), &view).map_err(SendError::Forbidden)?;
        let (number, version, inviter) = (room.number, room.version, draft.sender.clone());
        let stripped = self.database().read(move |tx| stripped_state(tx, number, version, Some(&inviter))).await?;
        Ok((pdu, stripped))
    }

    async fn enter_invite(&self, room_id: &RoomId, pdu: Pdu) -> Result<Sent, SendError> {
        let mut turn = self.turn(room_id).await?.ok_or_else(|| SendError::UnknownRoom(room_id.clone()))?;
        let Some(mut room) = turn.take() else { return Err(SendError::NotInRoom(room_id.clone())) };
        let mut around = self.surroundings(&mut room, std::slice::from_ref(&pdu)).await?;
        around.parents.extend(parents(&room.heads));
        let candidate = Candidate { pdu: pdu.clone(), origin: None };
        let advance = match judge_entering(&mut room, vec![candidate], &around) {
            Ok(advance) => advance,
            Err(refusal) => {
                turn.put_back(room);
                return Err(not_entered(room_id, refusal));
            }
        };
        let committed = self.commit(&mut room, advance, Entry::ThroughUs, None).await.map_err(|error| match error {
            CommitError::Overtaken => SendError::Stuck { room: room_id.clone(), reason: error.to_string() },
            CommitError::Store(error) => error.into(),
        })?;
        turn.put_back(room);
        Ok(Sent { pdu, position: committed.last().map(|last| last.arrival).unwrap_or_default() })
    }

    /// `PUT /v2/invite`: signs an invite of a user of ours and shows it to them.
    ///
    /// The caller has checked that the user exists and wants invites.
    pub async fn accept_invite(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        body: Object,
    ) -> Result<Value, ApiError> {
        let named = body.get("room_version").and_then(Value::as_str);
        let named = named.ok_or_else(|| ApiError::bad_json("the invite has no `room_version`"))?;
        let Some(version) = RoomVersion::parse_supported(named) else {
            let error = ApiError::new(
                400,
                "M_INCOMPATIBLE_ROOM_VERSION",
                format!("room version {named} is not supported here"),
            );
            return Err(error.with("room_version", named));
        };
        let event = body.get("event").and_then(Value::as_object);
        let event = event.ok_or_else(|| ApiError::bad_json("the invite has no `event`"))?.clone();
        let parsed = ParsedPdu::parse(event, version).map_err(|error| ApiError::invalid_param(error.to_string()))?;
        let invited = check_invite(&parsed, origin, self.server_name(), room_id, event_id)?;
        let checked = self.check_events(room_id, version, vec![parsed.object().clone()], References::Limited).await;
        let pdu = match checked.into_iter().next() {
            Some(Ok(pdu)) => pdu.countersigned(self.server_name(), self.signing_key()),
            Some(Err(refusal)) => return Err(ApiError::invalid_param(format!("{event_id}: {refusal}"))),
            None => return Err(ApiError::internal()),
        };
        let stripped = self.check_invite_state(room_id, version, &body).await?;
        let (id, us, asks) = (room_id.clone(), self.server_name().clone(), origin.clone());
        let (number, joined) = self
            .database()
            .write(move |tx| {
                let number = room_rows::intern(tx, &id, version)?;
                let acl = server_acl(tx, number, version)?;
                if acl.is_some_and(|acl| !acl.allows(&asks)) {
                    return Err(ApiError::forbidden(format!("the server ACL of {id} denies {asks}")));
                }
                Ok((number, room_rows::is_server_joined(tx, number, &us)?))
            })
            .await?;
        // In a room that we are in, the invite comes again in a transaction, and has its place in the graph there.
        if !joined {
            let none = persistence::EventNumber(0);
            self.set_outside_standing(number, &invited, "invite", Some(pdu.clone()), none, Some(stripped)).await?;
        }
        Ok(json!({ "event": pdu.object() }))
    }

    /// Checks `invite_room_state` and prunes it for clients. From room version 12 on each entry must be a PDU of the room, the
    /// create event among them; before, servers may send stripped events still.
    async fn check_invite_state(
        &self,
        room_id: &RoomId,
        version: RoomVersion,
        body: &Object,
    ) -> Result<Vec<Value>, ApiError> {
        let entries = body.get("invite_room_state").and_then(Value::as_array).cloned().unwrap_or_default();
        let size: usize = entries.iter().map(|entry| entry.to_string().len()).sum();
        if size > INVITE_STATE_BYTES_MAX {
            return Err(ApiError::invalid_param(format!(
                "`invite_room_state` has more than {INVITE_STATE_BYTES_MAX} bytes"
            )));
        }
        let entries: Vec<Value> = entries.into_iter().take(INVITE_STATE_ENTRIES_MAX).collect();
        if version.rules().room_id == events::room_version::RoomIdFormat::CreateEvent {
            let objects: Vec<Object> = entries.iter().filter_map(|entry| entry.as_object().cloned()).collect();
            let is_create = |object: &Object| object.get("type").and_then(Value::as_str) == Some("m.room.create");
            if !objects.iter().any(is_create) {
                return Err(ApiError::new(400, "M_MISSING_PARAM", "`invite_room_state` has no m.room.create event"));
            }
            let checked = self.check_events(room_id, version, objects, References::Unlimited).await;
            if let Some(Err(refusal)) = checked.into_iter().find(Result::is_err) {
                return Err(ApiError::invalid_param(format!("an event of `invite_room_state` is refused: {refusal}")));
            }
        }
        Ok(prune(&entries))
    }
}

/// What an invite or knock tells a client about the room: type, state key, content and sender of the types that it may.
pub(crate) fn prune(entries: &[Value]) -> Vec<Value> {
    let prune_one = |entry: &Value| {
        let event_type = entry.get("type")?.as_str()?;
        let state_key = entry.get("state_key")?.as_str()?;
        let sender = UserId::parse(entry.get("sender")?.as_str()?).ok()?;
        let content = entry.get("content")?.as_object()?;
        let known = STRIPPED_TYPES.contains(&event_type);
        known.then(|| json!({ "type": event_type, "state_key": state_key, "sender": sender, "content": content }))
    };
    entries.iter().take(INVITE_STATE_ENTRIES_MAX).filter_map(prune_one).collect()
}

/// Checks what S2S API, `PUT /v2/invite`, demands of the event. Returns the invited user.
fn check_invite(
    parsed: &ParsedPdu,
    origin: &ServerName,
    us: &ServerName,
    room_id: &RoomId,
    event_id: &EventId,
) -> Result<UserId, ApiError> {
    let object = parsed.object();
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let membership = object.get("content").and_then(|content| content.get("membership")).and_then(Value::as_str);
    let invited = text("state_key").and_then(|user| UserId::parse(user).ok()).filter(|user| user.server() == *us);
    let wrong = if parsed.event_id() != event_id {
        Some(format!("the path names the event {event_id}, the body is {}", parsed.event_id()))
    } else if parsed.room_id() != room_id {
        Some(format!("the path names the room {room_id}, the event {}", parsed.room_id()))
    } else if text("type") != Some("m.room.member") || membership != Some("invite") {
        Some("the event is no m.room.member with membership invite".to_owned())
    } else if parsed.sender().server() != *origin {
        Some(format!("the sender {} is not a user of {origin}", parsed.sender()))
    } else {
        None
    };
    if let Some(wrong) = wrong {
        return Err(ApiError::invalid_param(wrong));
    }
    invited.ok_or_else(|| ApiError::invalid_param(format!("the invited user is not one of {us}")))
}

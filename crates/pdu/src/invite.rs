//! Invites: ours to users of other servers, and theirs to ours. S2S API, "Inviting to a room".

use events::room_version::{EventIdFormat, RoomIdFormat};
use events::{EventId, NewEvent, Object, ParsedPdu, Pdu, RoomId, RoomVersion, ServerName, UserId, Value};
use persistence::transactions::rooms as room_rows;
use persistence::{ReadTx, RoomNumber, StoreError};
use serde_json::json;
use transaction::requests::Invite;
use transport::ApiError;

use crate::commit::{CommitError, Entry};
use crate::graph::Graph;
use crate::handshake::{STRIPPED_TYPES, stripped_state};
use crate::intake::{References, Refusal};
use crate::join::{JoinError, claim_room, refused};
use crate::judge::{Candidate, judge_entering};
use crate::limits::{
    INVITES_WAITING_PER_ORIGIN_AND_USER_MAX, INVITES_WAITING_PER_ORIGIN_MAX, INVITES_WAITING_PER_USER_MAX,
    STRIPPED_BYTES_MAX, STRIPPED_ENTRIES_MAX, STRIPPED_KEPT_BYTES_MAX,
};
use crate::outside::{Outside, OutsideEvent};
use crate::send::{Draft, SendError, Sent, lacks_member, not_entered, parents, select_auth_events};

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
        if let Some(number) = self.partial_without(room_id, &draft).await? {
            self.until_whole(number).await.map_err(SendError::from)?.map_err(SendError::from)?;
        }
        let (pdu, stripped) = self.build_invite(room_id, &draft).await?;
        let server = invited.server();
        let invite = Invite { room_version: pdu.version(), event: pdu.object(), room_state: stripped };
        let signed = self.requests().invite(&server, room_id, pdu.event_id(), invite).await;
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

    /// The room's number, if it is partial and nobody knows whether the invited user is in it.
    async fn partial_without(&self, room_id: &RoomId, draft: &Draft) -> Result<Option<RoomNumber>, SendError> {
        let turn = self.turn(room_id).await?.ok_or_else(|| SendError::UnknownRoom(room_id.clone()))?;
        Ok(turn.room().filter(|room| lacks_member(room, draft)).map(|room| room.number))
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
            event_id: self.chosen_event_id(room.version),
            room_id: Some(room_id.clone()),
            sender: draft.sender.clone(),
            event_type: draft.event_type.clone(),
            state_key: draft.state_key.clone(),
            content: draft.content.clone(),
            redacts: None,
            prev_events: heads.iter().map(|head| head.reference.clone()).collect(),
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
        self.check_acl(origin, room_id).await?;
        let named = body.get("room_version").and_then(Value::as_str);
        let named = named.ok_or_else(|| ApiError::bad_json("the invite has no `room_version`"))?;
        let Some(named_version) = RoomVersion::parse(named) else {
            let error = ApiError::new(
                400,
                "M_INCOMPATIBLE_ROOM_VERSION",
                format!("room version {named} is not supported here"),
            );
            return Err(error.with("room_version", named));
        };
        let version = self.version_of_invite(room_id, named_version).await?;
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
        let event = OutsideEvent::New(pdu.clone());
        let outside = Outside { membership: "invite", event, stripped: Some(stripped), via: Some(origin.clone()) };
        self.show_invite(room_id, version, &invited, outside).await?;
        Ok(json!({ "event": pdu.object() }))
    }

    /// The version of the room that an invite leads to. Version 1 of the endpoint does not tell versions 1 and 2 of rooms apart:
    /// what we know of the room does.
    async fn version_of_invite(&self, room_id: &RoomId, named: RoomVersion) -> Result<RoomVersion, StoreError> {
        if named.rules().event_id != EventIdFormat::Chosen {
            return Ok(named);
        }
        let id = room_id.clone();
        let known = self.database().read(move |tx| room_rows::by_id(tx, &id)).await?;
        let known = known.map(|row| row.version).filter(|known| known.rules().event_id == EventIdFormat::Chosen);
        Ok(known.unwrap_or(named))
    }

    /// Refuses a server that the ACL of the room denies, if we know the room: whatever it sends, that comes first.
    async fn check_acl(&self, origin: &ServerName, room_id: &RoomId) -> Result<(), ApiError> {
        let (id, graph) = (room_id.clone(), self.clone());
        let acl = self
            .database()
            .read(move |tx| match room_rows::by_id(tx, &id)? {
                Some(row) => graph.server_acl(tx, row.number, row.version),
                None => Ok::<_, StoreError>(None),
            })
            .await?;
        match acl {
            Some(acl) if !acl.allows(origin) => {
                Err(ApiError::forbidden(format!("the server ACL of {room_id} denies {origin}")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Shows an invite to our user, if it tells us something: nobody here is in the room, and the invite has not come before.
    ///
    /// In a room that we are in, the invite comes again in a transaction, and has its place in the graph there. A repeated invite
    /// changes nothing: its target may have rejected it by now.
    async fn show_invite(
        &self,
        room_id: &RoomId,
        version: RoomVersion,
        invited: &UserId,
        outside: Outside,
    ) -> Result<(), ApiError> {
        let (graph, id, invited) = (self.clone(), room_id.clone(), invited.clone());
        self.database()
            .write(move |tx| {
                let Some(number) = claim_room(tx, &id, version)? else {
                    return Err(ApiError::invalid_param(format!("the room {id} has another version than {version}")));
                };
                if outside.is_known(tx, number)? || room_rows::is_server_joined(tx, number, graph.server_name())? {
                    return Ok(());
                }
                if let Some(origin) = &outside.via {
                    check_waiting(tx, origin, &invited)?;
                }
                Ok(graph.write_outside_standing(tx, number, &invited, &outside)?)
            })
            .await
    }

    /// Checks `invite_room_state` and prunes it for clients. From room version 12 on each entry must be a PDU of the room, the
    /// create event among them; before, servers may send stripped events still.
    async fn check_invite_state(
        &self,
        room_id: &RoomId,
        version: RoomVersion,
        body: &Object,
    ) -> Result<Vec<Value>, ApiError> {
        let entries = match body.get("invite_room_state") {
            None => Vec::new(),
            Some(Value::Array(entries)) => entries.clone(),
            Some(_) => return Err(ApiError::bad_json("`invite_room_state` must be an array")),
        };
        if !is_bounded(&entries, STRIPPED_BYTES_MAX) {
            return Err(ApiError::invalid_param(format!(
                "`invite_room_state` has more than {STRIPPED_ENTRIES_MAX} entries or {STRIPPED_BYTES_MAX} bytes"
            )));
        }
        if version.rules().room_id != RoomIdFormat::CreateEvent {
            return Ok(prune(entries));
        }
        let mut objects = Vec::with_capacity(entries.len());
        for entry in entries {
            let Value::Object(object) = entry else {
                return Err(ApiError::invalid_param("an entry of `invite_room_state` is no event"));
            };
            objects.push(object);
        }
        let is_create = |object: &Object| object.get("type").and_then(Value::as_str) == Some("m.room.create");
        if !objects.iter().any(is_create) {
            return Err(ApiError::new(400, "M_MISSING_PARAM", "`invite_room_state` has no m.room.create event"));
        }
        let mut checked = Vec::with_capacity(objects.len());
        for event in self.check_events(room_id, version, objects, References::Unlimited).await {
            match event {
                Ok(pdu) => checked.push(Value::Object(pdu.into_object())),
                // A key that cannot be had is no bad signature: the invite is good, this entry just cannot be shown.
                Err(Refusal::NoKeys { server, event }) => {
                    tracing::info!(server.name = %server, event.id = %event.event_id(), "Left {} out of an invite: no keys", event.event_id());
                }
                Err(refusal) => {
                    return Err(ApiError::invalid_param(format!(
                        "an event of `invite_room_state` is refused: {refusal}"
                    )));
                }
            }
        }
        Ok(prune(checked))
    }
}

/// Refuses one more invite where too many wait for an answer: each is kept, and is in every first /sync of its target.
fn check_waiting(tx: &ReadTx<'_>, origin: &ServerName, invited: &UserId) -> Result<(), ApiError> {
    let waiting = room_rows::waiting_invites(tx, origin, invited)?;
    let whose = if waiting.from >= INVITES_WAITING_PER_ORIGIN_MAX {
        format!("{} invites of {origin}", waiting.from)
    } else if waiting.from_to >= INVITES_WAITING_PER_ORIGIN_AND_USER_MAX {
        format!("{} invites of {origin} to {invited}", waiting.from_to)
    } else if waiting.to >= INVITES_WAITING_PER_USER_MAX {
        format!("{} invites to {invited}", waiting.to)
    } else {
        return Ok(());
    };
    Err(ApiError::forbidden(format!("{whose} wait for an answer; no more are taken before some have one")))
}

/// Says whether stripped state has few enough entries, and at most so many bytes.
fn is_bounded(entries: &[Value], bytes_max: usize) -> bool {
    entries.len() <= STRIPPED_ENTRIES_MAX
        && entries.iter().map(|entry| entry.to_string().len()).sum::<usize>() <= bytes_max
}

/// What an invite or knock tells a client about the room: type, state key, content and sender of the types that it may. Entries
/// beyond the limits are left out.
pub(crate) fn prune(entries: Vec<Value>) -> Vec<Value> {
    let prune_one = |entry: &Value| {
        let event_type = entry.get("type")?.as_str()?;
        let state_key = entry.get("state_key")?.as_str()?;
        let sender = UserId::parse(entry.get("sender")?.as_str()?).ok()?;
        let content = entry.get("content")?.as_object()?;
        let known = STRIPPED_TYPES.contains(&event_type);
        known.then(|| json!({ "type": event_type, "state_key": state_key, "sender": sender, "content": content }))
    };
    let mut pruned: Vec<Value> = entries.iter().take(STRIPPED_ENTRIES_MAX).filter_map(prune_one).collect();
    while !is_bounded(&pruned, STRIPPED_KEPT_BYTES_MAX) {
        pruned.pop();
    }
    pruned
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

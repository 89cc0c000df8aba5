//! The joiner's side: getting a user of ours into, out of, or to the door of a room that others are in; and invites, both ways.
//!
//! **Rule:** of a template that a resident gives, only `prev_events`, `auth_events`, `depth`, the room version and, for a
//! restricted join, the authoriser are taken. Everything else we build and sign ourselves.

use events::limits::{AUTH_EVENTS_MAX, INTEGER_MAX, PREV_EVENTS_MAX};
use events::{EventId, NewEvent, Object, Pdu, RoomId, RoomVersion, ServerName, UserId, Value};
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{events as event_rows, rooms as room_rows};
use persistence::{RoomNumber, StoreError};
use serde_json::json;
use transaction::RequestError;
use transport::questions::Handshake;

use crate::commit::{CommitError, Entry};
use crate::fetch::state_map;
use crate::graph::Graph;
use crate::handshake::membership_of;
use crate::intake::{References, keep_good, objects};
use crate::judge::{Candidate, Refusal, Surroundings, judge_entering};
use crate::limits::{HANDSHAKE_SERVERS_MAX, JOIN_EVENTS_MAX, TOPOLOGICAL_START};
use crate::room::{Parent, Room, State};

/// A join that succeeded.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The room.
    pub room_id: RoomId,
    /// The join event.
    pub event_id: EventId,
}

/// A handshake that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Nobody was asked.
    #[error("there is no server to ask about {0}")]
    NoServers(RoomId),
    /// A server refused; the others, if any, gave nothing better. Its status, code and words.
    #[error("{server} refused: {errcode} {message}")]
    Refused {
        /// Who refused.
        server: ServerName,
        /// The HTTP status.
        status: u16,
        /// The Matrix error code.
        errcode: String,
        /// Its words.
        message: String,
    },
    /// A server could not be reached, or answered nonsense.
    #[error("{server}: {reason}")]
    Failed {
        /// Which server.
        server: ServerName,
        /// What happened.
        reason: String,
    },
    /// The room has a version that we do not take part in.
    #[error("the room {room} has version {version}, which is not supported")]
    UnsupportedVersion {
        /// Which room.
        room: RoomId,
        /// Its version.
        version: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Leaving always succeeds locally, but for a broken database.
#[derive(Debug, thiserror::Error)]
pub enum LeaveError {
    /// The user has no standing in the room that they could leave.
    #[error("{user} is not in the room {room}, and not invited to it")]
    NothingToLeave {
        /// Who.
        user: UserId,
        /// Which room.
        room: RoomId,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a resident's template gives us.
struct Taken {
    version: RoomVersion,
    event: NewEvent,
}

impl Graph {
    /// Joins `user` to a room through one of `servers`, in their order.
    pub async fn join_remote(
        &self,
        room_id: &RoomId,
        user: &UserId,
        content: Object,
        servers: &[ServerName],
    ) -> Result<Joined, JoinError> {
        let mut last = JoinError::NoServers(room_id.clone());
        for server in self.candidates(servers) {
            match self.join_through(room_id, user, &content, &server).await {
                Ok(joined) => return Ok(joined),
                Err(JoinError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::info!(room.id = %room_id, server.name = %server, "Could not join through {server}: {error}");
                    last = more_telling(last, error);
                }
            }
        }
        Err(last)
    }

    fn candidates(&self, servers: &[ServerName]) -> Vec<ServerName> {
        let mut candidates: Vec<ServerName> = Vec::new();
        for server in servers.iter().filter(|server| *server != self.server_name()) {
            if !candidates.contains(server) && candidates.len() < HANDSHAKE_SERVERS_MAX {
                candidates.push(server.clone());
            }
        }
        candidates
    }

    async fn join_through(
        &self,
        room_id: &RoomId,
        user: &UserId,
        content: &Object,
        server: &ServerName,
    ) -> Result<Joined, JoinError> {
        let Taken { version, event } = self.take_template(Handshake::Join, room_id, user, content, server).await?;
        let ours = event
            .sign(version, self.server_name(), self.signing_key())
            .map_err(|error| failed(server, format!("its template makes no valid event: {error}")))?;
        let answer = self.requests().send_join(server, room_id, ours.event_id(), ours.object()).await;
        let answer = answer.map_err(|error| refused(server, error))?;
        if answer.state.len() > JOIN_EVENTS_MAX || answer.auth_chain.len() > JOIN_EVENTS_MAX {
            return Err(failed(server, format!("the room has more than {JOIN_EVENTS_MAX} state events")));
        }
        let join = self.returned_event(&ours, answer.event, server).await?;
        let state = self.check_events(room_id, version, objects(&answer.state), References::Unlimited).await;
        let state = keep_good(server, room_id, state);
        let chain = self.check_events(room_id, version, objects(&answer.auth_chain), References::Unlimited).await;
        let mut outliers = keep_good(server, room_id, chain);
        outliers.extend(state.iter().cloned());
        self.enter(room_id, version, join, state, outliers, server).await
    }

    /// Checks what the resident returned as our join: it is ours, with more signatures at most.
    async fn returned_event(
        &self,
        ours: &Pdu,
        returned: Option<Box<serde_json::value::RawValue>>,
        server: &ServerName,
    ) -> Result<Pdu, JoinError> {
        let Some(returned) = returned else { return Ok(ours.clone()) };
        let checked =
            self.check_events(ours.room_id(), ours.version(), objects(&[returned]), References::Limited).await;
        match checked.into_iter().next() {
            Some(Ok(event)) if event.event_id() == ours.event_id() && !event.is_mangled() => Ok(event),
            Some(Ok(event)) => {
                Err(failed(server, format!("it returned {} for our join {}", event.event_id(), ours.event_id())))
            }
            Some(Err(refusal)) => Err(failed(server, format!("it returned our join spoilt: {refusal}"))),
            None => Err(failed(server, "it returned our join spoilt".to_owned())),
        }
    }

    /// Asks for a template and takes from it what may be taken.
    async fn take_template(
        &self,
        handshake: Handshake,
        room_id: &RoomId,
        user: &UserId,
        content: &Object,
        server: &ServerName,
    ) -> Result<Taken, JoinError> {
        let versions: Vec<&str> = RoomVersion::SUPPORTED.iter().map(|version| version.as_str()).collect();
        let template = self.requests().make(server, handshake, room_id, user, &versions).await;
        let template = template.map_err(|error| refused(server, error))?;
        let version = template.room_version.unwrap_or_else(|| "1".to_owned());
        let Some(version) = RoomVersion::parse_supported(&version) else {
            return Err(JoinError::UnsupportedVersion { room: room_id.clone(), version });
        };
        check_template(&template.event, handshake, room_id, user).map_err(|reason| failed(server, reason))?;
        let references = |key: &str, max: usize| -> Result<Vec<EventId>, JoinError> {
            let ids = template.event.get(key).and_then(Value::as_array);
            let ids = ids.into_iter().flatten().map(|id| id.as_str().and_then(|id| EventId::parse(id).ok()));
            let ids: Option<Vec<EventId>> = ids.collect();
            ids.filter(|ids| ids.len() <= max)
                .ok_or_else(|| failed(server, format!("its template has no usable `{key}`")))
        };
        let mut content = content.clone();
        content.insert("membership".to_owned(), json!(membership_of(handshake)));
        if let Some(authoriser) = authoriser(&template.event, server) {
            content.insert("join_authorised_via_users_server".to_owned(), json!(authoriser));
        }
        let event = NewEvent {
            room_id: Some(room_id.clone()),
            sender: user.clone(),
            event_type: "m.room.member".to_owned(),
            state_key: Some(user.to_string()),
            content,
            redacts: None,
            prev_events: references("prev_events", PREV_EVENTS_MAX)?,
            auth_events: references("auth_events", AUTH_EVENTS_MAX)?,
            depth: template.event.get("depth").and_then(Value::as_i64).unwrap_or(1).clamp(1, INTEGER_MAX),
            origin_server_ts: self.handles().clock.now(),
        };
        Ok(Taken { version, event })
    }

    /// Stores the room as the resident gave it and enters it with our join.
    async fn enter(
        &self,
        room_id: &RoomId,
        version: RoomVersion,
        join: Pdu,
        state: Vec<Pdu>,
        outliers: Vec<Pdu>,
        server: &ServerName,
    ) -> Result<Joined, JoinError> {
        let create = state.iter().find(|pdu| pdu.is_state("m.room.create", ""));
        let stated = create.and_then(|create| create.content().get("room_version")).map_or(Some("1"), Value::as_str);
        if create.is_none() || stated != Some(version.as_str()) {
            return Err(failed(server, format!("its answer has no create event of room version {version}")));
        }
        let id = room_id.clone();
        let number = self.database().write(move |tx| room_rows::intern(tx, &id, version)).await?;
        let mut turn = self.turn_of(number).await?;
        let Some(mut room) = turn.take() else { return Err(failed(server, "the room is not loaded".to_owned())) };
        self.store_outliers(&mut room, outliers).await?;
        let map = state_map(&room, &state);
        let before = room.derive(map, None);
        let around = self.around_join(&mut room, &join, before);
        let candidate = Candidate { pdu: join.clone(), origin: Some(server.clone()) };
        let before = around.parents.values().next().map(|parent| std::sync::Arc::clone(&parent.after));
        let mut advance = judge_entering(&mut room, vec![candidate], &around).map_err(|refusal| match refusal {
            Refusal::Rejected(rejection) => {
                failed(server, format!("our join is not allowed by the state it gave: {rejection}"))
            }
            Refusal::Unjudged(error) => failed(server, error.to_string()),
        })?;
        advance.new_states.splice(0..0, before);
        self.commit(&mut room, advance, Entry::FromOthers, None).await.map_err(|error| match error {
            CommitError::Overtaken => failed(server, "the room advanced meanwhile".to_owned()),
            CommitError::Store(error) => error.into(),
        })?;
        turn.put_back(room);
        Ok(Joined { room_id: room_id.clone(), event_id: join.event_id().clone() })
    }

    /// Our join stands on the state that the resident gave; what lies before it is a gap, to be filled when somebody reads
    /// back. Extremities of an earlier stay give way to it.
    fn around_join(&self, room: &mut Room, join: &Pdu, before: std::sync::Arc<State>) -> Surroundings {
        let topological = room.heads.iter().map(|head| head.topological).max().unwrap_or(TOPOLOGICAL_START);
        room.stale_heads = room.heads.drain(..).map(|head| head.number).collect();
        let parent = Parent { topological, after: before, accepted_ancestors: Vec::new() };
        let parents = join.prev_events().iter().map(|id| (id.clone(), parent.clone())).collect();
        Surroundings { parents, now: self.handles().clock.now(), ..Surroundings::default() }
    }

    /// Leaves a room that nobody here is in: rejects an invite, or takes back a knock. Others are told if they can be reached.
    pub async fn leave_remote(
        &self,
        room_id: &RoomId,
        user: &UserId,
        content: Object,
        servers: &[ServerName],
    ) -> Result<(), LeaveError> {
        let nothing = || LeaveError::NothingToLeave { user: user.clone(), room: room_id.clone() };
        let (id, who) = (room_id.clone(), user.clone());
        let standing = self
            .database()
            .read(move |tx| match room_rows::by_id(tx, &id)? {
                Some(room) => room_rows::standing_in(tx, &who, room.number),
                None => Ok(None),
            })
            .await?;
        let standing = standing.ok_or_else(nothing)?;
        if !matches!(standing.membership.as_str(), "invite" | "knock" | "join") {
            return Err(nothing());
        }
        let mut left = None;
        for server in self.candidates(servers) {
            match self.shake(Handshake::Leave, room_id, user, &content, &server).await {
                Ok((pdu, _)) => {
                    left = Some(pdu);
                    break;
                }
                Err(error) => {
                    tracing::info!(room.id = %room_id, server.name = %server, "{server} was not told that {user} left: {error}")
                }
            }
        }
        self.set_outside_standing(standing.room, user, "leave", left, standing.event, None).await?;
        Ok(())
    }

    /// Knocks on a room that nobody here is in.
    pub async fn knock_remote(
        &self,
        room_id: &RoomId,
        user: &UserId,
        content: Object,
        servers: &[ServerName],
    ) -> Result<Joined, JoinError> {
        let mut last = JoinError::NoServers(room_id.clone());
        for server in self.candidates(servers) {
            match self.shake(Handshake::Knock, room_id, user, &content, &server).await {
                Ok((pdu, stripped)) => {
                    let (id, version) = (room_id.clone(), pdu.version());
                    let number = self.database().write(move |tx| room_rows::intern(tx, &id, version)).await?;
                    let event_id = pdu.event_id().clone();
                    let stripped = crate::invite::prune(&stripped);
                    let none = persistence::EventNumber(0);
                    self.set_outside_standing(number, user, "knock", Some(pdu), none, Some(stripped)).await?;
                    return Ok(Joined { room_id: room_id.clone(), event_id });
                }
                Err(JoinError::Store(error)) => return Err(error.into()),
                Err(error) => last = more_telling(last, error),
            }
        }
        Err(last)
    }

    /// A leave or a knock through one server. Returns our event and what the answer tells about the room.
    async fn shake(
        &self,
        handshake: Handshake,
        room_id: &RoomId,
        user: &UserId,
        content: &Object,
        server: &ServerName,
    ) -> Result<(Pdu, Vec<Value>), JoinError> {
        let Taken { version, event } = self.take_template(handshake, room_id, user, content, server).await?;
        let pdu = event
            .sign(version, self.server_name(), self.signing_key())
            .map_err(|error| failed(server, format!("its template makes no valid event: {error}")))?;
        let sent = match handshake {
            Handshake::Leave => {
                self.requests().send_leave(server, room_id, pdu.event_id(), pdu.object()).await.map(|()| Vec::new())
            }
            Handshake::Knock => self.requests().send_knock(server, room_id, pdu.event_id(), pdu.object()).await,
            Handshake::Join => return Err(failed(server, "a join is more than a handshake".to_owned())),
        };
        sent.map(|stripped| (pdu, stripped)).map_err(|error| refused(server, error))
    }

    /// Says how a user of ours stands to a room that we are not in.
    pub(crate) async fn set_outside_standing(
        &self,
        room: RoomNumber,
        user: &UserId,
        membership: &'static str,
        pdu: Option<Pdu>,
        otherwise: persistence::EventNumber,
        stripped: Option<Vec<Value>>,
    ) -> Result<(), StoreError> {
        let (who, notifier) = (user.clone(), self.notifier().clone());
        let newest = self.newest().clone();
        self.database()
            .write(move |tx| {
                let event = match &pdu {
                    Some(pdu) => event_rows::store(tx, room, pdu, false)?,
                    None => otherwise,
                };
                let position = streams::next(tx, Stream::Events)?;
                let stripped = stripped.map(|stripped| Value::Array(stripped).to_string());
                room_rows::set_standing(tx, &who, room, membership, event, position, stripped.as_deref())?;
                tx.after_commit(move || {
                    newest.send_modify(|commits| *commits += 1);
                    notifier.wake(&who);
                });
                Ok(())
            })
            .await
    }
}

/// The checks that S2S API demands before a template may be signed, on `GET /make_join` and its siblings.
fn check_template(event: &Object, handshake: Handshake, room_id: &RoomId, user: &UserId) -> Result<(), String> {
    let text = |key: &str| event.get(key).and_then(Value::as_str);
    let membership = event.get("content").and_then(|content| content.get("membership")).and_then(Value::as_str);
    for (key, found, expected) in [
        ("room_id", text("room_id"), room_id.as_str()),
        ("sender", text("sender"), user.as_str()),
        ("state_key", text("state_key"), user.as_str()),
        ("type", text("type"), "m.room.member"),
        ("membership", membership, membership_of(handshake)),
    ] {
        if found != Some(expected) {
            return Err(format!("its template has the {key} {found:?} instead of {expected:?}"));
        }
    }
    Ok(())
}

/// The user of `server` that a template names as the authoriser of a restricted join.
fn authoriser(event: &Object, server: &ServerName) -> Option<UserId> {
    let named = event.get("content")?.get("join_authorised_via_users_server")?.as_str()?;
    UserId::parse(named).ok().filter(|user| user.server() == *server)
}

fn failed(server: &ServerName, reason: String) -> JoinError {
    JoinError::Failed { server: server.clone(), reason }
}

/// A request that failed, as the failure of a handshake with `server`.
pub fn refused(server: &ServerName, error: RequestError) -> JoinError {
    match error {
        RequestError::Refused { status, errcode, message, .. } => {
            JoinError::Refused { server: server.clone(), status, errcode, message }
        }
        RequestError::Failed(_) | RequestError::Malformed { .. } => failed(server, error.to_string()),
    }
}

/// Of two failures, the one that tells the user more: a refusal says why, a time-out only that.
fn more_telling(first: JoinError, second: JoinError) -> JoinError {
    match (&first, &second) {
        (JoinError::Refused { .. }, JoinError::Failed { .. } | JoinError::NoServers(_)) => first,
        _ => second,
    }
}

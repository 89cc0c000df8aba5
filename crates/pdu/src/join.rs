//! The joiner's side: getting a user of ours into a room that others are in. S2S API, "Joining Rooms".

use std::sync::Arc;

use events::{EventId, Object, ParsedPdu, Pdu, RoomId, RoomVersion, ServerName, UserId, Value};
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::transactions::{events as event_rows, partial as partial_rows, rooms as room_rows, unanswered_joins};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError, WriteTx};
use serde_json::value::RawValue;
use transaction::RequestError;
use transport::questions::{Handshake, Members};

use crate::commit::{CommitError, Entry};
use crate::fetch::Effort;
use crate::gates::Presence;
use crate::graph::{Graph, RoomTurn};
use crate::intake::References;
use crate::judge::{Candidate, Refusal, Surroundings, judge_entering};
use crate::limits::{HANDSHAKE_SERVERS_MAX, JOIN_EVENTS_MAX, JOIN_TIME_MAX, TOPOLOGICAL_GAP, TOPOLOGICAL_START};
use crate::outliers::state_of;
use crate::partial::{LackingKeys, Partial, end_undecided, keys_pause};
use crate::room::{Parent, Room, State};
use crate::send::Beside;
use crate::state_records::{state_records, write_states};
use crate::template::Taken;
use crate::unanswered_joins::Attempt;
use crate::verdict::Verdict;
use crate::waiting::is_placed;
use crate::whole_room::UnverifiedRoom;

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

/// A room as a resident gave it.
struct GivenRoom {
    version: RoomVersion,
    join: Pdu,
    /// The state before the join, but for members that were left out.
    state: Vec<EventId>,
    /// The servers in the room, if members were left out.
    partial: Option<Partial>,
    /// The events of that state, and all that they cite.
    outliers: UnverifiedRoom,
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
        let effort = Effort::new(self.handles(), JOIN_TIME_MAX);
        let mut last = JoinError::NoServers(room_id.clone());
        let candidates = self.candidates(servers);
        for server in &candidates {
            if effort.is_spent() {
                break;
            }
            match self.join_through(room_id, user, &content, server, Attempt::first(&candidates)).await {
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

    /// The servers to try, each once, never ourselves.
    pub(crate) fn candidates(&self, servers: &[ServerName]) -> Vec<ServerName> {
        let mut candidates: Vec<ServerName> = Vec::new();
        for server in servers.iter().filter(|server| *server != self.server_name()) {
            if !candidates.contains(server) && candidates.len() < HANDSHAKE_SERVERS_MAX {
                candidates.push(server.clone());
            }
        }
        candidates
    }

    /// Joins a room through a server, by a new event.
    pub(crate) async fn join_through(
        &self,
        room_id: &RoomId,
        user: &UserId,
        content: &Object,
        server: &ServerName,
        attempt: Attempt<'_>,
    ) -> Result<Joined, JoinError> {
        let Taken { version, event } = self.take_template(Handshake::Join, room_id, user, content, server).await?;
        // While servers did not answer the user may have come in by another way, and what they have said since is older than this.
        if let Some(event_id) = self.join_of(room_id, user).await? {
            return Ok(Joined { room_id: room_id.clone(), event_id });
        }
        let ours = event
            .sign(version, self.server_name(), self.signing_key())
            .map_err(|error| failed(server, format!("its template makes no valid event: {error}")))?;
        self.remember_join(&ours, server, attempt).await?;
        let joined = self.send_and_enter(room_id, version, &ours, server).await;
        if let Err(error) = &joined {
            self.look_after_failed_join(&ours, error, attempt).await?;
        }
        joined
    }

    /// The event by which a user of ours is in a room that we are in.
    pub(crate) async fn join_of(&self, room_id: &RoomId, user: &UserId) -> Result<Option<EventId>, StoreError> {
        let (room_id, user) = (room_id.clone(), user.clone());
        self.database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &room_id)? else { return Ok(None) };
                let join = join_of(tx, row.number, &user)?;
                join.map(|event| event_rows::id(tx, event)).transpose()
            })
            .await
    }

    /// Sends a join, and enters the room with what is answered. One that was sent before may be sent again.
    pub(crate) async fn send_and_enter(
        &self,
        room_id: &RoomId,
        version: RoomVersion,
        ours: &Pdu,
        server: &ServerName,
    ) -> Result<Joined, JoinError> {
        let answer = self.requests().send_join(server, room_id, ours.event_id(), ours.object(), Members::Omitted).await;
        let answer = answer.map_err(|error| refused(server, error))?;
        if answer.state.len() > JOIN_EVENTS_MAX || answer.auth_chain.len() > JOIN_EVENTS_MAX {
            return Err(failed(server, format!("the room has more than {JOIN_EVENTS_MAX} state events")));
        }
        let partial = match (answer.members, answer.servers_in_room) {
            (Members::Complete, _) => None,
            (Members::Omitted, Some(named)) => {
                let named = named.into_iter().filter(|name| name != self.server_name());
                Some(Partial { servers: named.chain([server.clone()]).collect() })
            }
            (Members::Omitted, None) => {
                let reason = "its answer leaves members out, and does not say which servers are in the room";
                return Err(failed(server, reason.to_owned()));
            }
        };
        let join = self.returned_event(ours, answer.event, server).await?;
        let mut events = self.parse_answer(server, room_id, version, answer.state).await;
        let state = events.iter().map(|event| event.event_id().clone()).collect();
        check_create(&events, version).map_err(|reason| failed(server, reason))?;
        events.extend(self.parse_answer(server, room_id, version, answer.auth_chain).await);
        let outliers = self.with_keys(version, events).await;
        let given = GivenRoom { version, join, state, partial, outliers };
        self.enter(room_id, given, server).await
    }

    /// Checks what the resident returned as our join: it is ours, with more signatures at most.
    async fn returned_event(
        &self,
        ours: &Pdu,
        returned: Option<Box<RawValue>>,
        server: &ServerName,
    ) -> Result<Pdu, JoinError> {
        let Some(returned) = returned else { return Ok(ours.clone()) };
        let objects: Vec<Object> = serde_json::from_str(returned.get()).into_iter().collect();
        let checked = self.check_events(ours.room_id(), ours.version(), objects, References::Limited).await;
        match checked.into_iter().next() {
            Some(Ok(event)) if event.event_id() == ours.event_id() && !event.is_mangled() => Ok(event),
            Some(Ok(event)) => {
                Err(failed(server, format!("it returned {} for our join {}", event.event_id(), ours.event_id())))
            }
            Some(Err(refusal)) => Err(failed(server, format!("it returned our join spoilt: {refusal}"))),
            None => Err(failed(server, "it returned our join spoilt".to_owned())),
        }
    }

    /// Stores the room as the resident gave it and enters it with our join.
    async fn enter(&self, room_id: &RoomId, given: GivenRoom, server: &ServerName) -> Result<Joined, JoinError> {
        let GivenRoom { version, join, state, partial, outliers } = given;
        let id = room_id.clone();
        let claimed = self.database().write(move |tx| claim_room(tx, &id, version)).await?;
        let number =
            claimed.ok_or_else(|| failed(server, "it gives the room another version than we know".to_owned()))?;
        // What one fork of an earlier stay still says gives way to this one.
        self.end_undecided_stay(number, |presence| presence != Presence::Joined).await?;
        let mut turn = self.turn_of(number).await?;
        let Some(mut room) = turn.take() else { return Err(failed(server, "the room is not loaded".to_owned())) };
        let lacking = outliers.lacking_keys();
        let without_keys = outliers.joined_without_keys(&state);
        self.store_unverified(&mut room, outliers, server).await?;
        if self.are_we_in(number).await? {
            turn.put_back(room);
            return self.enter_live(turn, join, server).await;
        }
        let known = join.event_id().clone();
        if self.database().read(move |tx| is_placed(tx, number, &known)).await? {
            turn.put_back(room);
            return Err(failed(server, "our join has its place in an earlier stay already".to_owned()));
        }
        // Events whose keys cannot be had are left out: without them the room is still the room. They are tried again.
        let known: Vec<&EventId> = state.iter().filter(|id| room.graph.index_of(id).is_some()).collect();
        if known.len() < state.len() {
            tracing::warn!(room.id = %room_id, server.name = %server, "{} events of the state that {server} gave are left out", state.len() - known.len());
        }
        let map = state_of(&room, known).ok_or_else(|| failed(server, "the state that it gave is none".to_owned()))?;
        room.partial = partial.map(Arc::new);
        let lacks_keys = room.partial.is_none() && !lacking.is_empty();
        room.lacks_keys_of = lacks_keys.then(|| without_keys.iter().cloned().collect());
        let before = room.derive(map, None);
        let around = self.around_join(&mut room, &join, before);
        let candidate = Candidate { pdu: join.clone(), origin: Some(server.clone()) };
        let before = around.parents.values().next().map(|parent| Arc::clone(&parent.after));
        let advance = judge_entering(&mut room, vec![candidate], &around).map_err(|refusal| match refusal {
            Refusal::Rejected(rejection) => {
                failed(server, format!("our join is not allowed by the state it gave: {rejection}"))
            }
            Refusal::Unjudged(error) => failed(server, error.to_string()),
        })?;
        if let Some(before) = before {
            self.write_ahead(&mut room, &before).await?;
        }
        let now = self.handles().clock.now();
        let earlier = room.stale_heads.clone();
        let beside =
            remember_entry(&join, number, earlier, room.partial.clone(), (lacking, without_keys), server.clone(), now);
        self.commit(&mut room, advance, Entry::FromOthers, Some(beside)).await.map_err(|error| match error {
            CommitError::Overtaken => failed(server, "the room advanced meanwhile".to_owned()),
            CommitError::Store(error) => error.into(),
        })?;
        if room.lacks_something() {
            self.wake_joins();
        }
        turn.put_back(room);
        Ok(Joined { room_id: room_id.clone(), event_id: join.event_id().clone() })
    }

    /// Writes a state before the commit that makes it visible: that of a large room takes a while, and nobody who writes is to
    /// wait for all of it.
    pub(crate) async fn write_ahead(&self, room: &mut Room, state: &Arc<State>) -> Result<(), StoreError> {
        let number = room.number;
        let records = state_records(room, std::slice::from_ref(state));
        let (records, snapshots) = self
            .database()
            .write(move |tx| {
                let snapshots = write_states(tx, number, &records)?;
                Ok::<_, StoreError>((records, snapshots))
            })
            .await?;
        for (record, snapshot) in records.iter().zip(snapshots) {
            record.state.set_stored(snapshot);
            room.keep_state(snapshot, &record.state);
        }
        Ok(())
    }

    /// Enters a room that somebody here is in: only a server elsewhere could authorise the join. What we know of the room stays
    /// what it is, whatever the resident says; the join is an event like any other.
    async fn enter_live(&self, turn: RoomTurn, join: Pdu, server: &ServerName) -> Result<Joined, JoinError> {
        let row = turn.row.clone();
        drop(turn);
        self.receive(&row, server, vec![join.clone()]).await?;
        let (number, id) = (row.number, join.event_id().clone());
        let outcome = self
            .database()
            .read(move |tx| match event_rows::number(tx, number, &id)? {
                Some(event) => Ok(graph_rows::place(tx, event)?.map(|place| place.outcome)),
                None => Ok::<_, StoreError>(None),
            })
            .await?;
        match outcome {
            Some(Outcome::Accepted) => {
                let (user, room_id) = (join.sender().clone(), row.room_id.clone());
                self.database().write(move |tx| unanswered_joins::remove_all(tx, &user, &room_id)).await?;
                Ok(Joined { room_id: row.room_id, event_id: join.event_id().clone() })
            }
            Some(Outcome::SoftFailed | Outcome::Rejected) => {
                Err(failed(server, "the join that it authorised is not allowed by what we know of the room".to_owned()))
            }
            None => Err(failed(server, "what the join that it authorised builds on cannot be had".to_owned())),
        }
    }

    /// Our join stands on the state that the resident gave; what lies before it is a gap, to be filled when somebody reads
    /// back. Extremities of an earlier stay give way to it.
    fn around_join(&self, room: &mut Room, join: &Pdu, before: Arc<State>) -> Surroundings {
        let earlier = room.heads.iter().map(|head| head.topological).max();
        let topological = earlier.map_or(TOPOLOGICAL_START, |earlier| earlier + TOPOLOGICAL_GAP);
        room.stale_heads = room.heads.drain(..).map(|head| head.number).collect();
        let parent = Parent { topological, after: before, accepted_ancestors: Vec::new() };
        let parents = join.prev_events().iter().map(|id| (id.clone(), parent.clone())).collect();
        Surroundings { parents, now: self.handles().clock.now(), ..Surroundings::default() }
    }
}

/// The event by which a user of ours is in a room that we are in.
pub(crate) fn join_of(tx: &ReadTx<'_>, room: RoomNumber, user: &UserId) -> Result<Option<EventNumber>, StoreError> {
    let is_member = room_rows::membership(tx, room, user)?.as_deref() == Some("join");
    if !is_member || !room_rows::is_server_joined(tx, room, &user.server())? {
        return Ok(None);
    }
    room_rows::current(tx, room, "m.room.member", user.as_str())
}

/// Writes that we are in the room by this join, and whether its members are known, beside it. `earlier` are the extremities of an
/// earlier stay.
fn remember_entry(
    join: &Pdu,
    room: RoomNumber,
    earlier: Vec<EventNumber>,
    partial: Option<Arc<Partial>>,
    (lacking, without_keys): (LackingKeys, Vec<ServerName>),
    given_by: ServerName,
    now: i64,
) -> Beside {
    let (user, room_id) = (join.sender().clone(), join.room_id().clone());
    Arc::new(move |tx, ids| {
        unanswered_joins::remove_all(tx, &user, &room_id)?;
        let [join, ..] = ids else { return Ok(()) };
        let join = event_rows::intern(tx, room, join)?;
        end_undecided(tx, room)?;
        for head in &earlier {
            if Verdict::read(tx, *head)?.is_some_and(|verdict| verdict.provisional) {
                graph_rows::forget_state_after(tx, *head)?;
            }
        }
        room_rows::enter(tx, room, join)?;
        if let Some(partial) = &partial {
            let servers: Vec<ServerName> = partial.servers.iter().cloned().collect();
            partial_rows::begin(tx, room, join, &given_by, &servers, now)?;
            if lacking.is_empty() { Ok(()) } else { partial_rows::note_keys(tx, room, &lacking.to_json()) }
        } else if lacking.is_empty() {
            Ok(())
        } else {
            partial_rows::begin(tx, room, join, &given_by, &without_keys, now)?;
            partial_rows::become_whole(tx, room, &lacking.to_json(), &without_keys, 0, now + keys_pause(0))
        }
    })
}

/// The create event must be there and be of the version that the template named: all else is judged by it.
fn check_create(state: &[ParsedPdu], version: RoomVersion) -> Result<(), String> {
    let is_create = |event: &&ParsedPdu| {
        let text = |key: &str| event.object().get(key).and_then(Value::as_str);
        text("type") == Some("m.room.create") && text("state_key") == Some("")
    };
    let create = state.iter().find(is_create).ok_or("its answer has no create event")?;
    let content = create.object().get("content");
    let stated = content.and_then(|content| content.get("room_version")).map_or(Some("1"), Value::as_str);
    if stated == Some(version.as_str()) {
        Ok(())
    } else {
        Err(format!("its answer has a create event of room version {stated:?}, not {version}"))
    }
}

/// Returns the room's number; makes the room if it is new. `None` if it is known to have another version.
///
/// While we have never been in a room, its version is hearsay: whoever invited us may have named a wrong one.
pub(crate) fn claim_room(
    tx: &mut WriteTx<'_>,
    room_id: &RoomId,
    version: RoomVersion,
) -> Result<Option<RoomNumber>, StoreError> {
    match room_rows::by_id(tx, room_id)? {
        None => room_rows::intern(tx, room_id, version).map(Some),
        Some(row) if row.version == version => Ok(Some(row.number)),
        Some(row) if row.state.is_none() => {
            room_rows::begin_again(tx, row.number, version)?;
            Ok(Some(row.number))
        }
        Some(_) => Ok(None),
    }
}

pub(crate) fn failed(server: &ServerName, reason: String) -> JoinError {
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
pub(crate) fn more_telling(first: JoinError, second: JoinError) -> JoinError {
    match (&first, &second) {
        (JoinError::Refused { .. }, JoinError::Failed { .. } | JoinError::NoServers(_)) => first,
        _ => second,
    }
}

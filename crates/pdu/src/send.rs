//! Events of our own.

mod together;

use std::collections::BTreeMap;
use std::sync::Arc;

use defects::Defect;
use events::auth::{AuthEvent, Rejection, auth_types, check_state};
use events::auth_graph::StateMap;
use events::limits::OWN_PREV_EVENTS_MAX;
use events::pdu::FormatError;
use events::room_version::EventIdFormat;
use events::{EventId, NewEvent, Object, Pdu, Reference, RoomId, RoomVersion, UserId, Value};
use persistence::transactions::rooms as room_rows;
use persistence::{Position, RoomNumber, StoreError, WriteTx};

use crate::commit::{CommitError, Entry};
use crate::graph::{Graph, RoomTurn};
use crate::judge::{Advance, Candidate, JudgeError, Refusal, Surroundings, judge_entering};
use crate::partial::StillPartial;
use crate::room::{Head, Parent, Room, View};

pub(crate) use together::WaitingMessages;

/// An event that a user of ours wants to send.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Who sends it.
    pub sender: UserId,
    /// Its type.
    pub event_type: String,
    /// The state key of a state event.
    pub state_key: Option<String>,
    /// Its content.
    pub content: Object,
    /// The event that a redaction is for.
    pub redacts: Option<EventId>,
}

/// A room that a user of ours makes.
#[derive(Debug, Clone)]
pub struct NewRoom {
    /// Its version.
    pub version: RoomVersion,
    /// Its id; `None` in room versions whose rooms are named after their create event.
    pub room_id: Option<RoomId>,
    /// Its create event.
    pub create: Draft,
    /// The events that follow, in their order.
    pub following: Vec<Draft>,
}

/// An event that was sent: it is in the room, and on its way to the other servers.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The event.
    pub pdu: Pdu,
    /// Its position in the events stream.
    pub position: Position,
}

/// An event cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// We do not know the room.
    #[error("the room {0} is not known here")]
    UnknownRoom(RoomId),
    /// Nobody here is in the room.
    #[error("nobody on this server is in the room {0}")]
    NotInRoom(RoomId),
    /// The rules of the room forbid it.
    #[error("{0}")]
    Forbidden(Rejection),
    /// It is too large, or a field of it is not what it must be.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// The room is in a condition in which nothing can be sent.
    #[error("the room {room} cannot advance: {reason}")]
    Stuck {
        /// Which room.
        room: RoomId,
        /// Why.
        reason: String,
    },
    /// It needs members of the room that are not known yet.
    #[error(transparent)]
    Partial(#[from] StillPartial),
    /// The creator makes many rooms that are alike.
    #[error("you made too many rooms with the same content at the same time")]
    TooAlike,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often a step is computed again because somebody else took the room's turn. There is one process, so hardly ever.
const OVERTAKEN_MAX: usize = 5;

/// Letters of an event id that we choose, before the server's name: enough that no two are the same.
const EVENT_ID_LETTERS: usize = 22;

/// What is written in the same transaction as the events: gets their ids.
pub type Beside = Arc<dyn Fn(&mut WriteTx<'_>, &[EventId]) -> Result<(), StoreError> + Send + Sync>;

/// What is written in the same transaction as the first events of a room: gets its id.
pub type BesideRoom = Arc<dyn Fn(&mut WriteTx<'_>, &RoomId) -> Result<(), StoreError> + Send + Sync>;

impl Graph {
    /// Makes a room: its create event and the events that follow, in one transaction with what `beside` writes.
    pub async fn create_room(
        &self,
        new: NewRoom,
        beside: Option<BesideRoom>,
    ) -> Result<(RoomId, Vec<Sent>), SendError> {
        let now = self.handles().clock.now();
        // A room named after its create event has the name of another one that its creator made alike in the same
        // millisecond: then it is made in the next.
        for later in 0..OVERTAKEN_MAX {
            let created_at = now.saturating_add(i64::try_from(later).unwrap_or(i64::MAX));
            let create = self.create_event(&new, created_at)?;
            let room_id = create.room_id().clone();
            let mut room = Room::empty(RoomNumber::default(), room_id.clone(), new.version, 0);
            let advance = self.build(&mut room, Some(create), &new.following)?;
            let (id, version) = (room_id.clone(), new.version);
            room.number = self.database().write(move |tx| room_rows::intern(tx, &id, version)).await?;
            let mut turn = self.turn_of(room.number).await?;
            if turn.room().is_none_or(|room| room.current.is_some() || !room.heads.is_empty()) {
                continue;
            }
            room.turn = turn.row.turn;
            turn.take();
            let beside = beside.clone().map(|beside| -> Beside {
                let room_id = room_id.clone();
                Arc::new(move |tx, _| beside(tx, &room_id))
            });
            return match self.advance_on(&mut turn, room, advance, Entry::ThroughUs, beside).await? {
                Some(sent) => Ok((room_id, sent)),
                None => Err(too_fast(&room_id)),
            };
        }
        Err(SendError::TooAlike)
    }

    fn create_event(&self, new: &NewRoom, created_at: i64) -> Result<Pdu, FormatError> {
        let event = NewEvent {
            event_id: self.chosen_event_id(new.version),
            room_id: new.room_id.clone(),
            sender: new.create.sender.clone(),
            event_type: new.create.event_type.clone(),
            state_key: new.create.state_key.clone(),
            content: new.create.content.clone(),
            redacts: None,
            prev_events: Vec::new(),
            auth_events: Vec::new(),
            depth: 1,
            origin_server_ts: created_at,
        };
        event.sign(new.version, self.server_name(), self.signing_key())
    }

    /// Sends events of our users, all of them or none, in one transaction, with what `beside` writes.
    ///
    /// A message is sent even if its caller goes away: others may be in the same transaction.
    pub async fn send(
        &self,
        room_id: &RoomId,
        mut drafts: Vec<Draft>,
        beside: Option<Beside>,
    ) -> Result<Vec<Sent>, SendError> {
        match drafts.pop() {
            // What changes the state decides about what follows: it is sent by itself.
            Some(message) if drafts.is_empty() && message.state_key.is_none() => {
                Ok(vec![self.send_message(room_id, message, beside).await?])
            }
            last => {
                drafts.extend(last);
                self.send_alone(room_id, drafts, beside).await
            }
        }
    }

    async fn send_alone(
        &self,
        room_id: &RoomId,
        drafts: Vec<Draft>,
        beside: Option<Beside>,
    ) -> Result<Vec<Sent>, SendError> {
        for _ in 0..OVERTAKEN_MAX {
            let mut turn = self.turn(room_id).await?.ok_or_else(|| SendError::UnknownRoom(room_id.clone()))?;
            let number = turn.row.number;
            if drafts.iter().any(is_from_outside) && !self.are_we_in(number).await? {
                return Err(SendError::NotInRoom(room_id.clone()));
            }
            if turn.room().is_some_and(|room| drafts.iter().any(|draft| lacks_member(room, draft))) {
                drop(turn);
                self.until_whole(number).await??;
                continue;
            }
            if let Some(sent) = self.send_on(&mut turn, &drafts, Entry::ThroughUs, beside.clone()).await? {
                return Ok(sent);
            }
        }
        Err(too_fast(room_id))
    }

    /// Sends events on a turn. `None` if the room is not what it was when the turn began.
    pub(crate) async fn send_on(
        &self,
        turn: &mut RoomTurn,
        drafts: &[Draft],
        entry: Entry,
        beside: Option<Beside>,
    ) -> Result<Option<Vec<Sent>>, SendError> {
        let Some(mut room) = turn.take() else { return Ok(None) };
        let room_id = room.room_id.clone();
        if room.heads.is_empty() {
            turn.put_back(room);
            return Err(SendError::NotInRoom(room_id));
        }
        let known = room.graph.len();
        let advance = match self.build(&mut room, None, drafts) {
            Ok(advance) => advance,
            Err(error) => {
                room.undo(known);
                turn.put_back(room);
                return Err(error);
            }
        };
        self.advance_on(turn, room, advance, entry, beside).await
    }

    /// Commits events of our own. `None` if the room is not what it was when the turn began.
    async fn advance_on(
        &self,
        turn: &mut RoomTurn,
        mut room: Room,
        advance: Advance,
        entry: Entry,
        beside: Option<Beside>,
    ) -> Result<Option<Vec<Sent>>, SendError> {
        let pdus: Vec<Pdu> = advance.judged.iter().map(|judged| judged.pdu.clone()).collect();
        match self.commit(&mut room, advance, entry, beside).await {
            Ok(committed) => {
                let many = room.heads.len();
                turn.put_back(room);
                tracing::debug!(room.id = %turn.row.room_id, extremities = many, "Sent {} events", pdus.len());
                let sent = pdus.into_iter().zip(committed);
                Ok(Some(sent.map(|(pdu, committed)| Sent { pdu, position: committed.arrival }).collect()))
            }
            Err(CommitError::Overtaken) => Ok(None),
            Err(CommitError::Store(_)) if defects::is_on(Defect::AcknowledgedBeforeCommit) => {
                Ok(Some(pdus.into_iter().map(|pdu| Sent { pdu, position: Position(0) }).collect()))
            }
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// Builds and judges drafts one after the other, after the event that creates the room if it is new.
    fn build(&self, room: &mut Room, create: Option<Pdu>, drafts: &[Draft]) -> Result<Advance, SendError> {
        let room_id = room.room_id.clone();
        let around =
            Surroundings { parents: parents(&room.heads), now: self.handles().clock.now(), ..Surroundings::default() };
        let heads = deepest_heads(room);
        let mut prev_events: Vec<Reference> = heads.iter().map(|head| head.reference.clone()).collect();
        let mut depth = heads.iter().map(|head| head.depth).max().unwrap_or(0);
        let mut whole: Option<Advance> = None;
        let mut candidates: Vec<Candidate> = Vec::new();
        if let Some(pdu) = create {
            prev_events = vec![pdu.reference()];
            depth = pdu.depth();
            candidates.push(Candidate { pdu: pdu.clone(), origin: None });
            let first = vec![Candidate { pdu, origin: None }];
            whole = Some(judge_entering(room, first, &around).map_err(|refusal| not_entered(&room_id, refusal))?);
        }
        for draft in drafts {
            // Each draft is judged after those before it, whose state it needs for its auth events.
            let map = match whole.as_ref().and_then(|advance| advance.judged.last()) {
                Some(last) => last.after.map.clone(),
                None => self.state_of_heads(room, &heads, &around)?,
            };
            depth += 1;
            let pdu = self.sign(room, draft, &map, prev_events, depth)?;
            check_state(&AuthEvent::new(&pdu), &View { graph: &room.graph, map: &map })
                .map_err(SendError::Forbidden)?;
            prev_events = vec![pdu.reference()];
            candidates.push(Candidate { pdu, origin: None });
            let again = candidates.iter().map(|one| Candidate { pdu: one.pdu.clone(), origin: None }).collect();
            let advance = judge_entering(room, again, &around).map_err(|refusal| not_entered(&room_id, refusal))?;
            whole = Some(advance);
        }
        whole.ok_or(SendError::Stuck { room: room_id, reason: "there was nothing to send".to_owned() })
    }

    /// The state that an event on `heads` will be judged by.
    fn state_of_heads(&self, room: &mut Room, heads: &[Head], around: &Surroundings) -> Result<StateMap, SendError> {
        if heads.len() == room.heads.len()
            && let Some(current) = &room.current
        {
            return Ok(current.map.clone());
        }
        let room_id = room.room_id.clone();
        let maps: Vec<&StateMap> = heads.iter().map(|head| &head.after.map).collect();
        let resolved = room.resolve(&maps);
        debug_assert!(around.parents.len() >= heads.len(), "every extremity is a known parent");
        resolved.map(|resolution| resolution.state).map_err(|error| failed(&room_id, &JudgeError::from(error)))
    }

    fn sign(
        &self,
        room: &Room,
        draft: &Draft,
        map: &StateMap,
        prev_events: Vec<Reference>,
        depth: i64,
    ) -> Result<Pdu, SendError> {
        let event = NewEvent {
            event_id: self.chosen_event_id(room.version),
            room_id: Some(room.room_id.clone()),
            sender: draft.sender.clone(),
            event_type: draft.event_type.clone(),
            state_key: draft.state_key.clone(),
            content: draft.content.clone(),
            redacts: draft.redacts.clone(),
            prev_events,
            auth_events: select_auth_events(room, draft, map),
            depth,
            origin_server_ts: self.handles().clock.now(),
        };
        Ok(event.sign(room.version, self.server_name(), self.signing_key())?)
    }
}

impl Graph {
    /// Says whether a user of ours is in the room.
    pub(crate) async fn are_we_in(&self, room: RoomNumber) -> Result<bool, StoreError> {
        let us = self.server_name().clone();
        self.database().read(move |tx| room_rows::is_server_joined(tx, room, &us)).await
    }

    /// An id for a new event of ours, in room versions where ids are chosen.
    pub(crate) fn chosen_event_id(&self, version: RoomVersion) -> Option<EventId> {
        match version.rules().event_id {
            EventIdFormat::ReferenceHash | EventIdFormat::UrlSafeReferenceHash => None,
            EventIdFormat::Chosen => {
                let opaque = self.handles().random.token(EVENT_ID_LETTERS);
                EventId::parse(format!("${opaque}:{}", self.server_name())).ok()
            }
        }
    }
}

/// Whether a draft is of a user who need not be in the room, so that the state in which all of ours have left it allows it. What we know
/// of the room is out of date then: only a server that is in it can let somebody in (S2S API, "Joining Rooms").
fn is_from_outside(draft: &Draft) -> bool {
    let membership = draft.content.get("membership").and_then(Value::as_str);
    draft.event_type == "m.room.member" && matches!(membership, Some("join" | "knock"))
}

/// Whether a draft sets the membership of somebody of whom a partial room does not say whether they are a member.
pub(crate) fn lacks_member(room: &Room, draft: &Draft) -> bool {
    let target = draft.state_key.as_deref().filter(|_| draft.event_type == "m.room.member");
    room.partial.is_some() && target.is_some_and(|user| room.current_event("m.room.member", user).is_none())
}

/// S2S API, "Auth events selection".
pub(crate) fn select_auth_events(room: &Room, draft: &Draft, map: &StateMap) -> Vec<Reference> {
    let types =
        auth_types(room.version.rules(), &draft.event_type, &draft.sender, draft.state_key.as_deref(), &draft.content);
    let event_of = |(event_type, state_key): &(String, String)| {
        let index = map.get(room.graph.state_key_index(event_type, state_key)?)?;
        Some(room.graph.event(index).reference())
    };
    types.iter().filter_map(event_of).collect()
}

/// The deepest extremities, if there are too many; the others are joined by the events that follow.
fn deepest_heads(room: &Room) -> Vec<Head> {
    let mut heads = room.heads.clone();
    heads.sort_by_key(|head| std::cmp::Reverse(head.depth));
    heads.truncate(OWN_PREV_EVENTS_MAX);
    heads
}

/// The extremities as parents.
pub(crate) fn parents(heads: &[Head]) -> BTreeMap<EventId, Parent> {
    let parent = |head: &Head| {
        let parent =
            Parent { topological: head.topological, after: Arc::clone(&head.after), accepted_ancestors: Vec::new() };
        (head.event_id().clone(), parent)
    };
    heads.iter().map(parent).collect()
}

/// Our own events are not sent if they would not be accepted: by nobody else either.
pub(crate) fn not_entered(room: &RoomId, refusal: Refusal) -> SendError {
    match refusal {
        Refusal::Rejected(rejection) => SendError::Forbidden(rejection),
        Refusal::Unjudged(error) => failed(room, &error),
    }
}

fn failed(room: &RoomId, error: &JudgeError) -> SendError {
    SendError::Stuck { room: room.clone(), reason: error.to_string() }
}

fn too_fast(room: &RoomId) -> SendError {
    SendError::Stuck { room: room.clone(), reason: "it advanced faster than we could follow".to_owned() }
}

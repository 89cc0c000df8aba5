//! Answers what other servers ask about events. S2S API, "Backfilling and retrieving missing events", "Retrieving events".

use std::collections::{BTreeSet, BinaryHeap};

use events::{EventId, Object, Pdu, RoomId, RoomVersion, ServerName, Value};
use persistence::transactions::graph::{self as graph_rows, Direction, Outcome};
use persistence::transactions::history::{self as history_rows, TimePoint};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, partial, state as state_rows};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError};
use serde_json::json;
use transaction::requests::LACKS_KEYS;
use transport::questions::{Answer, EventQuestions, MissingEvents};
use transport::{ApiError, StreamedAnswer};

use crate::event_lists::{self, EventList};
use crate::extremities::DUMMY_EVENT_TYPE;
use crate::gates::{Sight, may_read_room, may_see, show};
use crate::graph::Graph;
use crate::handshake::still_joining;
use crate::limits::{BACKFILL_EVENTS_MAX, MISSING_EVENTS_MAX, WALKED_EVENTS_MAX};
use crate::verdict::Verdict;

/// What a question about state gets: the state events and their auth chain.
struct StateAnswer {
    version: RoomVersion,
    state: Vec<EventNumber>,
    auth_chain: BTreeSet<EventNumber>,
}

impl Graph {
    /// Runs a question about a room on a snapshot of the database, behind the gates.
    async fn ask<T: Send + 'static>(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        answer: impl FnOnce(&ReadTx<'_>, &RoomRow, &ServerName) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (origin, room_id, graph) = (origin.clone(), room_id.clone(), self.clone());
        self.database()
            .read(move |tx| {
                let room = graph.open_room(tx, &room_id, &origin)?;
                answer(tx, &room, &origin)
            })
            .await
    }

    /// Waits a while until the members of a room are known here that `origin` may read: a part of a state is no state.
    async fn until_told_all(&self, origin: &ServerName, room_id: &RoomId) -> Result<(), ApiError> {
        let number = self.ask(origin, room_id, |_, room, _| Ok(room.number)).await?;
        self.until_tellable(number).await?.map_err(still_joining)
    }

    /// Returns a room that `origin` may read. A room that it may not read, and one that does not exist, look the same.
    fn open_room(&self, tx: &ReadTx<'_>, room_id: &RoomId, origin: &ServerName) -> Result<RoomRow, ApiError> {
        let closed = || ApiError::forbidden(format!("the room {room_id} is not one that {origin} may read here"));
        let room = room_rows::by_id(tx, room_id)?.ok_or_else(closed)?;
        if !may_read_room(tx, &room, origin)? {
            return Err(closed());
        }
        match self.server_acl(tx, room.number, room.version)? {
            Some(acl) if !acl.allows(origin) => {
                Err(ApiError::forbidden(format!("the server ACL of {room_id} denies {origin}")))
            }
            Some(_) | None => Ok(room),
        }
    }

    /// Finds an event by its id alone, in whichever room it is that `origin` may read.
    fn find_event(&self, tx: &ReadTx<'_>, origin: &ServerName, event_id: &EventId) -> Result<Pdu, ApiError> {
        let unknown = || ApiError::not_found(format!("the event {event_id} is not one that {origin} may read here"));
        for (room, number) in event_rows::rooms_of_id(tx, event_id)? {
            let room = room_rows::by_number(tx, room)?;
            let room = match self.open_room(tx, &room.room_id, origin) {
                Ok(room) => room,
                Err(closed) if closed.status == 403 => continue,
                Err(error) => return Err(error),
            };
            if let Some(stored) = event_rows::load(tx, room.version, number)?
                && let Some(shown) = show(&stored, may_see(tx, &stored, origin, &room)?)
            {
                return Ok(shown);
            }
        }
        Err(unknown())
    }

    fn envelope(&self, pdus: Vec<Pdu>) -> Value {
        json!({
            "origin": self.server_name(),
            "origin_server_ts": self.handles().clock.now(),
            "pdus": into_values(pdus),
        })
    }
}

impl EventQuestions for Graph {
    fn event<'a>(&'a self, origin: &'a ServerName, event_id: &'a EventId) -> Answer<'a> {
        let (origin, event_id, graph) = (origin.clone(), event_id.clone(), self.clone());
        Box::pin(async move {
            let found = self.database().read(move |tx| graph.find_event(tx, &origin, &event_id)).await?;
            Ok(self.envelope(vec![found]))
        })
    }

    fn state<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> StreamedAnswer<'a> {
        let (us, event_id) = (self.server_name().clone(), event_id.clone());
        Box::pin(async move {
            self.until_told_all(origin, room_id).await?;
            let answer = self.ask(origin, room_id, move |tx, room, _| state_answer(tx, room, &us, &event_id)).await?;
            let StateAnswer { version, state, auth_chain } = answer;
            let lists = vec![
                EventList { key: "auth_chain", events: auth_chain.into_iter().collect() },
                EventList { key: "pdus", events: state },
            ];
            Ok(event_lists::write(self.database().clone(), version, &Object::new(), lists))
        })
    }

    fn state_ids<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> Answer<'a> {
        let (us, event_id) = (self.server_name().clone(), event_id.clone());
        Box::pin(async move {
            self.until_told_all(origin, room_id).await?;
            let ids = self
                .ask(origin, room_id, move |tx, room, _| {
                    let state = state_before(tx, room, &us, &event_id)?;
                    let chain = auth_chain(tx, &state)?;
                    let id = |event| event_rows::id(tx, event);
                    let state: Vec<EventId> = state.into_iter().map(id).collect::<Result<_, StoreError>>()?;
                    let chain: Vec<EventId> = chain.into_iter().map(id).collect::<Result<_, StoreError>>()?;
                    Ok((state, chain, partial::pending(tx, room.number)?.is_some()))
                })
                .await?;
            let (state, chain, lacks_keys) = ids;
            let mut answer =
                Object::from_iter([("pdu_ids".to_owned(), json!(state)), ("auth_chain_ids".to_owned(), json!(chain))]);
            if lacks_keys {
                // Some of it may be left out. Others do not mind the field.
                answer.insert(LACKS_KEYS.to_owned(), json!(true));
            }
            Ok(Value::Object(answer))
        })
    }

    fn event_auth<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> Answer<'a> {
        let event_id = event_id.clone();
        Box::pin(async move {
            let chain = self
                .ask(origin, room_id, move |tx, room, _| {
                    let event = known_event(tx, room, &event_id)?;
                    Ok(load_all(tx, room.version, auth_chain(tx, &[event])?)?)
                })
                .await?;
            Ok(json!({ "auth_chain": into_values(chain) }))
        })
    }

    fn event_by_time<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        at: i64,
        direction: Direction,
    ) -> Answer<'a> {
        Box::pin(async move {
            let found =
                self.ask(origin, room_id, move |tx, room, origin| nearest(tx, room, origin, at, direction)).await?;
            Ok(json!({ "event_id": found.event_id(), "origin_server_ts": found.origin_server_ts() }))
        })
    }

    fn backfill<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        from: Vec<EventId>,
        limit: usize,
    ) -> Answer<'a> {
        Box::pin(async move {
            let limit = limit.min(BACKFILL_EVENTS_MAX);
            let found =
                self.ask(origin, room_id, move |tx, room, origin| walk_back(tx, room, origin, &from, limit)).await?;
            Ok(self.envelope(found))
        })
    }

    fn missing_events<'a>(
        &'a self,
        origin: &'a ServerName,
        room_id: &'a RoomId,
        question: MissingEvents,
    ) -> Answer<'a> {
        Box::pin(async move {
            let events =
                self.ask(origin, room_id, move |tx, room, origin| missing(tx, room, origin, &question)).await?;
            Ok(json!({ "events": into_values(events) }))
        })
    }
}

/// Returns the number of an event of this room that has a place in its graph and was not rejected: nothing is to build on a
/// rejected one.
fn known_event(tx: &ReadTx<'_>, room: &RoomRow, event_id: &EventId) -> Result<EventNumber, ApiError> {
    let unknown = || ApiError::not_found(format!("the event {event_id} is not known in {}", room.room_id));
    let number = event_rows::number(tx, room.number, event_id)?.ok_or_else(unknown)?;
    graph_rows::place(tx, number)?.filter(|place| place.outcome != Outcome::Rejected).ok_or_else(unknown)?;
    Ok(number)
}

/// The state before an event. One that was never whole, in a room that we left before we knew all of it, is told to nobody.
fn state_before(
    tx: &ReadTx<'_>,
    room: &RoomRow,
    us: &ServerName,
    event_id: &EventId,
) -> Result<Vec<EventNumber>, ApiError> {
    let event = known_event(tx, room, event_id)?;
    let is_provisional = Verdict::read(tx, event)?.is_some_and(|verdict| verdict.provisional);
    let was_given_up = is_provisional && !room_rows::is_server_joined(tx, room.number, us)?;
    let place = graph_rows::place(tx, event)?.filter(|place| place.state_after.is_some() && !was_given_up);
    let snapshot = place.and_then(|place| place.state_before);
    let is_create = room_rows::current(tx, room.number, "m.room.create", "")? == Some(event);
    match snapshot {
        Some(snapshot) => Ok(state_rows::load(tx, snapshot)?.iter().map(|(_, event)| event).collect()),
        None if is_create => Ok(Vec::new()),
        None => Err(ApiError::not_found(format!("the state before {event_id} is not known here"))),
    }
}

/// The state before an event, with the auth chain of all of it.
fn state_answer(tx: &ReadTx<'_>, room: &RoomRow, us: &ServerName, event_id: &EventId) -> Result<StateAnswer, ApiError> {
    let state = state_before(tx, room, us, event_id)?;
    let auth_chain = auth_chain(tx, &state)?;
    Ok(StateAnswer { version: room.version, state, auth_chain })
}

/// Events as they go over the wire.
pub(crate) fn into_values(pdus: Vec<Pdu>) -> Vec<Value> {
    pdus.into_iter().map(|pdu| Value::Object(pdu.into_object())).collect()
}

/// The numbers of all events in the auth chains of `events`, without the events themselves unless they are in a chain.
pub(crate) fn auth_chain(tx: &ReadTx<'_>, events: &[EventNumber]) -> Result<BTreeSet<EventNumber>, StoreError> {
    let mut chain = BTreeSet::new();
    let mut to_walk = events.to_vec();
    while let Some(event) = to_walk.pop() {
        for auth in event_rows::auth_events(tx, event)? {
            if chain.insert(auth) {
                to_walk.push(auth);
            }
        }
    }
    Ok(chain)
}

pub(crate) fn load_all(
    tx: &ReadTx<'_>,
    version: RoomVersion,
    events: impl IntoIterator<Item = EventNumber>,
) -> Result<Vec<Pdu>, StoreError> {
    let mut pdus = Vec::new();
    for event in events {
        if let Some(stored) = event_rows::load(tx, version, event)? {
            pdus.push(stored.visible());
        }
    }
    Ok(pdus)
}

/// `/backfill`: the given events and what lies before them, newest first, each as `origin` may see it.
fn walk_back(
    tx: &ReadTx<'_>,
    room: &RoomRow,
    origin: &ServerName,
    from: &[EventId],
    limit: usize,
) -> Result<Vec<Pdu>, ApiError> {
    let mut queue = BinaryHeap::new();
    for id in from {
        if let Some(number) = event_rows::number(tx, room.number, id)?
            && let Some(place) = graph_rows::place(tx, number)?
        {
            queue.push((place.topological, number));
        }
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some((_, number)) = queue.pop() {
        if found.len() >= limit || seen.len() >= WALKED_EVENTS_MAX {
            break;
        }
        if !seen.insert(number) {
            continue;
        }
        push_parents(tx, number, &mut queue)?;
        if is_rejected(tx, number)? {
            continue;
        }
        if let Some(stored) = event_rows::load(tx, room.version, number)? {
            found.extend(show(&stored, may_see(tx, &stored, origin, room)?));
        }
    }
    Ok(found)
}

/// `/timestamp_to_event`: the nearest event that `origin` may see whole.
fn nearest(
    tx: &ReadTx<'_>,
    room: &RoomRow,
    origin: &ServerName,
    at: i64,
    direction: Direction,
) -> Result<Pdu, ApiError> {
    let from = TimePoint::start(at, direction);
    let walked_max = u32::try_from(WALKED_EVENTS_MAX).unwrap_or(u32::MAX);
    for place in history_rows::by_time(tx, room.number, from, direction, walked_max)? {
        let Some(stored) = event_rows::load(tx, room.version, place.event)? else { continue };
        if stored.pdu.event_type() != DUMMY_EVENT_TYPE && may_see(tx, &stored, origin, room)? == Sight::Full {
            return Ok(stored.pdu);
        }
    }
    Err(ApiError::not_found(format!("there is no event that {origin} may see on that side of {at}")))
}

/// `/get_missing_events`: what lies between `latest_events` (left out) and `earliest_events`, oldest first.
fn missing(
    tx: &ReadTx<'_>,
    room: &RoomRow,
    origin: &ServerName,
    question: &MissingEvents,
) -> Result<Vec<Pdu>, ApiError> {
    let limit = question.limit.min(MISSING_EVENTS_MAX);
    let mut stop = BTreeSet::new();
    for id in &question.earliest_events {
        stop.extend(event_rows::number(tx, room.number, id)?);
    }
    let mut queue = BinaryHeap::new();
    for id in &question.latest_events {
        if let Some(number) = event_rows::number(tx, room.number, id)? {
            push_parents(tx, number, &mut queue)?;
        }
    }
    let walked_max = stop.len() + WALKED_EVENTS_MAX;
    let mut found: Vec<(i64, EventNumber, Pdu)> = Vec::new();
    while let Some((topological, number)) = queue.pop() {
        if found.len() >= limit || stop.len() >= walked_max {
            break;
        }
        if !stop.insert(number) {
            continue;
        }
        push_parents(tx, number, &mut queue)?;
        let Some(stored) = event_rows::load(tx, room.version, number)? else { continue };
        if is_rejected(tx, number)? || stored.pdu.depth() < question.min_depth {
            continue;
        }
        let shown = show(&stored, may_see(tx, &stored, origin, room)?);
        found.extend(shown.map(|pdu| (topological, number, pdu)));
    }
    found.sort_by_key(|(topological, number, _)| (*topological, *number));
    Ok(found.into_iter().map(|(_, _, pdu)| pdu).collect())
}

/// Says whether an event of the graph was rejected. Such a one is given to those who ask for it by its id, and to nobody else.
fn is_rejected(tx: &ReadTx<'_>, event: EventNumber) -> Result<bool, StoreError> {
    Ok(graph_rows::place(tx, event)?.is_none_or(|place| place.outcome == Outcome::Rejected))
}

fn push_parents(
    tx: &ReadTx<'_>,
    event: EventNumber,
    queue: &mut BinaryHeap<(i64, EventNumber)>,
) -> Result<(), StoreError> {
    for parent in graph_rows::prev_events(tx, event)? {
        if let Some(place) = graph_rows::place(tx, parent)? {
            queue.push((place.topological, parent));
        }
    }
    Ok(())
}

/// Says whether an event's content is stored.
pub(crate) fn has_body(tx: &ReadTx<'_>, room: RoomNumber, id: &EventId) -> Result<bool, StoreError> {
    let Some(number) = event_rows::number(tx, room, id)? else { return Ok(false) };
    Ok(event_rows::verdict(tx, number)?.is_some())
}

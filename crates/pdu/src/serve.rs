//! Answers what other servers ask about events. S2S API, "Backfilling and retrieving missing events", "Retrieving events".

use std::collections::{BTreeSet, BinaryHeap};

use events::auth::AuthEvent;
use events::power::Levels;
use events::{EventId, Pdu, RoomId, RoomVersion, ServerName, Value};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, state as state_rows};
use persistence::{EventNumber, ReadTx, RoomNumber, SnapshotNumber, StoreError, WriteTx};
use serde_json::json;
use transport::ApiError;
use transport::questions::{Answer, EventQuestions, MissingEvents};

use crate::gates::{may_read_room, may_see, show};
use crate::graph::Graph;
use crate::intake::server_acl;
use crate::limits::{BACKFILL_EVENTS_MAX, MISSING_EVENTS_MAX};

/// What a question about state gets: the state events and their auth chain.
struct StateAnswer {
    state: Vec<Pdu>,
    auth_chain: Vec<Pdu>,
}

impl Graph {
    /// Runs a question about a room on a snapshot of the database, behind the gates.
    async fn ask<T: Send + 'static>(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        answer: impl FnOnce(&ReadTx<'_>, &RoomRow, &ServerName) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (origin, room_id) = (origin.clone(), room_id.clone());
        self.database()
            .read(move |tx| {
                let room = open_room(tx, &room_id, &origin)?;
                answer(tx, &room, &origin)
            })
            .await
    }

    fn envelope(&self, pdus: Vec<Pdu>) -> Value {
        json!({
            "origin": self.server_name(),
            "origin_server_ts": self.handles().clock.now(),
            "pdus": pdus.iter().map(|pdu| Value::Object(pdu.object().clone())).collect::<Vec<_>>(),
        })
    }
}

/// Returns a room that `origin` may read. A room that it may not read, and one that does not exist, look the same.
pub(crate) fn open_room(tx: &ReadTx<'_>, room_id: &RoomId, origin: &ServerName) -> Result<RoomRow, ApiError> {
    let unknown = || ApiError::forbidden(format!("the room {room_id} is not one that {origin} may read here"));
    let room = room_rows::by_id(tx, room_id)?.ok_or_else(unknown)?;
    if let Some(acl) = server_acl(tx, room.number, room.version)?
        && !acl.allows(origin)
    {
        return Err(ApiError::forbidden(format!("the server ACL of {room_id} denies {origin}")));
    }
    if may_read_room(tx, &room, origin)? { Ok(room) } else { Err(unknown()) }
}

impl EventQuestions for Graph {
    fn event<'a>(&'a self, origin: &'a ServerName, event_id: &'a EventId) -> Answer<'a> {
        let (origin, event_id) = (origin.clone(), event_id.clone());
        Box::pin(async move {
            let found = self.database().read(move |tx| find_event(tx, &origin, &event_id)).await?;
            Ok(self.envelope(vec![found]))
        })
    }

    fn state<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> Answer<'a> {
        let event_id = event_id.clone();
        Box::pin(async move {
            let answer = self.ask(origin, room_id, move |tx, room, _| state_before(tx, room, &event_id)).await?;
            let objects = |pdus: &[Pdu]| pdus.iter().map(|pdu| Value::Object(pdu.object().clone())).collect::<Vec<_>>();
            Ok(json!({ "pdus": objects(&answer.state), "auth_chain": objects(&answer.auth_chain) }))
        })
    }

    fn state_ids<'a>(&'a self, origin: &'a ServerName, room_id: &'a RoomId, event_id: &'a EventId) -> Answer<'a> {
        let event_id = event_id.clone();
        Box::pin(async move {
            let answer = self.ask(origin, room_id, move |tx, room, _| state_before(tx, room, &event_id)).await?;
            let ids = |pdus: &[Pdu]| pdus.iter().map(|pdu| json!(pdu.event_id())).collect::<Vec<_>>();
            Ok(json!({ "pdu_ids": ids(&answer.state), "auth_chain_ids": ids(&answer.auth_chain) }))
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
            Ok(json!({ "auth_chain": chain.iter().map(|pdu| Value::Object(pdu.object().clone())).collect::<Vec<_>>() }))
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
            Ok(json!({ "events": events.iter().map(|pdu| Value::Object(pdu.object().clone())).collect::<Vec<_>>() }))
        })
    }
}

/// Finds an event by its id alone, in whichever room it is that `origin` may read.
fn find_event(tx: &ReadTx<'_>, origin: &ServerName, event_id: &EventId) -> Result<Pdu, ApiError> {
    let unknown = || ApiError::not_found(format!("the event {event_id} is not one that {origin} may read here"));
    for (room, number) in event_rows::rooms_of_id(tx, event_id)? {
        let room = room_rows::by_number(tx, room)?;
        let Ok(room) = open_room(tx, &room.room_id, origin) else { continue };
        let Some(stored) = event_rows::load(tx, room.version, number)? else { continue };
        return match graph_rows::place(tx, number)? {
            Some(place) if place.outcome != Outcome::Rejected => Ok(show(&stored, may_see(tx, &place, origin, &room)?)),
            // Outliers give permission to events that the origin sees; it may ask for them one by one.
            None if stored.pdu.state_key().is_some() && !stored.rejected => Ok(stored.visible()),
            Some(_) | None => Err(unknown()),
        };
    }
    Err(unknown())
}

/// Returns the number of an event of this room that has a place in its graph.
fn known_event(tx: &ReadTx<'_>, room: &RoomRow, event_id: &EventId) -> Result<EventNumber, ApiError> {
    let unknown = || ApiError::not_found(format!("the event {event_id} is not known in {}", room.room_id));
    let number = event_rows::number(tx, room.number, event_id)?.ok_or_else(unknown)?;
    graph_rows::place(tx, number)?.ok_or_else(unknown)?;
    Ok(number)
}

/// The state before an event, with the auth chain of all of it.
fn state_before(tx: &ReadTx<'_>, room: &RoomRow, event_id: &EventId) -> Result<StateAnswer, ApiError> {
    let event = known_event(tx, room, event_id)?;
    let place = graph_rows::place(tx, event)?;
    let snapshot = place.and_then(|place| place.state_before);
    let is_create = room_rows::current(tx, room.number, "m.room.create", "")? == Some(event);
    let state = match snapshot {
        Some(snapshot) => state_rows::load(tx, snapshot)?.iter().map(|(_, event)| event).collect(),
        None if is_create => Vec::new(),
        None => return Err(ApiError::not_found(format!("the state before {event_id} is not known here"))),
    };
    let auth_chain = load_all(tx, room.version, auth_chain(tx, &state)?)?;
    Ok(StateAnswer { state: load_all(tx, room.version, state)?, auth_chain })
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
        if found.len() >= limit {
            break;
        }
        if !seen.insert(number) {
            continue;
        }
        let Some(place) = graph_rows::place(tx, number)? else { continue };
        push_parents(tx, number, &mut queue)?;
        if place.outcome == Outcome::Rejected {
            continue;
        }
        if let Some(stored) = event_rows::load(tx, room.version, number)? {
            found.push(show(&stored, may_see(tx, &place, origin, room)?));
        }
    }
    Ok(found)
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
    let mut found: Vec<(i64, EventNumber, Pdu)> = Vec::new();
    while let Some((topological, number)) = queue.pop() {
        if found.len() >= limit {
            break;
        }
        if !stop.insert(number) {
            continue;
        }
        let Some(place) = graph_rows::place(tx, number)? else { continue };
        push_parents(tx, number, &mut queue)?;
        let Some(stored) = event_rows::load(tx, room.version, number)? else { continue };
        if place.outcome == Outcome::Rejected || stored.pdu.depth() < question.min_depth {
            continue;
        }
        found.push((topological, number, show(&stored, may_see(tx, &place, origin, room)?)));
    }
    found.sort_by_key(|(topological, number, _)| (*topological, *number));
    Ok(found.into_iter().map(|(_, _, pdu)| pdu).collect())
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

/// Applies a redaction to its target, if both are there and the room version's rules allow it. Room version
/// specifications, "Handling redactions".
pub(crate) fn apply_redaction(
    tx: &mut WriteTx<'_>,
    version: RoomVersion,
    redaction: EventNumber,
    target: EventNumber,
) -> Result<(), StoreError> {
    let Some(place) = graph_rows::place(tx, redaction)?.filter(|place| place.outcome == Outcome::Accepted) else {
        return Ok(());
    };
    let (Some(by), Some(of)) = (event_rows::load(tx, version, redaction)?, event_rows::load(tx, version, target)?)
    else {
        return Ok(());
    };
    if by.pdu.room_id() != of.pdu.room_id() || !may_redact(tx, version, &place, &by.pdu, &of.pdu)? {
        return Ok(());
    }
    event_rows::set_redacted(tx, target, redaction)?;
    Ok(())
}

fn may_redact(tx: &ReadTx<'_>, version: RoomVersion, place: &Place, by: &Pdu, of: &Pdu) -> Result<bool, StoreError> {
    let Some(snapshot) = place.state_before else { return Ok(by.sender().server() == of.sender().server()) };
    let create = state_event(tx, version, snapshot, "m.room.create")?;
    let levels = state_event(tx, version, snapshot, "m.room.power_levels")?;
    Ok(create.is_some_and(|create| Levels::new(&create, levels.as_ref()).may_redact(by.sender(), of.sender())))
}

fn state_event(
    tx: &ReadTx<'_>,
    version: RoomVersion,
    snapshot: SnapshotNumber,
    event_type: &str,
) -> Result<Option<AuthEvent>, StoreError> {
    let Some(key) = state_rows::key_number(tx, event_type, "")? else { return Ok(None) };
    let Some(event) = state_rows::entry(tx, snapshot, key)? else { return Ok(None) };
    Ok(event_rows::load(tx, version, event)?.map(|stored| AuthEvent::new(&stored.pdu)))
}

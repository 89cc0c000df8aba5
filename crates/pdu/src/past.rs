//! Places events that lie behind what we have: history from before we came, and parents that cannot be had with all that lies
//! before them.
//!
//! They are judged by what they cite and by the state before them. That state follows from their parents, or a peer gave it.
//! They become no extremities and change no current state, so nobody is soft-failed here.

use std::collections::BTreeMap;
use std::sync::Arc;

use events::auth::{AuthEvent, Rejection, check_state};
use events::auth_graph::{Standing, StateMap};
use events::state_resolution::{TooCostly, resolve};
use events::{EventId, Pdu, ServerName};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::{EventNumber, ReadTx, RoomNumber, SnapshotNumber, StoreError, WriteTx};

use crate::commit::{ParentState, StateRecord, reference, state_records, write_states};
use crate::graph::Graph;
use crate::judge::Surroundings;
use crate::limits::{TOPOLOGICAL_GAP, TOPOLOGICAL_START};
use crate::outliers::{in_order_of_parents, judge_by_citations, state_of};
use crate::redaction::apply_redactions;
use crate::room::{Room, State, View};
use crate::verdict::{Step, Verdict};

/// Events of the past, with what a peer says of the states before some of them.
pub(crate) struct Past {
    pub(crate) pdus: Vec<Pdu>,
    /// For an event, the state events before it.
    pub(crate) given: BTreeMap<EventId, Vec<EventId>>,
    pub(crate) given_by: ServerName,
    pub(crate) room_for: Behind,
}

/// Where the events go in the topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Before their children, which have their places.
    Children,
    /// After everything else, with space before them for what is between: their children are yet to be placed.
    Everything,
}

/// A decision about an event of the past.
struct JudgedPast {
    pdu: Pdu,
    verdict: Verdict,
    /// `None` if nobody could tell.
    before: Option<Arc<State>>,
    after: Option<Arc<State>>,
}

/// What was judged, with the states that are not in the database.
#[derive(Default)]
struct History {
    judged: Vec<JudgedPast>,
    new_states: Vec<Arc<State>>,
}

/// One event of the past, ready to be written.
struct PastRecord {
    pdu: Pdu,
    verdict: String,
    outcome: Outcome,
    before: Option<ParentState>,
    after: Option<ParentState>,
}

impl Graph {
    /// Judges events of the past and gives them their places. Their outliers are stored already. Returns how many were placed.
    pub(crate) async fn place_past(&self, room: &mut Room, past: Past) -> Result<usize, StoreError> {
        let Past { pdus, given, given_by, room_for } = past;
        let pdus = in_order_of_parents(pdus);
        let around = self.surroundings(room, &pdus).await?;
        let given = given_states(room, &given);
        let history = match judge_past(room, &pdus, &around, &given, &given_by) {
            Ok(history) => history,
            Err(error) => {
                tracing::error!(room.id = %room.room_id, "History is not placed: resolving its forks takes too much: {error}");
                return Ok(0);
            }
        };
        let states = state_records(room, &history.new_states);
        // History may stand without states. What others are to build on may not: nothing would say what it was allowed by.
        let stands = |judged: &&JudgedPast| room_for == Behind::Children || judged.before.is_some();
        let records: Vec<PastRecord> =
            history.judged.iter().filter(stands).map(|judged| PastRecord::new(judged, &states)).collect();
        let ids: Vec<EventId> = records.iter().map(|record| record.pdu.event_id().clone()).collect();
        let number = room.number;
        let top = room.heads.iter().map(|head| head.topological).max();
        let (states, snapshots, numbers) = self
            .database()
            .write(move |tx| {
                let snapshots = write_states(tx, number, &states)?;
                // Bodies are stored after those that they cite.
                for record in &records {
                    let event = event_rows::store(tx, number, &record.pdu, record.outcome == Outcome::Rejected)?;
                    if graph_rows::place(tx, event)?.is_none() {
                        event_rows::store_verdict(tx, number, event, &record.verdict)?;
                    }
                }
                let mut numbers = Vec::with_capacity(records.len());
                // Newest first: each goes before its children.
                for record in records.iter().rev() {
                    let below = match room_for {
                        Behind::Children => None,
                        Behind::Everything => Some(top.unwrap_or(TOPOLOGICAL_START) + TOPOLOGICAL_GAP),
                    };
                    numbers.push(record.write(tx, number, &snapshots, below)?);
                }
                numbers.reverse();
                Ok::<_, StoreError>((states, snapshots, numbers))
            })
            .await?;
        for (record, snapshot) in states.iter().zip(snapshots) {
            record.state.set_stored(snapshot);
            room.keep_state(snapshot, &record.state);
        }
        let mut placed = 0;
        for (id, number) in ids.iter().zip(numbers) {
            let Some(number) = number else { continue };
            placed += 1;
            if let Some(index) = room.graph.index_of(id) {
                room.set_number(index, number);
            }
        }
        Ok(placed)
    }
}

/// Turns lists of state events that a peer gave into states. One that cannot be a state is left out.
fn given_states(room: &Room, given: &BTreeMap<EventId, Vec<EventId>>) -> BTreeMap<EventId, Arc<State>> {
    let mut states = BTreeMap::new();
    for (event, ids) in given {
        match state_of(room, ids) {
            // Most of it is as it is today: stored as a difference, it takes little.
            Some(map) => {
                states.insert(event.clone(), State::derived(map, room.current.clone()));
            }
            None => {
                tracing::info!(room.id = %room.room_id, event.id = %event, "What a server gave as the state before {event} is none")
            }
        }
    }
    states
}

/// Judges events of the past, parents first. State events among them are added to the room's auth graph.
fn judge_past(
    room: &mut Room,
    pdus: &[Pdu],
    around: &Surroundings,
    given: &BTreeMap<EventId, Arc<State>>,
    given_by: &ServerName,
) -> Result<History, TooCostly> {
    let mut history = History::default();
    let mut after: BTreeMap<EventId, Option<Arc<State>>> = BTreeMap::new();
    for pdu in pdus {
        let event = AuthEvent::new(pdu);
        let by_citations = match judge_by_citations(room, &event, &around.cited) {
            Ok(judged) => judged,
            Err(cited) => {
                tracing::info!(room.id = %room.room_id, event.id = %pdu.event_id(), "Left out {}: it cites {cited}, which is not known", pdu.event_id());
                after.insert(pdu.event_id().clone(), None);
                continue;
            }
        };
        let before = match state_after_parents(room, pdu, &after, around, &mut history.new_states)? {
            Some(state) => Some(state),
            None => given.get(pdu.event_id()).cloned().inspect(|state| history.new_states.push(Arc::clone(state))),
        };
        let (step, rejection) = verdict_of(room, &event, by_citations, before.as_ref());
        let verdict = Verdict {
            step,
            rejection,
            origin: Some(given_by.clone()),
            decided_at: around.now,
            resolved_from: Vec::new(),
        };
        let state_after = state_with(room, event, &verdict, before.clone(), &mut history.new_states);
        after.insert(pdu.event_id().clone(), state_after.clone());
        history.judged.push(JudgedPast { pdu: pdu.clone(), verdict, before, after: state_after });
    }
    Ok(history)
}

fn verdict_of(
    room: &Room,
    event: &AuthEvent,
    by_citations: Result<(), Rejection>,
    before: Option<&Arc<State>>,
) -> (Step, Option<Rejection>) {
    if let Err(rejection) = by_citations {
        return (Step::AuthEvents, Some(rejection));
    }
    if let Some(before) = before
        && let Err(rejection) = check_state(event, &View { graph: &room.graph, map: &before.map })
    {
        return (Step::StateBefore, Some(rejection));
    }
    (Step::Passed, None)
}

/// The state that follows from an event's parents. `None` if there are none, or one's is not known.
fn state_after_parents(
    room: &Room,
    pdu: &Pdu,
    after: &BTreeMap<EventId, Option<Arc<State>>>,
    around: &Surroundings,
    new_states: &mut Vec<Arc<State>>,
) -> Result<Option<Arc<State>>, TooCostly> {
    let mut states: Vec<Arc<State>> = Vec::new();
    for id in pdu.prev_events() {
        let state = match (after.get(id), around.parents.get(id)) {
            (Some(Some(state)), _) => state,
            (None, Some(parent)) => &parent.after,
            (Some(None), _) | (None, None) => return Ok(None),
        };
        if !states.iter().any(|other| Arc::ptr_eq(other, state)) {
            states.push(Arc::clone(state));
        }
    }
    let [first, others @ ..] = states.as_slice() else { return Ok(None) };
    if others.is_empty() {
        return Ok(Some(Arc::clone(first)));
    }
    let maps: Vec<&StateMap> = states.iter().map(|state| &state.map).collect();
    let resolved = State::derived(resolve(&room.graph, &maps)?.state, Some(Arc::clone(first)));
    new_states.push(Arc::clone(&resolved));
    Ok(Some(resolved))
}

/// The state after an event, and the event's place in the auth graph.
///
/// An event that is known as an outlier keeps the standing that its own citations gave it: a state that a peer gave must not
/// take permissions away.
fn state_with(
    room: &mut Room,
    event: AuthEvent,
    verdict: &Verdict,
    before: Option<Arc<State>>,
    new_states: &mut Vec<Arc<State>>,
) -> Option<Arc<State>> {
    if event.state_key().is_none() {
        return before;
    }
    let is_create = event.is_state("m.room.create", "") && event.prev_events().is_empty();
    let standing = if verdict.outcome() == Outcome::Rejected { Standing::Rejected } else { Standing::Accepted };
    let index = match room.graph.append(event, standing) {
        Ok(index) => index,
        Err(error) => {
            tracing::debug!(room.id = %room.room_id, "not kept in the auth graph: {error}");
            return before;
        }
    };
    if verdict.outcome() == Outcome::Rejected || (before.is_none() && !is_create) {
        return before;
    }
    let mut map = before.as_ref().map(|state| state.map.clone()).unwrap_or_default();
    map.insert(room.graph.state_key_of(index), index);
    let state = State::derived(map, before);
    new_states.push(Arc::clone(&state));
    Some(state)
}

impl PastRecord {
    fn new(judged: &JudgedPast, states: &[StateRecord]) -> Self {
        Self {
            pdu: judged.pdu.clone(),
            verdict: serde_json::to_string(&judged.verdict).expect("a verdict is plain data"),
            outcome: judged.verdict.outcome(),
            before: judged.before.as_ref().map(|state| reference(states, state)),
            after: judged.after.as_ref().map(|state| reference(states, state)),
        }
    }

    /// Returns the event's number; `None` if it has its place already, or nothing says where it belongs.
    fn write(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        snapshots: &[SnapshotNumber],
        topological: Option<i64>,
    ) -> Result<Option<EventNumber>, StoreError> {
        let event = event_rows::intern(tx, room, self.pdu.event_id())?;
        let (before, after) = (self.before.as_ref(), self.after.as_ref());
        let before = before.and_then(|state| state.resolve(snapshots));
        let after = after.and_then(|state| state.resolve(snapshots));
        if let Some(place) = graph_rows::place(tx, event)? {
            // Placed before, when nobody could tell the state.
            if place.state_after.is_none() && after.is_some() {
                graph_rows::set_states(tx, event, before, after)?;
            }
            return Ok(None);
        }
        let below = match topological {
            Some(below) => below,
            None => match least_topological_of_children(tx, event)? {
                Some(below) => below - 1,
                None => return Ok(None),
            },
        };
        let place = Place {
            event,
            arrival: None,
            topological: below,
            state_before: before,
            state_after: after,
            outcome: self.outcome,
        };
        let mut parents = Vec::new();
        for id in self.pdu.prev_events() {
            parents.push(event_rows::intern(tx, room, id)?);
        }
        graph_rows::insert(tx, room, &place, &parents)?;
        apply_redactions(tx, room, event, &self.pdu, self.outcome)?;
        Ok(Some(event))
    }
}

fn least_topological_of_children(tx: &ReadTx<'_>, event: EventNumber) -> Result<Option<i64>, StoreError> {
    let mut least = None;
    for child in graph_rows::children(tx, event)? {
        if let Some(place) = graph_rows::place(tx, child)? {
            least = Some(least.map_or(place.topological, |least: i64| least.min(place.topological)));
        }
    }
    Ok(least)
}

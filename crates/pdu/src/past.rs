//! Places events that lie behind what we have: history from before we came, and parents that cannot be had with all that lies
//! before them.
//!
//! They are judged by what they cite and by the state before them. That state follows from their parents, or a peer gave it.
//! History becomes no extremity and changes no current state, so nobody is soft-failed here. Where the room went behind a gap does,
//! unless the current state speaks against it.

mod record;
mod states;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use events::auth::{AuthEvent, Rejection, check_state};
use events::auth_graph::{Standing, StateMap};
use events::state_resolution::TooCostly;
use events::{EventId, Pdu, ServerName};
use persistence::StoreError;
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::transactions::rooms as room_rows;
use record::{PastRecord, Written, write_bodies};
use states::WantedStates;

use crate::fetch::Told;
use crate::graph::Graph;
use crate::heads::stands_now;
use crate::judge::{NewHead, Surroundings};
use crate::limits::{TOPOLOGICAL_GAP, TOPOLOGICAL_START};
use crate::outliers::{in_order_of_parents, judge_by_citations, state_of};
use crate::partial::with_cited_members;
use crate::room::{Room, State, View};
use crate::state_records::state_records;
use crate::verdict::{Step, Tellers, Verdict};

/// Events of the past, with what a peer says of the states before some of them.
pub(crate) struct Past {
    pub(crate) pdus: Vec<Pdu>,
    /// For an event, the states before it that servers told.
    pub(crate) given: BTreeMap<EventId, Vec<Told>>,
    pub(crate) given_by: ServerName,
    pub(crate) room_for: Behind,
}

/// A state that others told, and who did.
struct Given {
    state: Arc<State>,
    tellers: Tellers,
}

/// Where the events go in the topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    /// Before their children, which have their places.
    Children,
    /// After everything else, with space before them for what is between: their children are yet to be placed. The room went there
    /// while we did not hear.
    Everything,
    /// There, too. But the room was there before we came: who let us in knew where it went on, or what builds on them will tell.
    OurEntry,
}

/// A decision about an event of the past.
pub(crate) struct JudgedPast {
    pub(crate) pdu: Pdu,
    pub(crate) verdict: Verdict,
    /// `None` if nobody could tell.
    pub(crate) before: Option<Arc<State>>,
    after: Option<Arc<State>>,
}

/// The state after an event.
#[derive(Clone)]
struct After {
    state: Arc<State>,
    /// It lacks nothing. What others tell is whole, also where we do not know all of the room since we came.
    is_whole: bool,
}

/// What was judged, with the states that are not in the database.
#[derive(Default)]
struct History {
    judged: Vec<JudgedPast>,
    new_states: Vec<Arc<State>>,
}

impl Graph {
    /// Judges events of the past and gives them their places. Their outliers are stored already. Returns how many were placed.
    pub(crate) async fn place_past(&self, room: &mut Room, past: Past) -> Result<usize, StoreError> {
        let Past { pdus, given, given_by, room_for } = past;
        let pdus = in_order_of_parents(pdus);
        let around = self.surroundings(room, &pdus).await?;
        let named: Vec<EventId> = given.values().flatten().flat_map(|told| &told.state).cloned().collect();
        self.with_room(room, move |room, tx| room.bring_by_id(tx, &named)).await?;
        let known = room.graph.len();
        let unknown_since = self.unknown_since(room).await?;
        let judged = given_states(room, given).and_then(|given| {
            let history = judge_past(room, &pdus, &around, &given, &given_by, unknown_since)?;
            let edges = match room_for {
                Behind::Everything => edges(room, &history)?,
                Behind::Children | Behind::OurEntry => BTreeSet::new(),
            };
            Ok((history, edges))
        });
        let (history, edges) = match judged {
            Ok(judged) => judged,
            Err(error) => {
                room.undo(known);
                tracing::error!(room.id = %room.room_id, "History is not placed: resolving its forks takes too much: {error}");
                return Ok(0);
            }
        };
        let states = state_records(room, &history.new_states);
        // History may stand without states. What others are to build on may not: nothing would say what it was allowed by.
        let stands = |judged: &&JudgedPast| room_for == Behind::Children || judged.before.is_some();
        let record = |judged| PastRecord::new(judged, &states, &edges);
        let records: Vec<PastRecord> = history.judged.iter().filter(stands).map(record).collect();
        let (number, now) = (room.number, around.now);
        let topological = match room_for {
            Behind::Children => None,
            Behind::Everything | Behind::OurEntry => {
                let top = room.heads.iter().map(|head| head.topological).max();
                Some(top.unwrap_or(TOPOLOGICAL_START) + TOPOLOGICAL_GAP)
            }
        };
        let (states, written) = self
            .database()
            .write(move |tx| {
                let mut states = WantedStates::new(states);
                write_bodies(tx, number, &records)?;
                let mut written = BTreeMap::new();
                // Newest first: each goes before its children.
                for record in records.iter().rev() {
                    let changed = record.write(tx, number, &mut states, topological, now)?;
                    written.extend(changed.map(|changed| (record.pdu.event_id().clone(), changed)));
                }
                Ok::<_, StoreError>((states, written))
            })
            .await?;
        for (record, snapshot) in states.written() {
            record.state.set_stored(snapshot);
            room.keep_state(snapshot, &record.state);
        }
        for (id, written) in &written {
            if let Some(index) = room.graph.index_of(id) {
                room.set_number(index, written.event);
            }
        }
        self.move_heads_by(room, &history, &edges, &written).await?;
        if !edges.is_empty() {
            self.wake_filler();
        }
        Ok(written.values().filter(|written| written.is_new).count())
    }

    /// Where in the topological order the states of a room begin to lack what we do not know. `None`: we know all of it.
    async fn unknown_since(&self, room: &Room) -> Result<Option<i64>, StoreError> {
        if !room.lacks_something() {
            return Ok(None);
        }
        let number = room.number;
        self.database()
            .read(move |tx| {
                let Some(join) = room_rows::entered_by(tx, number)? else { return Ok(None) };
                Ok(graph_rows::place(tx, join)?.map(|place| place.topological))
            })
            .await
    }

    /// Moves the forward extremities: to where the room went behind a gap, and away from what lies before a gap that was filled.
    async fn move_heads_by(
        &self,
        room: &mut Room,
        history: &History,
        edges: &BTreeSet<EventId>,
        written: &BTreeMap<EventId, Written>,
    ) -> Result<(), StoreError> {
        let mut added = Vec::new();
        let mut superseded = BTreeSet::new();
        for JudgedPast { pdu, verdict, after, .. } in &history.judged {
            let Some(written) = written.get(pdu.event_id()) else { continue };
            if let Some(after) = after.as_ref().filter(|_| edges.contains(pdu.event_id())) {
                added.push(NewHead {
                    number: Some(written.event),
                    reference: pdu.reference(),
                    depth: pdu.depth(),
                    topological: written.topological,
                    after: Arc::clone(after),
                });
            }
            if written.was_missed && verdict.outcome() == Outcome::Accepted {
                let parents = room.heads.iter().filter(|head| pdu.prev_events().contains(head.event_id()));
                superseded.extend(parents.map(|head| head.number));
            }
        }
        self.move_heads(room, added, &superseded).await
    }
}

/// The events behind a gap from which the room goes on.
fn edges(room: &mut Room, history: &History) -> Result<BTreeSet<EventId>, TooCostly> {
    let mut edges = BTreeSet::new();
    for judged in &history.judged {
        if stands_now(room, judged)? {
            edges.insert(judged.pdu.event_id().clone());
        }
    }
    Ok(edges)
}

/// Turns lists of state events that peers told into states. One that cannot be a state is left out.
fn given_states(room: &mut Room, given: BTreeMap<EventId, Vec<Told>>) -> Result<BTreeMap<EventId, Given>, TooCostly> {
    let mut states = BTreeMap::new();
    for (event, told) in given {
        let mut maps: Vec<StateMap> = Vec::new();
        let mut servers = Vec::new();
        for Told { by, state } in told {
            // What follows from an event was not there before it.
            match if state.contains(&event) { None } else { state_of(room, &state) } {
                Some(map) if maps.contains(&map) => servers.push(by),
                Some(map) => {
                    maps.push(map);
                    servers.push(by);
                }
                None => {
                    tracing::info!(server.name = %by, room.id = %room.room_id, event.id = %event, "What {by} gave as the state before {event} is none");
                }
            }
        }
        if let Some(map) = agreed(room, &event, maps.as_slice(), &servers)? {
            // Most of it is as it is today: stored as a difference, it takes little.
            let current = room.current.clone();
            let tellers = Tellers { servers, differed: maps.len() > 1 };
            states.insert(event, Given { state: room.derive(map, current), tellers });
        }
    }
    Ok(states)
}

/// One state of those that servers told. If they differ, nobody here knows who is right: they are resolved like the states of forks,
/// so that who leaves a ban out, or tells a membership from before it, gains nothing as long as somebody else tells the ban.
fn agreed(
    room: &mut Room,
    event: &EventId,
    maps: &[StateMap],
    servers: &[ServerName],
) -> Result<Option<StateMap>, TooCostly> {
    match maps {
        [] => Ok(None),
        [map] => Ok(Some(map.clone())),
        several => {
            let names = servers.iter().map(ServerName::as_str).collect::<Vec<_>>().join(" and ");
            tracing::warn!(room.id = %room.room_id, event.id = %event, "{names} tell different states before {event}: they are resolved");
            Ok(Some(room.resolve(&several.iter().collect::<Vec<_>>())?.state))
        }
    }
}

/// Judges events of the past, parents first. State events among them are added to the room's auth graph.
fn judge_past(
    room: &mut Room,
    pdus: &[Pdu],
    around: &Surroundings,
    given: &BTreeMap<EventId, Given>,
    given_by: &ServerName,
    unknown_since: Option<i64>,
) -> Result<History, TooCostly> {
    let mut history = History::default();
    let mut after: BTreeMap<EventId, Option<After>> = BTreeMap::new();
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
        let parents = states_after_parents(pdu, &after, around, unknown_since);
        let follows = parents.map(|parents| state_before(room, &parents, &mut history.new_states)).transpose()?;
        let given = if follows.is_some() { None } else { given.get(pdu.event_id()) };
        history.new_states.extend(given.map(|given| Arc::clone(&given.state)));
        let told = given.map(|given| After { state: Arc::clone(&given.state), is_whole: true });
        let before = follows.or(told);
        let (step, rejection) = verdict_of(room, &event, by_citations, before.as_ref());
        let (before, is_whole) = before.map_or((None, true), |before| (Some(before.state), before.is_whole));
        let verdict = Verdict {
            step,
            rejection,
            origin: Some(given_by.clone()),
            decided_at: around.now,
            resolved_from: Vec::new(),
            state_told_by: given.map(|given| given.tellers.clone()),
            provisional: room.lacks_something() && !is_whole,
        };
        let state_after = state_with(room, event, &verdict, before.clone(), &mut history.new_states);
        let known_after = state_after.clone().map(|state| After { state, is_whole });
        after.insert(pdu.event_id().clone(), known_after);
        history.judged.push(JudgedPast { pdu: pdu.clone(), verdict, before, after: state_after });
    }
    Ok(history)
}

fn verdict_of(
    room: &Room,
    event: &AuthEvent,
    by_citations: Result<(), Rejection>,
    before: Option<&After>,
) -> (Step, Option<Rejection>) {
    if let Err(rejection) = by_citations {
        return (Step::AuthEvents, Some(rejection));
    }
    if let Some(After { state: before, is_whole }) = before {
        let supplemented = if *is_whole { None } else { with_cited_members(room, event, &before.map) };
        let map = supplemented.as_ref().unwrap_or(&before.map);
        if let Err(rejection) = check_state(event, &View { graph: &room.graph, map }) {
            return (Step::StateBefore, Some(rejection));
        }
    }
    (Step::Passed, None)
}

/// The states after an event's parents, each once. `None` if there are none, or one's is not known.
fn states_after_parents(
    pdu: &Pdu,
    after: &BTreeMap<EventId, Option<After>>,
    around: &Surroundings,
    unknown_since: Option<i64>,
) -> Option<Vec<After>> {
    let mut states: Vec<After> = Vec::new();
    for id in pdu.prev_events() {
        let state = match (after.get(id), around.parents.get(id)) {
            (Some(Some(state)), _) => state.clone(),
            (None, Some(parent)) => {
                let is_whole = unknown_since.is_none_or(|since| parent.topological < since);
                After { state: Arc::clone(&parent.after), is_whole }
            }
            (Some(None), _) | (None, None) => return None,
        };
        if !states.iter().any(|other| Arc::ptr_eq(&other.state, &state.state)) {
            states.push(state);
        }
    }
    Some(states).filter(|states| !states.is_empty())
}

/// The state that follows from those after an event's parents.
fn state_before(room: &mut Room, parents: &[After], new_states: &mut Vec<Arc<State>>) -> Result<After, TooCostly> {
    if let [only] = parents {
        return Ok(only.clone());
    }
    let is_whole = parents.iter().all(|parent| parent.is_whole);
    let maps: Vec<&StateMap> = parents.iter().map(|parent| &parent.state.map).collect();
    let resolution = if is_whole { room.resolve_whole(&maps)? } else { room.resolve(&maps)? };
    let state = room.derive(resolution.state, parents.first().map(|first| Arc::clone(&first.state)));
    new_states.push(Arc::clone(&state));
    Ok(After { state, is_whole })
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
    let is_create = event.is_state("m.room.create", "") && !event.has_parents();
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
    let state = room.derive(map, before);
    new_states.push(Arc::clone(&state));
    Some(state)
}

//! Decides about events. Touches nothing outside: what it needs is in its arguments, what it decided is its result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use defects::Defect;
use events::auth::{AuthEvent, Cited, Rejection, check_auth_events, check_state};
use events::auth_graph::{Standing, StateMap};
use events::state_resolution::TooCostly;
use events::{EventId, Pdu, Reference, ServerName};
use persistence::EventNumber;
use persistence::transactions::graph::Outcome;

use crate::limits::TOPOLOGICAL_START;
use crate::partial::with_cited_members;
use crate::room::{Head, Parent, Room, State, View};
use crate::verdict::{Step, Verdict};

mod again;
#[cfg(test)]
mod tests;

pub(crate) use again::{Again, judge_again};

/// An event to decide about.
pub(crate) struct Candidate {
    pub(crate) pdu: Pdu,
    /// Who sent it to us; `None` for our own.
    pub(crate) origin: Option<ServerName>,
}

/// What is known around the candidates.
#[derive(Default)]
pub(crate) struct Surroundings {
    /// Parents that have their place in the graph already.
    pub(crate) parents: BTreeMap<EventId, Parent>,
    /// Cited events that are no state events, so that they are not in the room's auth graph.
    pub(crate) cited: BTreeMap<EventId, Cited>,
    /// Candidates that come late: accepted events of the graph build on them.
    pub(crate) covered: BTreeSet<EventId>,
    /// The clock, in milliseconds since 1970.
    pub(crate) now: i64,
}

/// A decision about one event.
pub(crate) struct Judged {
    pub(crate) pdu: Pdu,
    pub(crate) verdict: Verdict,
    pub(crate) topological: i64,
    /// `None` for the create event, before which there is nothing.
    pub(crate) before: Option<Arc<State>>,
    pub(crate) after: Arc<State>,
}

/// What a batch of events comes to.
pub(crate) struct Advance {
    pub(crate) judged: Vec<Judged>,
    /// States that are not in the database, parents before children.
    pub(crate) new_states: Vec<Arc<State>>,
    /// The forward extremities after the batch.
    pub(crate) heads: Vec<NewHead>,
    /// The current state after the batch.
    pub(crate) current: Arc<State>,
}

/// A forward extremity after a batch.
#[derive(Clone)]
pub(crate) struct NewHead {
    /// `None` for events of the batch.
    pub(crate) number: Option<EventNumber>,
    pub(crate) reference: Reference,
    pub(crate) depth: i64,
    pub(crate) topological: i64,
    pub(crate) after: Arc<State>,
}

impl From<&Head> for NewHead {
    fn from(head: &Head) -> Self {
        Self {
            number: Some(head.number),
            reference: head.reference.clone(),
            depth: head.depth,
            topological: head.topological,
            after: Arc::clone(&head.after),
        }
    }
}

impl NewHead {
    pub(crate) fn event_id(&self) -> &EventId {
        &self.reference.event_id
    }
}

/// A batch cannot be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JudgeError {
    #[error("resolving the forks of the room takes too much: {0}")]
    TooCostly(#[from] TooCostly),
    #[error("the event {event} names {parent}, of which nothing is known")]
    UnknownParent { event: EventId, parent: EventId },
    #[error("the event {event} cites {cited}, of which nothing is known")]
    UnknownAuthEvent { event: EventId, cited: EventId },
}

/// Judges `candidates`, parents first. State events of the batch are added to the room's auth graph: whoever does not commit
/// the advance [undoes](Room::undo) that. On an error it is undone.
pub(crate) fn judge(room: &mut Room, candidates: Vec<Candidate>, around: &Surroundings) -> Result<Advance, JudgeError> {
    let before = room.graph.len();
    let advance = Bench::new(room, around).judge_all(candidates);
    if advance.is_err() {
        room.undo(before);
    }
    advance
}

/// Comes to what the room is with other forward extremities and no new event.
pub(crate) fn with_heads(room: &mut Room, heads: Vec<NewHead>) -> Result<Advance, JudgeError> {
    let around = Surroundings::default();
    let mut bench = Bench::new(room, &around);
    bench.heads = heads;
    let current = bench.current()?;
    Ok(Advance { judged: Vec::new(), new_states: bench.new_states, heads: bench.heads, current })
}

/// Why events that were to enter a room together do not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Rejected(Rejection),
    #[error(transparent)]
    Unjudged(#[from] JudgeError),
}

/// Judges events that enter the room only if all are accepted; else nothing is left of them in it.
pub(crate) fn judge_entering(
    room: &mut Room,
    candidates: Vec<Candidate>,
    around: &Surroundings,
) -> Result<Advance, Refusal> {
    let before = room.graph.len();
    let advance = judge(room, candidates, around)?;
    match advance.judged.iter().find_map(|judged| judged.verdict.rejection.clone()) {
        None => Ok(advance),
        Some(rejection) => {
            room.undo(before);
            Err(Refusal::Rejected(rejection))
        }
    }
}

struct Bench<'a> {
    room: &'a mut Room,
    around: &'a Surroundings,
    heads: Vec<NewHead>,
    /// Events of this batch.
    placed: BTreeMap<EventId, Placed>,
    new_states: Vec<Arc<State>>,
    /// Resolutions of this batch, by the addresses of the states that went in, which `kept` keeps alive.
    resolved: BTreeMap<BTreeSet<usize>, Arc<State>>,
    kept: Vec<Arc<State>>,
    /// The standings that events have in the graph are of the past.
    judges_again: bool,
}

struct Placed {
    topological: i64,
    outcome: Outcome,
    after: Arc<State>,
    /// What stays a parent of its children when it is no extremity itself.
    replaces: Vec<EventId>,
}

impl<'a> Bench<'a> {
    fn new(room: &'a mut Room, around: &'a Surroundings) -> Self {
        let heads = room.heads.iter().map(NewHead::from).collect();
        let mut bench = Self {
            room,
            around,
            heads,
            placed: BTreeMap::new(),
            new_states: Vec::new(),
            resolved: BTreeMap::new(),
            kept: Vec::new(),
            judges_again: false,
        };
        if let Some(current) = bench.room.current.clone() {
            let states = bench.heads.iter().map(|head| Arc::clone(&head.after)).collect::<Vec<_>>();
            bench.remember(&states, &current);
        }
        bench
    }

    fn judge_all(mut self, candidates: Vec<Candidate>) -> Result<Advance, JudgeError> {
        let mut judged = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            judged.push(self.judge_one(candidate)?);
        }
        let current = self.current()?;
        Ok(Advance { judged, new_states: self.new_states, heads: self.heads, current })
    }

    fn judge_one(&mut self, candidate: Candidate) -> Result<Judged, JudgeError> {
        let Candidate { pdu, origin } = candidate;
        let event = AuthEvent::new(&pdu);
        let (states, topological) = self.parents_of(&pdu)?;
        let resolved_from = if states.len() > 1 { pdu.prev_events().to_vec() } else { Vec::new() };
        let before = if states.is_empty() { None } else { Some(self.resolve(&states)?) };
        let before = before.map(|before| self.with_cited_members(&event, before));
        let current = if self.heads.is_empty() { None } else { Some(self.current()?) };
        let verdict = self.verdict(&event, before.as_ref(), current.as_ref(), origin, resolved_from)?;
        let after = self.state_after(&pdu, event, before.clone(), verdict.outcome());
        self.place(&pdu, &verdict, topological, &after);
        Ok(Judged { pdu, verdict, topological, before, after })
    }

    fn verdict(
        &self,
        event: &AuthEvent,
        before: Option<&Arc<State>>,
        current: Option<&Arc<State>>,
        origin: Option<ServerName>,
        resolved_from: Vec<EventId>,
    ) -> Result<Verdict, JudgeError> {
        let (step, rejection) = match self.check(event, before, current)? {
            Ok(()) => (Step::Passed, None),
            Err((step, rejection)) => (step, Some(rejection)),
        };
        let provisional = self.room.lacks_something();
        let decided_at = self.around.now;
        Ok(Verdict { step, rejection, origin, decided_at, resolved_from, state_told_by: None, provisional })
    }

    /// The state before an event of a partial room, with the memberships that it cites and the state does not know.
    fn with_cited_members(&mut self, event: &AuthEvent, before: Arc<State>) -> Arc<State> {
        let Some(map) = with_cited_members(self.room, event, &before.map) else { return before };
        let state = self.room.derive(map, Some(before));
        self.new_states.push(Arc::clone(&state));
        state
    }

    /// Returns the distinct states after the parents, and the topological number that follows theirs.
    fn parents_of(&self, pdu: &Pdu) -> Result<(Vec<Arc<State>>, i64), JudgeError> {
        let mut states: Vec<Arc<State>> = Vec::new();
        let mut topological = TOPOLOGICAL_START;
        for id in pdu.prev_events() {
            let (after, number) = match (self.placed.get(id), self.around.parents.get(id)) {
                (Some(placed), _) => (&placed.after, placed.topological),
                (None, Some(parent)) => (&parent.after, parent.topological),
                (None, None) => {
                    return Err(JudgeError::UnknownParent { event: pdu.event_id().clone(), parent: id.clone() });
                }
            };
            topological = topological.max(number + 1);
            if !states.iter().any(|state| Arc::ptr_eq(state, after)) {
                states.push(Arc::clone(after));
            }
        }
        Ok((states, topological))
    }

    /// Steps 4 to 6 of "Checks performed on receipt of a PDU". Step 7, the policy server, says "none".
    fn check(
        &self,
        event: &AuthEvent,
        before: Option<&Arc<State>>,
        current: Option<&Arc<State>>,
    ) -> Result<Result<(), (Step, Rejection)>, JudgeError> {
        let cited = self.cited(event)?;
        if let Err(rejection) = check_auth_events(event, &cited, self.create_event()) {
            return Ok(Err((Step::AuthEvents, rejection)));
        }
        let empty = StateMap::default();
        let map = before.map_or(&empty, |state| &state.map);
        if let Err(rejection) = check_state(event, &View { graph: &self.room.graph, map }) {
            return Ok(Err((Step::StateBefore, rejection)));
        }
        if let Some(current) = current
            && !before.is_some_and(|before| Arc::ptr_eq(before, current))
            && !defects::is_on(Defect::NoSoftFailure)
        {
            let supplemented = with_cited_members(self.room, event, &current.map);
            let map = supplemented.as_ref().unwrap_or(&current.map);
            if let Err(rejection) = check_state(event, &View { graph: &self.room.graph, map }) {
                return Ok(Err((Step::CurrentState, rejection)));
            }
        }
        Ok(Ok(()))
    }

    fn cited(&self, event: &AuthEvent) -> Result<Vec<Cited>, JudgeError> {
        let find = |id: &EventId| {
            if let Some(index) = self.room.graph.index_of(id) {
                let rejected = self.room.graph.standing(index) == Standing::Rejected;
                return Ok(Cited { event: self.room.graph.event(index).clone(), rejected });
            }
            self.around
                .cited
                .get(id)
                .cloned()
                .ok_or_else(|| JudgeError::UnknownAuthEvent { event: event.event_id().clone(), cited: id.clone() })
        };
        event.auth_events().iter().map(find).collect()
    }

    /// The room's create event, which events of room version 12 do not cite.
    fn create_event(&self) -> Option<&AuthEvent> {
        let graph = &self.room.graph;
        graph
            .index_of(&self.room.room_id.create_event())
            .filter(|index| graph.standing(*index) == Standing::Accepted)
            .map(|index| graph.event(index))
    }

    fn state_after(&mut self, pdu: &Pdu, event: AuthEvent, before: Option<Arc<State>>, outcome: Outcome) -> Arc<State> {
        if pdu.state_key().is_some() {
            let standing = if outcome == Outcome::Rejected { Standing::Rejected } else { Standing::Accepted };
            match self.room.graph.append(event, standing) {
                Ok(index) if outcome != Outcome::Rejected => {
                    if self.judges_again {
                        self.room.graph.set_standing(index, standing);
                    }
                    let mut map = before.as_ref().map(|state| state.map.clone()).unwrap_or_default();
                    map.insert(self.room.graph.state_key_of(index), index);
                    let state = self.room.derive(map, before);
                    self.new_states.push(Arc::clone(&state));
                    return state;
                }
                Ok(index) if self.judges_again => self.room.graph.set_standing(index, standing),
                Ok(_) => {}
                // Its cited events are not all state events; it was rejected for that.
                Err(error) => tracing::debug!(event.id = %pdu.event_id(), "not kept in the auth graph: {error}"),
            }
        }
        before.unwrap_or_else(|| {
            let state = self.room.derive(StateMap::default(), None);
            self.new_states.push(Arc::clone(&state));
            state
        })
    }

    /// Gives the event its place and moves the forward extremities.
    fn place(&mut self, pdu: &Pdu, verdict: &Verdict, topological: i64, after: &Arc<State>) {
        let outcome = verdict.outcome();
        let replaces = self.replaced_by(pdu);
        if outcome == Outcome::Accepted {
            self.heads.retain(|head| !replaces.contains(head.event_id()) && head.event_id() != pdu.event_id());
            if !self.around.covered.contains(pdu.event_id()) {
                self.heads.push(NewHead {
                    number: None,
                    reference: pdu.reference(),
                    depth: pdu.depth(),
                    topological,
                    after: Arc::clone(after),
                });
            }
        }
        let placed = Placed { topological, outcome, after: Arc::clone(after), replaces };
        self.placed.insert(pdu.event_id().clone(), placed);
    }

    /// Returns the extremities that an event takes the place of: its parents and, behind parents that are not accepted and so
    /// never were extremities, the nearest accepted ancestors.
    fn replaced_by(&self, pdu: &Pdu) -> Vec<EventId> {
        let mut replaced = Vec::new();
        for id in pdu.prev_events() {
            replaced.push(id.clone());
            if let Some(placed) = self.placed.get(id).filter(|placed| placed.outcome != Outcome::Accepted) {
                replaced.extend(placed.replaces.iter().cloned());
            }
            if let Some(parent) = self.around.parents.get(id) {
                let ancestors = &parent.accepted_ancestors;
                let behind =
                    self.heads.iter().filter(|head| head.number.is_some_and(|number| ancestors.contains(&number)));
                replaced.extend(behind.map(|head| head.event_id().clone()));
            }
        }
        replaced
    }

    fn current(&mut self) -> Result<Arc<State>, JudgeError> {
        let states = self.heads.iter().map(|head| Arc::clone(&head.after)).collect::<Vec<_>>();
        if states.is_empty() {
            let current = self.room.current.clone();
            return Ok(current.unwrap_or_else(|| self.room.derive(StateMap::default(), None)));
        }
        self.resolve(&states)
    }

    /// Returns the resolution of some states, each distinct set of them resolved once.
    fn resolve(&mut self, states: &[Arc<State>]) -> Result<Arc<State>, JudgeError> {
        let addresses = addresses(states);
        if let (1, [state, ..]) = (addresses.len(), states) {
            return Ok(Arc::clone(state));
        }
        if let Some(known) = self.resolved.get(&addresses) {
            return Ok(Arc::clone(known));
        }
        let maps = states.iter().map(|state| &state.map).collect::<Vec<_>>();
        let resolution = self.room.resolve(&maps)?;
        let same = states.iter().find(|state| state.map == resolution.state);
        let state = same.cloned().unwrap_or_else(|| {
            let state = self.room.derive(resolution.state, states.first().cloned());
            self.new_states.push(Arc::clone(&state));
            state
        });
        self.remember(states, &state);
        Ok(state)
    }

    fn remember(&mut self, states: &[Arc<State>], resolved: &Arc<State>) {
        self.kept.extend(states.iter().cloned());
        self.resolved.insert(addresses(states), Arc::clone(resolved));
    }
}

fn addresses(states: &[Arc<State>]) -> BTreeSet<usize> {
    states.iter().map(|state| Arc::as_ptr(state) as usize).collect()
}

//! How conflicts were decided, in words for people.

use serde::{Deserialize, Serialize};

use super::conflicts::{Conflict, Conflicts};
use super::index_map::IndexMap;
use super::iterative_checks::Refusal;
use crate::auth::Rejection;
use crate::auth_graph::{AuthGraph, EventIndex};
use crate::id::{EventId, UserId};

/// How the conflicts between some states were decided, under the numbers of a graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) conflicts: Conflicts,
    pub(super) refused: IndexMap<EventIndex, Refusal>,
}

/// How a conflict over one (type, state key) was decided.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Decision {
    /// The conflicted type.
    pub event_type: String,
    /// The conflicted state key.
    pub state_key: String,
    /// The event that holds in the resolved state. It may be none of the candidates: when all are refused, an event that they
    /// cite may hold again.
    pub winner: Option<EventId>,
    /// The events that hold in the states, ordered by id.
    pub candidates: Vec<Candidate>,
}

/// An event that some of the states have for a conflicted key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Candidate {
    /// The event.
    pub event: EventId,
    /// Who sent it.
    pub sender: UserId,
    /// When, as its server says, in milliseconds since 1970.
    pub origin_server_ts: i64,
    /// The states that have it, by their place among those given.
    pub states: Vec<usize>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It holds in the resolved state.
    Won,
    /// It passed, but this event came later in the order.
    Overridden {
        /// The event that holds instead.
        by: EventId,
    },
    /// It did not pass against the state that the events before it in the order had built.
    Refused {
        /// Why.
        rejection: Rejection,
    },
    /// It had been rejected when it was received.
    RejectedBefore,
}

impl Record {
    /// One decision for each conflict, ordered by type and state key. `winner` says what holds now.
    pub(super) fn decisions(
        &self,
        graph: &AuthGraph,
        winner: impl Fn(&Conflict) -> Option<EventIndex>,
    ) -> Vec<Decision> {
        let decide = |conflict: &Conflict| self.decision(graph, conflict, winner(conflict));
        let mut decisions: Vec<Decision> = self.conflicts.conflicted.iter().map(decide).collect();
        decisions.sort_unstable();
        decisions
    }

    fn decision(&self, graph: &AuthGraph, conflict: &Conflict, winner: Option<EventIndex>) -> Decision {
        let id_of = |event: EventIndex| graph.event(event).event_id().clone();
        let outcome = |event: EventIndex| match (self.refused.get(&event), winner) {
            (Some(Refusal::Now(rejection)), _) => Outcome::Refused { rejection: rejection.clone() },
            (Some(Refusal::Before), _) => Outcome::RejectedBefore,
            (None, Some(winner)) if winner != event => Outcome::Overridden { by: id_of(winner) },
            (None, Some(_) | None) => Outcome::Won,
        };
        let candidate = |at: usize| {
            let event = self.conflicts.candidates()[at];
            let read = graph.event(event);
            Candidate {
                event: id_of(event),
                sender: read.sender().clone(),
                origin_server_ts: read.origin_server_ts(),
                states: self.conflicts.sets().forks(at),
                outcome: outcome(event),
            }
        };
        let mut candidates: Vec<Candidate> = conflict.candidates.clone().map(candidate).collect();
        candidates.sort_unstable();
        let (event_type, state_key) = graph.state_key(conflict.key);
        Decision {
            event_type: event_type.to_owned(),
            state_key: state_key.to_owned(),
            winner: winner.map(id_of),
            candidates,
        }
    }
}

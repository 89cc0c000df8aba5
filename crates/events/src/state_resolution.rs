//! State resolution: the state of a room where forks meet. Room versions 2 and 12, "State resolution".
//!
//! Everything is computed from what differs between the states: a room may have 10,000 members, but if its forks differ in four
//! keys, four keys and what they cite are looked at. [`Base`] keeps what that needs to know of the rest.
//!
//! The steps of the algorithm stand in [`resolve_forks`], in the specification's order and words.

use serde::{Deserialize, Serialize};

use crate::auth::Rejection;
use crate::auth_graph::{AuthGraph, Difference, StateMap};
use crate::id::EventId;
use crate::room_version::StateResolution;
use budget::Budget;
use conflicts::Conflicts;
use iterative_checks::PartialState;

pub use base::Base;
pub use budget::TooCostly;

mod base;
mod budget;
mod conflicted_set;
mod conflicts;
mod index_map;
mod iterative_checks;
mod mainline;
mod power_order;

/// The state in which some states resolve, and how each conflict was decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The resolved state.
    pub state: StateMap,
    /// One for each conflicted key, ordered by type and state key.
    pub decisions: Vec<Decision>,
}

/// Like [`Resolution`], as what differs from a base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForkResolution {
    /// What makes the resolved state of the base.
    pub changes: Difference,
    /// One for each conflicted key, ordered by type and state key.
    pub decisions: Vec<Decision>,
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
    /// The states that have it, by their place among those given.
    pub states: Vec<usize>,
    /// What became of it.
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

/// Resolves states of one room. The order of the states, and that of the events in the graph, makes no difference.
pub fn resolve(graph: &AuthGraph, states: &[&StateMap]) -> Result<Resolution, TooCostly> {
    let Some(first) = states.first() else { return Ok(Resolution::default()) };
    let base = Base::new(graph, (*first).clone());
    let forks: Vec<Difference> = states.iter().map(|state| first.diff(state)).collect();
    let ForkResolution { changes, decisions } = resolve_forks(graph, &base, &forks)?;
    Ok(Resolution { state: first.with(&changes), decisions })
}

/// Resolves the states that `forks` make of `base`. The base itself is none of them, unless an empty difference is.
///
/// Costs as much as what differs between the forks, however large the base is.
pub fn resolve_forks(graph: &AuthGraph, base: &Base, forks: &[Difference]) -> Result<ForkResolution, TooCostly> {
    let mut budget = Budget::default();
    let conflicts = Conflicts::find(base, forks, &mut budget)?;
    if conflicts.is_empty() {
        return Ok(ForkResolution { changes: conflicts.changes_of_unconflicted(base), decisions: Vec::new() });
    }
    let includes_subgraph = match graph.version().rules().state_resolution {
        StateResolution::V1 | StateResolution::V2 => false,
        StateResolution::V2_1 => true,
    };
    let full_conflicted_set = conflicted_set::full(graph, base, &conflicts, includes_subgraph, &mut budget)?;

    // 1. The power events, with what they cite within the set, by reverse topological power ordering.
    let power_events = power_order::sort(graph, &full_conflicted_set, &mut budget)?;

    // 2. Checked one after another, starting from the unconflicted state map; from version 12 on from an empty one.
    let mut partial = if includes_subgraph {
        PartialState::empty(graph)
    } else {
        PartialState::of_unconflicted(graph, base, &conflicts)
    };
    partial.apply(&power_events, &mut budget)?;

    // 3. The rest, by mainline ordering of the power levels so far.
    let rest = full_conflicted_set.without(&power_events);
    let rest = mainline::sort(graph, rest, partial.power_levels(), &mut budget)?;

    // 4. Checked likewise.
    partial.apply(&rest, &mut budget)?;

    // 5. What is unconflicted stays as it is.
    Ok(ForkResolution { changes: partial.changes(base, &conflicts), decisions: partial.decisions(&conflicts) })
}

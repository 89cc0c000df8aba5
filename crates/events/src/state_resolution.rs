//! State resolution: the state of a room where forks meet. Room versions 1, 2 and 12, "State resolution".
//!
//! Everything is computed from what differs between the states: a room may have 10,000 members, but if its forks differ in four
//! keys, four keys and what they cite are looked at. [`Base`] keeps what that needs to know of the rest.
//!
//! The steps of the algorithm stand in [`resolve_forks`], in the specification's order and words; those of version 1, which is
//! another one, in `version_1`.

use crate::auth_graph::{AuthGraph, Difference, StateMap};
use crate::room_version::StateResolution;
use budget::Budget;
use conflicts::Conflicts;
use decision::Record;
use index_map::Bits;
use iterative_checks::PartialState;

pub use base::Base;
pub use budget::TooCostly;
pub use decision::{Candidate, Decision, Outcome};

mod base;
mod budget;
mod conflicted_set;
mod conflicts;
mod decision;
mod index_map;
mod iterative_checks;
mod mainline;
mod power_order;
mod version_1;

/// The state in which some states resolve, and how each conflict was decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The resolved state.
    pub state: StateMap,
    record: Record,
}

/// Like [`Resolution`], as what differs from a base.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForkResolution {
    /// What makes the resolved state of the base.
    pub changes: Difference,
    record: Record,
}

impl Resolution {
    /// Tells how each conflict was decided, ordered by type and state key. `graph` is the one resolved by.
    pub fn decisions(&self, graph: &AuthGraph) -> Vec<Decision> {
        self.record.decisions(graph, |conflict| self.state.get(conflict.key))
    }
}

impl ForkResolution {
    /// Tells how each conflict was decided, ordered by type and state key. `graph` and `base` are those resolved by.
    pub fn decisions(&self, graph: &AuthGraph, base: &Base) -> Vec<Decision> {
        let holds = |key| self.changes.get(key).unwrap_or_else(|| base.state().get(key));
        self.record.decisions(graph, |conflict| holds(conflict.key))
    }
}

/// Resolves states of one room. The order of the states, and that of the events in the graph, makes no difference.
pub fn resolve(graph: &AuthGraph, states: &[&StateMap]) -> Result<Resolution, TooCostly> {
    let Some(first) = states.first() else { return Ok(Resolution::default()) };
    resolve_on(graph, &Base::new(graph, (*first).clone()), states)
}

/// Like [`resolve`], on a base that is there already. Any state of the room may be the base; the less the states differ from
/// it, and the more they share with it, the faster.
pub fn resolve_on(graph: &AuthGraph, base: &Base, states: &[&StateMap]) -> Result<Resolution, TooCostly> {
    let forks: Vec<Difference> = states.iter().map(|state| base.state().diff(state)).collect();
    let ForkResolution { changes, record } = resolve_forks(graph, base, &forks)?;
    Ok(Resolution { state: base.state().with(&changes), record })
}

/// Resolves the states that `forks` make of `base`. The base itself is none of them, unless an empty difference is.
///
/// Costs as much as what differs between the forks, however large the base is.
pub fn resolve_forks(graph: &AuthGraph, base: &Base, forks: &[Difference]) -> Result<ForkResolution, TooCostly> {
    let mut budget = Budget::default();
    let conflicts = Conflicts::find(base, forks, &mut budget)?;
    if conflicts.is_empty() {
        let changes = conflicts.changes_of_unconflicted(base);
        return Ok(ForkResolution { changes, record: Record::default() });
    }
    let includes_subgraph = match graph.version().rules().state_resolution {
        StateResolution::V1 => return version_1::resolve(graph, base, conflicts, &mut budget),
        StateResolution::V2 => false,
        StateResolution::V2_1 => true,
    };
    let full_conflicted_set = conflicted_set::full(graph, base, &conflicts, includes_subgraph, &mut budget)?;

    // 1. The power events, with what they cite within the set, by reverse topological power ordering.
    let power_events = power_order::sort(graph, &full_conflicted_set, &mut budget)?;

    // 2. Checked one after another, starting from the unconflicted state map; from version 12 on from an empty one.
    let start = Some(base).filter(|_| !includes_subgraph);
    let mut partial = PartialState::new(graph, start, &conflicts);
    partial.apply(&power_events, &mut budget)?;

    // 3. The rest, by mainline ordering of the power levels so far.
    let mut taken = Bits::new(graph.len());
    power_events.iter().for_each(|event| _ = taken.set(event.at()));
    let rest = full_conflicted_set.as_slice().iter().copied().filter(|event| !taken.contains(event.at())).collect();
    let rest = mainline::sort(graph, rest, partial.power_levels(), &mut budget)?;

    // 4. Checked likewise.
    partial.apply(&rest, &mut budget)?;

    // 5. What is unconflicted stays as it is.
    let (changes, refused) = partial.finish(base, &conflicts);
    Ok(ForkResolution { changes, record: Record { conflicts, refused } })
}

//! "Iterative auth checks."

use super::base::Base;
use super::budget::{Budget, TooCostly};
use super::conflicts::Conflicts;
use super::index_map::IndexMap;
use crate::auth::grounds::Grounds;
use crate::auth::{self, Rejection};
use crate::auth_graph::{AuthGraph, Difference, EventIndex, Node, Standing, StateKeyIndex};

/// A state that grows by the events that pass, and what became of the others.
pub(super) struct PartialState<'a> {
    graph: &'a AuthGraph,
    /// What the state starts from, besides nothing.
    start: Option<(&'a Base, &'a Conflicts)>,
    /// What holds, for the keys that were asked for.
    holds: IndexMap<StateKeyIndex, Held>,
    refused: IndexMap<EventIndex, Refusal>,
}

#[derive(Clone, Copy)]
struct Held {
    event: Option<EventIndex>,
    /// It passed, and was not there at the start.
    is_applied: bool,
}

/// Why an event did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Now(Rejection),
    Before,
}

impl<'a> PartialState<'a> {
    pub(super) fn empty(graph: &'a AuthGraph) -> Self {
        Self { graph, start: None, holds: IndexMap::default(), refused: IndexMap::default() }
    }

    pub(super) fn of_unconflicted(graph: &'a AuthGraph, base: &'a Base, conflicts: &'a Conflicts) -> Self {
        Self { start: Some((base, conflicts)), ..Self::empty(graph) }
    }

    /// Applies those of `events`, one after another, that pass against what the earlier ones have built.
    pub(super) fn apply(&mut self, events: &[EventIndex], budget: &mut Budget) -> Result<(), TooCostly> {
        for event in events {
            let node = self.graph.node(*event);
            budget.check(node.check_cost)?;
            match self.check(node) {
                Ok(()) => {
                    self.holds.insert(node.key, Held { event: Some(*event), is_applied: true });
                }
                Err(refusal) => {
                    self.refused.insert(*event, refusal);
                }
            }
        }
        Ok(())
    }

    fn check(&mut self, node: &Node) -> Result<(), Refusal> {
        // The specification lets an event back in that was rejected by the state before it, if it passes here. Synapse does
        // not: a malicious server could otherwise bring back what everybody has refused (CVE-2022-39374).
        if node.standing == Standing::Rejected {
            return Err(Refusal::Before);
        }
        let graph = self.graph;
        let mut grounds = Grounds::default();
        for (place, key) in &node.judged_by {
            if let Some(event) = self.ground(node, *key) {
                grounds.put(*place, graph.event(event));
            }
        }
        if grounds.create.is_none() {
            // In version 12 no event cites the create event, and it may be in no state yet: the room id names it.
            let create = node.create.filter(|create| graph.standing(*create) == Standing::Accepted);
            grounds.create = create.map(|create| graph.event(create));
        }
        auth::judge(&node.event, &grounds).map_err(Refusal::Now)
    }

    /// Returns the event of the state that `node` is judged by or, where the state has none, the one that it cites itself.
    fn ground(&mut self, node: &Node, key: StateKeyIndex) -> Option<EventIndex> {
        let graph = self.graph;
        let is_accepted = |event: &EventIndex| graph.standing(*event) == Standing::Accepted;
        let cites = |event: &EventIndex| graph.state_key_of(*event) == key && is_accepted(event);
        self.get(key).filter(is_accepted).or_else(|| node.cited.iter().copied().find(cites))
    }

    fn get(&mut self, key: StateKeyIndex) -> Option<EventIndex> {
        let start = self.start;
        let at_start = || start.and_then(|(base, conflicts)| conflicts.unconflicted(base, key));
        self.holds.entry(key).or_insert_with(|| Held { event: at_start(), is_applied: false }).event
    }

    /// The power levels that hold so far.
    pub(super) fn power_levels(&mut self) -> Option<EventIndex> {
        self.get(self.graph.state_key_index("m.room.power_levels", "")?)
    }

    /// Returns what makes the resolved state of the base (what was applied, except where the forks agree), and why events did
    /// not pass.
    pub(super) fn finish(self, base: &Base, conflicts: &Conflicts) -> (Difference, IndexMap<EventIndex, Refusal>) {
        let lost = conflicts.conflicted.iter().map(|conflict| (conflict.key, None));
        let is_open = |key: StateKeyIndex| conflicts.unconflicted(base, key).is_none();
        let applied = self.holds.iter().filter(|(key, held)| held.is_applied && is_open(**key));
        let won = applied.map(|(key, held)| (*key, held.event));
        let changes: Difference = lost.chain(conflicts.agreed.iter().copied()).chain(won).collect();
        (changes.iter().filter(|(key, event)| base.state().get(*key) != *event).collect(), self.refused)
    }
}

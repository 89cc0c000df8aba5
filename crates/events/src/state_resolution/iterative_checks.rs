//! "Iterative auth checks."

use super::base::Base;
use super::budget::{Budget, TooCostly};
use super::conflicts::Conflicts;
use super::index_map::IndexMap;
use crate::auth::grounds::Grounds;
use crate::auth::{self, Rejection};
use crate::auth_graph::{AuthGraph, Difference, EventIndex, Standing, StateKeyIndex};

/// Events that are brought near together: as many as a processor waits for at once.
const BROUGHT_AT_ONCE: usize = 16;

/// A state that grows by the events that pass, and what became of the others.
pub(super) struct PartialState<'a> {
    graph: &'a AuthGraph,
    /// What the state starts from, besides nothing.
    start: Option<&'a Base>,
    /// What holds for each key, as far as it was asked for.
    holds: Vec<Held>,
    applied: Vec<StateKeyIndex>,
    refused: IndexMap<EventIndex, Refusal>,
}

/// What holds for a key. All zero: not looked up.
#[derive(Clone, Copy, Default)]
struct Held {
    event: Option<EventIndex>,
    is_known: bool,
    /// It passed, and was not there at the start.
    is_applied: bool,
    is_conflicted: bool,
}

/// Why an event did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Now(Rejection),
    Before,
}

impl<'a> PartialState<'a> {
    /// A state that starts from nothing, or from what is unconflicted on `start`.
    pub(super) fn new(graph: &'a AuthGraph, start: Option<&'a Base>, conflicts: &Conflicts) -> Self {
        let mut holds = vec![Held::default(); graph.keys()];
        for conflict in &conflicts.conflicted {
            holds[conflict.key.at()] = Held { is_known: true, is_conflicted: true, ..Held::default() };
        }
        if start.is_some() {
            for (key, event) in &conflicts.agreed {
                holds[key.at()] = Held { event: *event, is_known: true, ..Held::default() };
            }
        }
        Self { graph, start, holds, applied: Vec::new(), refused: IndexMap::default() }
    }

    /// Applies those of `events`, one after another, that pass against what the earlier ones have built.
    pub(super) fn apply(&mut self, events: &[EventIndex], budget: &mut Budget) -> Result<(), TooCostly> {
        for together in events.chunks(BROUGHT_AT_ONCE) {
            self.graph.bring_near(together);
            for event in together {
                let node = self.graph.node(*event);
                budget.check(node.check_cost as usize)?;
                match self.check(*event) {
                    Ok(()) => self.hold(node.key, *event),
                    Err(refusal) => _ = self.refused.insert(*event, refusal),
                }
            }
        }
        Ok(())
    }

    fn hold(&mut self, key: StateKeyIndex, event: EventIndex) {
        let held = &mut self.holds[key.at()];
        if !held.is_applied {
            self.applied.push(key);
        }
        *held = Held { event: Some(event), is_known: true, is_applied: true, ..*held };
    }

    fn check(&mut self, event: EventIndex) -> Result<(), Refusal> {
        let graph = self.graph;
        let node = graph.node(event);
        // The specification lets an event back in that was rejected by the state before it, if it passes here. Synapse does
        // not: a malicious server could otherwise bring back what everybody has refused (CVE-2022-39374).
        if node.standing == Standing::Rejected {
            return Err(Refusal::Before);
        }
        let mut grounds = Grounds::default();
        for (place, key) in graph.judged_by(node) {
            if let Some(ground) = self.ground(event, *key) {
                grounds.put(*place, graph.event(ground));
            }
        }
        if grounds.create.is_none() {
            // In version 12 no event cites the create event, and it may be in no state yet: the room id names it.
            let create = node.create.filter(|create| graph.standing(*create) == Standing::Accepted);
            grounds.create = create.map(|create| graph.event(create));
        }
        auth::judge(&node.event, &grounds).map_err(Refusal::Now)
    }

    /// Returns the event of the state that `event` is judged by or, where the state has none, the one that it cites itself.
    fn ground(&mut self, event: EventIndex, key: StateKeyIndex) -> Option<EventIndex> {
        let graph = self.graph;
        let is_accepted = |event: &EventIndex| graph.standing(*event) == Standing::Accepted;
        let cites = |event: &EventIndex| graph.state_key_of(*event) == key && is_accepted(event);
        self.get(key).filter(is_accepted).or_else(|| graph.cited(event).iter().copied().find(cites))
    }

    fn get(&mut self, key: StateKeyIndex) -> Option<EventIndex> {
        let held = &mut self.holds[key.at()];
        if !held.is_known {
            held.event = self.start.and_then(|base| base.state().get(key));
            held.is_known = true;
        }
        held.event
    }

    /// The power levels that hold so far.
    pub(super) fn power_levels(&mut self) -> Option<EventIndex> {
        self.get(self.graph.state_key_index("m.room.power_levels", "")?)
    }

    /// Returns what makes the resolved state of the base (what was applied, except where the forks agree), and why events did
    /// not pass.
    pub(super) fn finish(self, base: &Base, conflicts: &Conflicts) -> (Difference, IndexMap<EventIndex, Refusal>) {
        let agreed = |key: StateKeyIndex| {
            let at = conflicts.agreed.binary_search_by_key(&key, |(key, _)| *key);
            at.map_or_else(|_| base.state().get(key), |at| conflicts.agreed[at].1)
        };
        let is_open = |key: StateKeyIndex| self.holds[key.at()].is_conflicted || agreed(key).is_none();
        let lost = conflicts.conflicted.iter().map(|conflict| conflict.key);
        let lost = lost.filter(|key| !self.holds[key.at()].is_applied).map(|key| (key, None));
        let won = self.applied.iter().copied().filter(|key| is_open(*key));
        let won = won.map(|key| (key, self.holds[key.at()].event));
        // What is open and agreed is agreed to be nothing: what was applied comes later, and holds.
        let changes: Difference = lost.chain(conflicts.agreed.iter().copied()).chain(won).collect();
        (changes.iter().filter(|(key, event)| base.state().get(*key) != *event).collect(), self.refused)
    }
}

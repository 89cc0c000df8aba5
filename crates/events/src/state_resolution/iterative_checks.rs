//! "Iterative auth checks."

use super::base::Base;
use super::budget::{Budget, TooCostly};
use super::conflicts::{Conflict, Conflicts};
use super::index_map::IndexMap;
use super::{Candidate, Decision, Outcome};
use crate::auth::{self, AuthEvent, Rejection, StateView};
use crate::auth_graph::{AuthGraph, Difference, EventIndex, Node, Standing, StateKeyIndex};

/// A state that grows by the events that pass, and what became of the others.
pub(super) struct PartialState<'a> {
    graph: &'a AuthGraph,
    /// What the state starts from, besides nothing.
    start: Option<(&'a Base, &'a Conflicts)>,
    applied: IndexMap<StateKeyIndex, EventIndex>,
    refused: IndexMap<EventIndex, Refusal>,
}

enum Refusal {
    Now(Rejection),
    Before,
}

/// The few events that one event is judged by.
struct Judges<'a>(Vec<&'a AuthEvent>);

impl StateView for Judges<'_> {
    fn get(&self, event_type: &str, state_key: &str) -> Option<&AuthEvent> {
        self.0.iter().copied().find(|event| event.is_state(event_type, state_key))
    }
}

impl<'a> PartialState<'a> {
    pub(super) fn empty(graph: &'a AuthGraph) -> Self {
        Self { graph, start: None, applied: IndexMap::default(), refused: IndexMap::default() }
    }

    pub(super) fn of_unconflicted(graph: &'a AuthGraph, base: &'a Base, conflicts: &'a Conflicts) -> Self {
        Self { start: Some((base, conflicts)), ..Self::empty(graph) }
    }

    /// Applies those of `events`, one after another, that pass against what the earlier ones have built.
    pub(super) fn apply(&mut self, events: &[EventIndex], budget: &mut Budget) -> Result<(), TooCostly> {
        let mut judges = Judges(Vec::new());
        for event in events {
            let node = self.graph.node(*event);
            budget.check(cost(node))?;
            match self.check(node, &mut judges) {
                Ok(()) => {
                    self.applied.insert(node.key, *event);
                    self.refused.remove(event);
                }
                Err(refusal) => {
                    self.refused.insert(*event, refusal);
                }
            }
        }
        Ok(())
    }

    fn check(&self, node: &'a Node, judges: &mut Judges<'a>) -> Result<(), Refusal> {
        // The specification lets an event back in that was rejected by the state before it, if it passes here. Synapse does
        // not: a malicious server could otherwise bring back what everybody has refused (CVE-2022-39374).
        if node.standing == Standing::Rejected {
            return Err(Refusal::Before);
        }
        judges.0.clear();
        for key in &node.judged_by {
            judges.0.extend(self.judge(node, *key).map(|event| self.graph.event(event)));
        }
        // In version 12 no event cites the create event, and it may be in no state yet: the room id names it.
        let create = node.create.filter(|create| self.graph.standing(*create) == Standing::Accepted);
        judges.0.extend(create.map(|create| self.graph.event(create)));
        auth::check_state(&node.event, judges).map_err(Refusal::Now)
    }

    /// Returns the event of the state that `node` is judged by or, where the state has none, the one that it cites itself.
    fn judge(&self, node: &Node, key: StateKeyIndex) -> Option<EventIndex> {
        let is_accepted = |event: &EventIndex| self.graph.standing(*event) == Standing::Accepted;
        let cited =
            || node.cited.iter().copied().find(|event| self.graph.state_key_of(*event) == key && is_accepted(event));
        self.get(key).filter(is_accepted).or_else(cited)
    }

    fn get(&self, key: StateKeyIndex) -> Option<EventIndex> {
        let at_start = || self.start.and_then(|(base, conflicts)| conflicts.unconflicted(base, key));
        self.applied.get(&key).copied().or_else(at_start)
    }

    /// The power levels that hold so far.
    pub(super) fn power_levels(&self) -> Option<EventIndex> {
        self.get(self.graph.state_key_index("m.room.power_levels", "")?)
    }

    /// Returns what makes the resolved state of the base: what was applied, except where the forks agree.
    pub(super) fn changes(&self, base: &Base, conflicts: &Conflicts) -> Difference {
        let lost = conflicts.conflicted.iter().map(|conflict| (conflict.key, None));
        let is_open = |key: StateKeyIndex| conflicts.unconflicted(base, key).is_none();
        let won = self.applied.iter().map(|(key, event)| (*key, Some(*event))).filter(|(key, _)| is_open(*key));
        let changes: Difference = lost.chain(conflicts.agreed.iter().copied()).chain(won).collect();
        changes.iter().filter(|(key, event)| base.state().get(*key) != *event).collect()
    }

    /// Returns how each conflict was decided.
    pub(super) fn decisions(&self, conflicts: &Conflicts) -> Vec<Decision> {
        let mut decisions: Vec<Decision> =
            conflicts.conflicted.iter().map(|conflict| self.decision(conflict)).collect();
        decisions.sort_unstable_by(|one, other| {
            (&one.event_type, &one.state_key).cmp(&(&other.event_type, &other.state_key))
        });
        decisions
    }

    fn decision(&self, conflict: &Conflict) -> Decision {
        let (event_type, state_key) = self.graph.state_key(conflict.key);
        let winner = self.applied.get(&conflict.key).map(|event| self.graph.event(*event).event_id());
        let outcome = |event: &EventIndex| match (self.refused.get(event), winner) {
            (Some(Refusal::Now(rejection)), _) => Outcome::Refused { rejection: rejection.clone() },
            (Some(Refusal::Before), _) => Outcome::RejectedBefore,
            (None, Some(winner)) if winner != self.graph.event(*event).event_id() => {
                Outcome::Overridden { by: winner.clone() }
            }
            (None, Some(_) | None) => Outcome::Won,
        };
        let candidate = |(event, forks): &(EventIndex, super::conflicts::ForkSet)| Candidate {
            event: self.graph.event(*event).event_id().clone(),
            states: forks.forks(),
            outcome: outcome(event),
        };
        let mut candidates: Vec<Candidate> = conflict.candidates.iter().map(candidate).collect();
        candidates.sort_unstable();
        Decision {
            event_type: event_type.to_owned(),
            state_key: state_key.to_owned(),
            winner: winner.cloned(),
            candidates,
        }
    }
}

/// What a check costs: one, and for power levels one for each entry that is compared.
fn cost(node: &Node) -> usize {
    1 + node.event.power_content().map_or(0, crate::power::PowerContent::len)
}

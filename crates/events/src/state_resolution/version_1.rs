//! The algorithm of room version 1. Room version 1, "State resolution".
//!
//! It looks at the conflicted events alone, not at what they cite, and goes by the depths that they claim.

use std::cmp::Reverse;

use sha1::{Digest, Sha1};

use super::ForkResolution;
use super::base::Base;
use super::budget::{Budget, TooCostly};
use super::conflicts::{Conflict, Conflicts};
use super::decision::Record;
use super::index_map::IndexMap;
use super::iterative_checks::Refusal;
use crate::auth::grounds::Grounds;
use crate::auth::{self, Rejection};
use crate::auth_graph::{AuthGraph, EventIndex, Standing, StateKeyIndex};

/// *R*, "the results of the resolution so far".
struct Resolved<'a> {
    graph: &'a AuthGraph,
    base: &'a Base,
    conflicts: &'a Conflicts,
    /// What was decided of the conflicted keys.
    decided: IndexMap<StateKeyIndex, EventIndex>,
    refused: IndexMap<EventIndex, Refusal>,
}

/// The passes, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    PowerLevels,
    JoinRules,
    Members,
    Others,
}

pub(super) fn resolve(
    graph: &AuthGraph,
    base: &Base,
    mut conflicts: Conflicts,
    budget: &mut Budget,
) -> Result<ForkResolution, TooCostly> {
    // "A conflict occurs between states where those states have different events": one that has none does not count, nor
    // does an event that was rejected.
    conflicts.settle(|event| graph.standing(event) == Standing::Accepted);
    let (decided, refused) = {
        let mut resolved =
            Resolved { graph, base, conflicts: &conflicts, decided: IndexMap::default(), refused: IndexMap::default() };
        for pass in [Pass::PowerLevels, Pass::JoinRules, Pass::Members, Pass::Others] {
            resolved.run(pass, budget)?;
        }
        (resolved.decided, resolved.refused)
    };
    let agreed = conflicts.agreed.iter().copied();
    let decided = conflicts.conflicted.iter().map(|conflict| (conflict.key, decided.get(&conflict.key).copied()));
    let differs = |(key, event): &(StateKeyIndex, Option<EventIndex>)| base.state().get(*key) != *event;
    let changes = agreed.chain(decided).filter(differs).collect();
    Ok(ForkResolution { changes, record: Record { conflicts, refused } })
}

impl Resolved<'_> {
    /// Decides the conflicts of one pass. They do not see each other: Synapse adds them to *R* when all are decided, and of the
    /// specification's text no order follows.
    fn run(&mut self, pass: Pass, budget: &mut Budget) -> Result<(), TooCostly> {
        let conflicts = self.conflicts.conflicted.iter().filter(|conflict| pass_of(self.graph, conflict) == pass);
        let mut decided = Vec::new();
        for conflict in conflicts.cloned().collect::<Vec<_>>() {
            let events = self.ordered(&conflict, budget)?;
            let winner = match pass {
                Pass::PowerLevels | Pass::JoinRules | Pass::Members => self.last_that_follows(&events, budget)?,
                Pass::Others => self.first_that_passes(&events, budget)?,
            };
            decided.extend(winner.map(|winner| (conflict.key, winner)));
        }
        self.decided.extend(decided);
        Ok(())
    }

    /// The events of a conflict "by ascending `depth` then descending `sha1(event_id)`".
    fn ordered(&self, conflict: &Conflict, budget: &mut Budget) -> Result<Vec<EventIndex>, TooCostly> {
        budget.visit(conflict.candidates.len())?;
        let candidates = self.conflicts.candidates()[conflict.candidates.clone()].iter().copied();
        let mut events: Vec<EventIndex> =
            candidates.filter(|event| self.graph.standing(*event) == Standing::Accepted).collect();
        events.sort_by_cached_key(|event| {
            let event = self.graph.event(*event);
            let sha1: [u8; 20] = Sha1::digest(event.event_id().as_str()).into();
            (event.depth(), Reverse(sha1))
        });
        Ok(events)
    }

    /// "Add the first event in the list to *R*. For each subsequent event in the list, check that the event would be allowed."
    fn last_that_follows(
        &mut self,
        events: &[EventIndex],
        budget: &mut Budget,
    ) -> Result<Option<EventIndex>, TooCostly> {
        let Some((first, rest)) = events.split_first() else { return Ok(None) };
        let mut holds = *first;
        for event in rest {
            if let Err(rejection) = self.check(*event, Some(holds), budget)? {
                self.refused.insert(*event, Refusal::Now(rejection));
                break;
            }
            holds = *event;
        }
        Ok(Some(holds))
    }

    /// "Pick the event with the highest depth and lowest `sha1(event_id)` that passes." Where none does, Synapse takes the last.
    fn first_that_passes(
        &mut self,
        events: &[EventIndex],
        budget: &mut Budget,
    ) -> Result<Option<EventIndex>, TooCostly> {
        for event in events.iter().rev() {
            match self.check(*event, None, budget)? {
                Ok(()) => return Ok(Some(*event)),
                Err(_) if Some(event) == events.first() => {}
                Err(rejection) => _ = self.refused.insert(*event, Refusal::Now(rejection)),
            }
        }
        Ok(events.first().copied())
    }

    /// Says whether *R* allows an event; `holds` is what *R* has for the event's own key.
    fn check(
        &self,
        event: EventIndex,
        holds: Option<EventIndex>,
        budget: &mut Budget,
    ) -> Result<Result<(), Rejection>, TooCostly> {
        let graph = self.graph;
        let node = graph.node(event);
        budget.check(node.check_cost as usize)?;
        let mut grounds = Grounds::default();
        for (place, key) in graph.judged_by(node) {
            let ground = holds.filter(|_| *key == node.key).or_else(|| self.get(*key));
            if let Some(ground) = ground.filter(|ground| graph.standing(*ground) == Standing::Accepted) {
                grounds.put(*place, graph.event(ground));
            }
        }
        Ok(auth::judge(&node.event, &grounds))
    }

    fn get(&self, key: StateKeyIndex) -> Option<EventIndex> {
        let is_conflicted = self.conflicts.conflicted.binary_search_by_key(&key, |conflict| conflict.key).is_ok();
        if is_conflicted {
            return self.decided.get(&key).copied();
        }
        let agreed = self.conflicts.agreed.binary_search_by_key(&key, |(key, _)| *key);
        agreed.map_or_else(|_| self.base.state().get(key), |at| self.conflicts.agreed[at].1)
    }
}

fn pass_of(graph: &AuthGraph, conflict: &Conflict) -> Pass {
    match graph.state_key(conflict.key) {
        ("m.room.power_levels", "") => Pass::PowerLevels,
        ("m.room.join_rules", _) => Pass::JoinRules,
        ("m.room.member", _) => Pass::Members,
        _ => Pass::Others,
    }
}

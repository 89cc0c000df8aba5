//! "Full conflicted set", with "auth difference" and "conflicted state subgraph".

use super::base::{Base, Chain};
use super::budget::{Budget, TooCostly};
use super::conflicts::{Conflicts, ForkSet};
use super::index_map::{IndexMap, IndexSet};
use crate::auth_graph::{AuthGraph, EventIndex};

/// The events that a resolution looks at.
pub(super) struct FullConflictedSet(IndexSet<EventIndex>);

impl FullConflictedSet {
    pub(super) fn contains(&self, event: EventIndex) -> bool {
        self.0.contains(&event)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = EventIndex> {
        self.0.iter().copied()
    }

    pub(super) fn without(&self, events: &[EventIndex]) -> Vec<EventIndex> {
        let events: IndexSet<EventIndex> = events.iter().copied().collect();
        self.iter().filter(|event| !events.contains(event)).collect()
    }
}

/// Returns "the union of the conflicted state set, the conflicted state subgraph, and the auth difference".
pub(super) fn full(
    graph: &AuthGraph,
    base: &Base,
    conflicts: &Conflicts,
    includes_subgraph: bool,
    budget: &mut Budget,
) -> Result<FullConflictedSet, TooCostly> {
    let mut full: IndexSet<EventIndex> = conflicts.candidates().map(|(event, _)| *event).collect();
    let subgraph = if includes_subgraph { subgraph(graph, &full, budget)? } else { Vec::new() };
    full.extend(auth_difference(graph, base, conflicts, budget)?);
    full.extend(subgraph);
    Ok(FullConflictedSet(full))
}

/// Returns the events that are in the auth chain of some fork but not of all.
///
/// What the unconflicted events cite is in the auth chain of every fork, so only the chains of the conflicted events are
/// walked, and only down to there.
fn auth_difference(
    graph: &AuthGraph,
    base: &Base,
    conflicts: &Conflicts,
    budget: &mut Budget,
) -> Result<Vec<EventIndex>, TooCostly> {
    let common = unconflicted_chain(graph, base, conflicts, budget)?;
    // For each event, the forks that have it in their state or its auth chain, and those that have it in the auth chain.
    let mut held: IndexMap<EventIndex, ForkSet> = IndexMap::default();
    for (event, forks) in conflicts.candidates() {
        held.insert(*event, forks.clone());
    }
    let walked = walk(graph, held.keys().copied(), |event| !common.contains(event), budget)?;
    let mut chained: IndexMap<EventIndex, ForkSet> = IndexMap::default();
    for event in walked.iter().rev() {
        let mut forks = held.get(event).cloned().unwrap_or_else(|| ForkSet::none(conflicts.forks));
        if let Some(above) = chained.get(event) {
            forks.add_all(above);
        }
        for cited in graph.node(*event).cited.iter().filter(|cited| !common.contains(**cited)) {
            budget.visit(forks.words())?;
            chained.entry(*cited).and_modify(|set| set.add_all(&forks)).or_insert_with(|| forks.clone());
        }
    }
    let everywhere = ForkSet::all(conflicts.forks);
    Ok(chained.into_iter().filter(|(_, forks)| *forks != everywhere).map(|(event, _)| event).collect())
}

/// Returns the auth chain of the events that all forks agree on.
fn unconflicted_chain<'a>(
    graph: &'a AuthGraph,
    base: &'a Base,
    conflicts: &Conflicts,
    budget: &mut Budget,
) -> Result<Chain<'a>, TooCostly> {
    let mut chain = Chain::new(graph, base);
    for event in conflicts.agreed.iter().filter_map(|(_, event)| *event) {
        chain.hold_event(event, budget)?;
    }
    let agreed = conflicts.agreed.iter().filter(|(key, event)| base.state().get(*key) != *event).map(|(key, _)| *key);
    let conflicted = conflicts.conflicted.iter().map(|conflict| conflict.key);
    for event in agreed.chain(conflicted).filter_map(|key| base.state().get(key)) {
        chain.drop_event(event, budget)?;
    }
    Ok(chain)
}

/// Returns "the union of all paths between any pair of events in the conflicted state set": what can be reached from one
/// of them and from where another can be reached. Takes two passes over the edges below the conflicted events.
fn subgraph(
    graph: &AuthGraph,
    conflicted: &IndexSet<EventIndex>,
    budget: &mut Budget,
) -> Result<Vec<EventIndex>, TooCostly> {
    // Events cite smaller numbers, so nothing below the smallest leads to a conflicted event.
    let Some(smallest) = conflicted.iter().min().copied() else { return Ok(Vec::new()) };
    let walked = walk(graph, conflicted.iter().copied(), |event| event >= smallest, budget)?;
    let mut leads_there: IndexSet<EventIndex> = IndexSet::default();
    for event in walked {
        budget.visit(graph.node(event).cited.len())?;
        let leads = |cited: &EventIndex| leads_there.contains(cited);
        if conflicted.contains(&event) || graph.node(event).cited.iter().any(leads) {
            leads_there.insert(event);
        }
    }
    Ok(leads_there.into_iter().collect())
}

/// Returns `from` and all that they cite, directly or not, through events that `goes_through` admits. Cited events come first.
fn walk(
    graph: &AuthGraph,
    from: impl Iterator<Item = EventIndex>,
    goes_through: impl Fn(EventIndex) -> bool,
    budget: &mut Budget,
) -> Result<Vec<EventIndex>, TooCostly> {
    let mut pending: Vec<EventIndex> = from.collect();
    let mut seen: IndexSet<EventIndex> = pending.iter().copied().collect();
    let mut at = 0;
    while let Some(event) = pending.get(at).copied() {
        at += 1;
        budget.visit(1 + graph.node(event).cited.len())?;
        for cited in &graph.node(event).cited {
            if goes_through(*cited) && seen.insert(*cited) {
                pending.push(*cited);
            }
        }
    }
    pending.sort_unstable();
    Ok(pending)
}

//! "Full conflicted set", with "auth difference" and "conflicted state subgraph".

use super::base::{Base, Chain};
use super::budget::{Budget, TooCostly};
use super::conflicts::{Conflicts, ForkSet};
use super::index_map::EventSet;
use crate::auth_graph::{AuthGraph, EventIndex};

/// Returns "the union of the conflicted state set, the conflicted state subgraph, and the auth difference".
pub(super) fn full(
    graph: &AuthGraph,
    base: &Base,
    conflicts: &Conflicts,
    includes_subgraph: bool,
    budget: &mut Budget,
) -> Result<EventSet, TooCostly> {
    let mut full = EventSet::new(graph.len());
    for (event, _) in conflicts.candidates() {
        full.insert(*event);
    }
    let subgraph = if includes_subgraph { subgraph(graph, &full, budget)? } else { Vec::new() };
    let auth_difference = auth_difference(graph, base, conflicts, budget)?;
    for event in subgraph.into_iter().chain(auth_difference) {
        full.insert(event);
    }
    Ok(full)
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
    let candidates = conflicts.candidates().map(|(event, _)| *event);
    let walked = walk(graph, candidates, |event| !common.contains(event), budget)?;
    // The forks that have an event in their state, and those that have it in their auth chain.
    let mut held = vec![ForkSet::default(); walked.as_slice().len()];
    let mut chained = held.clone();
    for (event, forks) in conflicts.candidates() {
        if let Some(at) = walked.place(*event) {
            held[at].add_all(forks);
        }
    }
    for (at, event) in walked.as_slice().iter().enumerate().rev() {
        let mut forks = std::mem::take(&mut held[at]);
        forks.add_all(&chained[at]);
        for cited in graph.node(*event).cited.iter().filter_map(|cited| walked.place(*cited)) {
            budget.visit(forks.words())?;
            chained[cited].add_all(&forks);
        }
    }
    let everywhere = ForkSet::all(conflicts.forks);
    let is_in_some = |forks: &ForkSet| *forks != ForkSet::default() && *forks != everywhere;
    let found = walked.as_slice().iter().zip(&chained).filter(|(_, forks)| is_in_some(forks));
    Ok(found.map(|(event, _)| *event).collect())
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
fn subgraph(graph: &AuthGraph, conflicted: &EventSet, budget: &mut Budget) -> Result<Vec<EventIndex>, TooCostly> {
    // Events cite smaller numbers, so nothing below the smallest leads to a conflicted event.
    let Some(smallest) = conflicted.as_slice().iter().min().copied() else { return Ok(Vec::new()) };
    let walked = walk(graph, conflicted.as_slice().iter().copied(), |event| event >= smallest, budget)?;
    let mut leads_there = EventSet::new(graph.len());
    for event in walked.as_slice().iter().copied() {
        budget.visit(graph.node(event).cited.len())?;
        let leads = |cited: &EventIndex| leads_there.contains(*cited);
        if conflicted.contains(event) || graph.node(event).cited.iter().any(leads) {
            leads_there.insert(event);
        }
    }
    Ok(leads_there.as_slice().to_vec())
}

/// Returns `from` and all that they cite, directly or not, through events that `goes_through` admits. Cited events come first.
fn walk(
    graph: &AuthGraph,
    from: impl Iterator<Item = EventIndex>,
    goes_through: impl Fn(EventIndex) -> bool,
    budget: &mut Budget,
) -> Result<EventSet, TooCostly> {
    let mut walked = EventSet::new(graph.len());
    for event in from {
        walked.insert(event);
    }
    let mut at = 0;
    while let Some(event) = walked.as_slice().get(at).copied() {
        at += 1;
        budget.visit(1 + graph.node(event).cited.len())?;
        for cited in graph.node(event).cited.iter().copied().filter(|cited| goes_through(*cited)) {
            walked.insert(cited);
        }
    }
    walked.sort();
    Ok(walked)
}

//! "Full conflicted set", with "auth difference" and "conflicted state subgraph".

use super::base::{Base, Chain};
use super::budget::{Budget, TooCostly};
use super::conflicts::Conflicts;
use super::index_map::{Bits, EventSet};
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
    for event in conflicts.candidates() {
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
/// The unconflicted events and what they cite are in the auth chain of every fork, so only the chains of the conflicted events
/// are walked, and only down to there. By the letter an event is not in its own auth chain, so that one which all forks hold, but
/// which only some cite, would differ; for Synapse it does not, and rooms would split.
fn auth_difference(
    graph: &AuthGraph,
    base: &Base,
    conflicts: &Conflicts,
    budget: &mut Budget,
) -> Result<Vec<EventIndex>, TooCostly> {
    let common = unconflicted_chain(graph, base, conflicts, budget)?;
    let candidates = conflicts.candidates();
    let walked = walk(graph, candidates.iter().copied(), |event| !common.reaches(event), budget)?;
    let places = walked.places(graph.len());
    // The forks that have an event in their state, and those that have it in their auth chain.
    let mut held = conflicts.sets().empty(walked.as_slice().len());
    let mut chained = held.clone();
    for (candidate, event) in candidates.iter().enumerate() {
        if let Some(at) = places.get(event.at()) {
            held.add(at, conflicts.sets().get(candidate));
        }
    }
    for (at, event) in walked.as_slice().iter().enumerate().rev() {
        held.add(at, chained.get(at));
        for cited in graph.cited(*event).iter().filter_map(|cited| places.get(cited.at())) {
            budget.visit(held.words())?;
            chained.add(cited, held.get(at));
        }
    }
    let is_in_some = |at: usize| {
        let forks: usize = chained.get(at).iter().map(|word| word.count_ones() as usize).sum();
        forks > 0 && forks < conflicts.forks
    };
    let found = walked.as_slice().iter().enumerate().filter(|(at, _)| is_in_some(*at));
    Ok(found.map(|(_, event)| *event).collect())
}

/// Returns the events that all forks agree on, with their auth chain.
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
        budget.visit(graph.cited(event).len())?;
        let leads = |cited: &EventIndex| leads_there.contains(*cited);
        if conflicted.contains(event) || graph.cited(event).iter().any(leads) {
            leads_there.insert(event);
        }
    }
    Ok(leads_there.as_slice().to_vec())
}

/// Returns `from` and all that they cite, directly or not, through events that `goes_through` admits, which is asked once of
/// each. Cited events come first.
fn walk(
    graph: &AuthGraph,
    from: impl Iterator<Item = EventIndex>,
    goes_through: impl Fn(EventIndex) -> bool,
    budget: &mut Budget,
) -> Result<EventSet, TooCostly> {
    let mut walked = EventSet::new(graph.len());
    let mut asked = Bits::new(graph.len());
    for event in from {
        asked.set(event.at());
        walked.insert(event);
    }
    let mut at = 0;
    while let Some(event) = walked.as_slice().get(at).copied() {
        at += 1;
        budget.visit(1 + graph.cited(event).len())?;
        for cited in graph.cited(event).iter().copied() {
            if asked.set(cited.at()) && goes_through(cited) {
                walked.insert(cited);
            }
        }
    }
    walked.sort();
    Ok(walked)
}

//! "Power events" and "reverse topological power ordering".

use std::cmp::{Ordering, Reverse};

use defects::Defect;

use super::budget::{Budget, TooCostly};
use super::index_map::{EventSet, LeastFirst, Places};
use crate::auth_graph::{AuthGraph, EventIndex};

/// Returns the power events of the set and what they cite within it, in reverse topological power ordering.
pub(super) fn sort(graph: &AuthGraph, set: &EventSet, budget: &mut Budget) -> Result<Vec<EventIndex>, TooCostly> {
    let events = collect(graph, set, budget)?;
    // From here on an event is its rank: what comes first among those that could come next.
    let ranked = in_order_of_rank(graph, events.as_slice());
    let mut ranks = Places::new(graph.len());
    ranked.iter().enumerate().for_each(|(rank, event)| ranks.set(event.at(), rank));
    let citing = Citing::of(graph, &ranked, &ranks);
    let mut uncited = citing.uncited.clone();
    let mut free = LeastFirst::new(ranked.len());
    (0..ranked.len()).filter(|rank| uncited[*rank] == 0).for_each(|rank| free.insert(rank));
    let mut sorted = Vec::with_capacity(ranked.len());
    while let Some(rank) = free.pop() {
        sorted.push(ranked[rank]);
        for citing in citing.of_rank(rank).iter().map(|rank| *rank as usize) {
            uncited[citing] -= 1;
            if uncited[citing] == 0 {
                free.insert(citing);
            }
        }
    }
    Ok(sorted)
}

/// "For each such power event *P*, enlarge *X* by adding the events in the auth chain of *P* which also belong to the
/// full conflicted set."
///
/// Followed only through events of the set. In version 12 that is all of the auth chain that matters, since the set has
/// all paths between its events. Before, an event that can be reached only through others is, by the letter, to be
/// added too; Synapse does not, nor does any other server, and rooms would split.
fn collect(graph: &AuthGraph, set: &EventSet, budget: &mut Budget) -> Result<EventSet, TooCostly> {
    let mut events = EventSet::new(graph.len());
    for event in set.as_slice().iter().filter(|event| graph.node(**event).is_power_event) {
        events.insert(*event);
    }
    let mut at = 0;
    while let Some(event) = events.as_slice().get(at).copied() {
        at += 1;
        let cited = graph.cited(event);
        budget.visit(1 + cited.len())?;
        for cited in cited.iter().filter(|cited| set.contains(**cited)) {
            events.insert(*cited);
        }
    }
    Ok(events)
}

/// The highest level of the sender first, then the earliest, then the smallest id.
fn in_order_of_rank(graph: &AuthGraph, events: &[EventIndex]) -> Vec<EventIndex> {
    let rank = |event: &EventIndex| {
        let node = graph.node(*event);
        (Reverse(node.sender_level), node.origin_server_ts, *event)
    };
    let mut ranked: Vec<_> = events.iter().map(rank).collect();
    ranked.sort_unstable_by(|one, other| {
        if defects::is_on(Defect::WrongSortKey) {
            return one.2.cmp(&other.2);
        }
        (one.0, one.1).cmp(&(other.0, other.1)).then_with(|| by_id(graph, one.2, other.2))
    });
    ranked.into_iter().map(|(_, _, event)| event).collect()
}

/// The order of the ids of two events.
pub(super) fn by_id(graph: &AuthGraph, one: EventIndex, other: EventIndex) -> Ordering {
    graph.event(one).event_id().cmp(graph.event(other).event_id())
}

/// Who cites whom among some events, under their ranks.
struct Citing {
    /// For each event, how many it cites.
    uncited: Vec<u32>,
    /// Where in `citing` those stand that cite an event; one entry more than there are events.
    starts: Vec<usize>,
    citing: Vec<u32>,
}

impl Citing {
    fn of(graph: &AuthGraph, ranked: &[EventIndex], ranks: &Places) -> Self {
        let mut uncited = vec![0; ranked.len()];
        let mut starts = vec![0; ranked.len() + 1];
        let cited_by = |event: &EventIndex| graph.cited(*event).iter().filter_map(|cited| ranks.get(cited.at()));
        for (rank, event) in ranked.iter().enumerate() {
            for cited in cited_by(event) {
                uncited[rank] += 1;
                starts[cited + 1] += 1;
            }
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut free = starts.clone();
        let mut citing = vec![0; starts.last().copied().unwrap_or(0)];
        for (rank, event) in (0_u32..).zip(ranked) {
            for cited in cited_by(event) {
                citing[free[cited]] = rank;
                free[cited] += 1;
            }
        }
        Self { uncited, starts, citing }
    }

    fn of_rank(&self, rank: usize) -> &[u32] {
        &self.citing[self.starts[rank]..self.starts[rank + 1]]
    }
}

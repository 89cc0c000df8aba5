//! "Power events" and "reverse topological power ordering".

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::budget::{Budget, TooCostly};
use super::index_map::EventSet;
use crate::auth_graph::{AuthGraph, EventIndex};
use crate::id::EventId;
use crate::power::Level;

/// Where an event stands among those that could come next: the smallest comes first.
type Rank<'a> = (Reverse<Level>, i64, &'a EventId);

/// Returns the power events of the set and what they cite within it, in reverse topological power ordering.
pub(super) fn sort(graph: &AuthGraph, set: &EventSet, budget: &mut Budget) -> Result<Vec<EventIndex>, TooCostly> {
    let mut edges = Edges::collect(graph, set, budget)?;
    let events = edges.events.as_slice();
    let nothing_cited = (0..events.len()).filter(|at| edges.uncited[*at] == 0);
    let mut heap: BinaryHeap<Reverse<(Rank<'_>, usize)>> =
        nothing_cited.map(|at| Reverse((rank(graph, events[at]), at))).collect();
    let mut sorted = Vec::with_capacity(events.len());
    while let Some(Reverse((_, at))) = heap.pop() {
        sorted.push(events[at]);
        for citing in std::mem::take(&mut edges.citing[at]) {
            edges.uncited[citing] -= 1;
            if edges.uncited[citing] == 0 {
                heap.push(Reverse((rank(graph, events[citing]), citing)));
            }
        }
    }
    Ok(sorted)
}

/// The edges between power events and what they cite within the full conflicted set. All lists go by an event's place in the
/// first.
struct Edges {
    events: EventSet,
    /// For each event, how many of those that it cites have no place in the order yet.
    uncited: Vec<usize>,
    /// For each event, those that cite it.
    citing: Vec<Vec<usize>>,
}

impl Edges {
    /// "For each such power event *P*, enlarge *X* by adding the events in the auth chain of *P* which also belong to the
    /// full conflicted set."
    ///
    /// Followed only through events of the set. In version 12 that is all of the auth chain that matters, since the set has
    /// all paths between its events. Before, an event that can be reached only through others is, by the letter, to be
    /// added too; Synapse does not, nor does any other server, and rooms would split.
    fn collect(graph: &AuthGraph, set: &EventSet, budget: &mut Budget) -> Result<Self, TooCostly> {
        let mut edges = Self { events: EventSet::new(graph.len()), uncited: Vec::new(), citing: Vec::new() };
        for event in set.as_slice().iter().filter(|event| graph.node(**event).is_power_event) {
            edges.place(*event);
        }
        let mut at = 0;
        while let Some(event) = edges.events.as_slice().get(at).copied() {
            let node = graph.node(event);
            budget.visit(1 + node.cited.len())?;
            for cited in node.cited.iter().copied().filter(|cited| set.contains(*cited)) {
                let cited = edges.place(cited);
                edges.citing[cited].push(at);
                edges.uncited[at] += 1;
            }
            at += 1;
        }
        Ok(edges)
    }

    /// Returns the place of `event`, at the end if it has none yet.
    fn place(&mut self, event: EventIndex) -> usize {
        if self.events.insert(event) {
            self.uncited.push(0);
            self.citing.push(Vec::new());
        }
        self.events.place(event).unwrap_or_default()
    }
}

fn rank(graph: &AuthGraph, event: EventIndex) -> Rank<'_> {
    let node = graph.node(event);
    (Reverse(node.sender_level), node.event.origin_server_ts(), node.event.event_id())
}

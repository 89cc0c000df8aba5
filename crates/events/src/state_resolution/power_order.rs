//! "Power events" and "reverse topological power ordering".

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::budget::{Budget, TooCostly};
use super::conflicted_set::FullConflictedSet;
use super::index_map::IndexMap;
use crate::auth_graph::{AuthGraph, EventIndex, Node};
use crate::id::EventId;
use crate::membership::Membership;
use crate::power::Level;

/// Where an event stands among those that could come next: the smallest comes first.
type Rank<'a> = (Reverse<Level>, i64, &'a EventId);

/// Returns the power events of the set and what they cite within it, in reverse topological power ordering.
pub(super) fn sort(
    graph: &AuthGraph,
    set: &FullConflictedSet,
    budget: &mut Budget,
) -> Result<Vec<EventIndex>, TooCostly> {
    let mut edges = Edges::collect(graph, set, budget)?;
    let nothing_cited = (0..edges.events.len()).filter(|at| edges.uncited[*at] == 0);
    let mut heap: BinaryHeap<Reverse<(Rank<'_>, usize)>> =
        nothing_cited.map(|at| Reverse((rank(graph, edges.events[at]), at))).collect();
    let mut sorted = Vec::with_capacity(edges.events.len());
    while let Some(Reverse((_, at))) = heap.pop() {
        sorted.push(edges.events[at]);
        for citing in std::mem::take(&mut edges.citing[at]) {
            edges.uncited[citing] -= 1;
            if edges.uncited[citing] == 0 {
                heap.push(Reverse((rank(graph, edges.events[citing]), citing)));
            }
        }
    }
    Ok(sorted)
}

/// The edges between power events and what they cite within the full conflicted set. All lists go by an event's place in the
/// first.
#[derive(Default)]
struct Edges {
    events: Vec<EventIndex>,
    /// For each event, how many of those that it cites have no place in the order yet.
    uncited: Vec<usize>,
    /// For each event, those that cite it.
    citing: Vec<Vec<usize>>,
    places: IndexMap<EventIndex, usize>,
}

impl Edges {
    /// "For each such power event *P*, enlarge *X* by adding the events in the auth chain of *P* which also belong to the
    /// full conflicted set."
    ///
    /// Followed only through events of the set. In version 12 that is all of the auth chain that matters, since the set has
    /// all paths between its events. Before, an event that can be reached only through others is, by the letter, to be
    /// added too; Synapse does not, nor does any other server, and rooms would split.
    fn collect(graph: &AuthGraph, set: &FullConflictedSet, budget: &mut Budget) -> Result<Self, TooCostly> {
        let mut edges = Self::default();
        for event in set.iter().filter(|event| is_power_event(graph.node(*event))) {
            edges.place(event);
        }
        let mut at = 0;
        while let Some(event) = edges.events.get(at).copied() {
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
        *self.places.entry(event).or_insert_with(|| {
            self.events.push(event);
            self.uncited.push(0);
            self.citing.push(Vec::new());
            self.events.len() - 1
        })
    }
}

/// Says whether the event "might remove someone's ability to do something in the room".
///
/// Power levels and join rules count with an empty state key only, and a create event counts too, as Synapse has it.
fn is_power_event(node: &Node) -> bool {
    let event = &node.event;
    match event.event_type() {
        "m.room.power_levels" | "m.room.join_rules" | "m.room.create" => event.state_key() == Some(""),
        "m.room.member" => {
            let removes = matches!(event.membership(), Some(Membership::Leave | Membership::Ban));
            removes && event.state_key() != Some(event.sender().as_str())
        }
        _ => false,
    }
}

fn rank(graph: &AuthGraph, event: EventIndex) -> Rank<'_> {
    let node = graph.node(event);
    (Reverse(node.sender_level), node.event.origin_server_ts(), node.event.event_id())
}

//! "Power events" and "reverse topological power ordering".

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::budget::{Budget, TooCostly};
use super::conflicted_set::FullConflictedSet;
use super::index_map::IndexMap;
use crate::auth_graph::{AuthGraph, EventIndex, Node};
use crate::id::EventId;
use crate::membership::Membership;
use crate::power::{Level, Levels};

/// Where an event stands among those that could come next: the smallest comes first.
type Rank<'a> = (Reverse<Level>, i64, &'a EventId);

/// Returns the power events of the set and what they cite within it, in reverse topological power ordering.
pub(super) fn sort(
    graph: &AuthGraph,
    set: &FullConflictedSet,
    budget: &mut Budget,
) -> Result<Vec<EventIndex>, TooCostly> {
    let mut edges = Edges::collect(graph, set, budget)?;
    let ready = edges.uncited.iter().filter(|(_, cited)| **cited == 0).map(|(event, _)| *event);
    let mut heap: BinaryHeap<Reverse<(Rank<'_>, EventIndex)>> =
        ready.map(|event| Reverse((rank(graph, event), event))).collect();
    let mut sorted = Vec::with_capacity(edges.uncited.len());
    while let Some(Reverse((_, event))) = heap.pop() {
        sorted.push(event);
        for citing in edges.citing.remove(&event).unwrap_or_default() {
            let left = edges.uncited.entry(citing).or_default();
            *left -= 1;
            if *left == 0 {
                heap.push(Reverse((rank(graph, citing), citing)));
            }
        }
    }
    Ok(sorted)
}

/// The edges between power events and what they cite within the full conflicted set.
#[derive(Default)]
struct Edges {
    /// For each event, how many of those that it cites have no place in the order yet.
    uncited: IndexMap<EventIndex, usize>,
    /// For each event, those that cite it.
    citing: IndexMap<EventIndex, Vec<EventIndex>>,
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
        let mut pending: Vec<EventIndex> = set.iter().filter(|event| is_power_event(graph.node(*event))).collect();
        while let Some(event) = pending.pop() {
            if edges.uncited.contains_key(&event) {
                continue;
            }
            let node = graph.node(event);
            budget.visit(1 + node.cited.len())?;
            let mut uncited = 0;
            for cited in node.cited.iter().copied().filter(|cited| set.contains(*cited)) {
                uncited += 1;
                edges.citing.entry(cited).or_default().push(event);
                pending.push(cited);
            }
            edges.uncited.insert(event, uncited);
        }
        Ok(edges)
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
    (Reverse(sender_level(graph, node)), node.event.origin_server_ts(), node.event.event_id())
}

/// Returns the sender's level "when looking at their respective `auth_event`s".
fn sender_level(graph: &AuthGraph, node: &Node) -> Level {
    let Some(create) = node.create else { return Level::Points(0) };
    let power_levels = node.power_levels.map(|index| graph.event(index));
    Levels::new(graph.event(create), power_levels).user_level(node.event.sender())
}

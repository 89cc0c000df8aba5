//! "Mainline ordering."

use std::cmp::Reverse;

use super::budget::{Budget, TooCostly};
use super::index_map::IndexMap;
use crate::auth_graph::{AuthGraph, EventIndex};

/// Past the end of the mainline: where events stand that cite none of it.
const NOWHERE: u32 = u32::MAX;

/// Orders `events` by the mainline of `power_levels`, from the earliest to the latest.
pub(super) fn sort(
    graph: &AuthGraph,
    mut events: Vec<EventIndex>,
    power_levels: Option<EventIndex>,
    budget: &mut Budget,
) -> Result<Vec<EventIndex>, TooCostly> {
    let mut positions: IndexMap<EventIndex, u32> = IndexMap::default();
    for (position, power_levels) in (0..NOWHERE).zip(chain(graph, power_levels)) {
        budget.visit(1)?;
        positions.insert(power_levels, position);
    }
    let mut ranked = Vec::with_capacity(events.len());
    for event in events.drain(..) {
        let position = position_of(graph, graph.node(event).power_levels, &mut positions, budget)?;
        let event_ref = graph.event(event);
        ranked.push((Reverse(position), event_ref.origin_server_ts(), event_ref.event_id(), event));
    }
    ranked.sort_unstable();
    Ok(ranked.into_iter().map(|(_, _, _, event)| event).collect())
}

/// Returns power levels, those that they cite, and so on.
fn chain(graph: &AuthGraph, from: Option<EventIndex>) -> impl Iterator<Item = EventIndex> {
    std::iter::successors(from, |event| graph.node(*event).power_levels)
}

/// Returns the position of the first event of the mainline on the chain from `from`, and notes it for the whole way there.
fn position_of(
    graph: &AuthGraph,
    from: Option<EventIndex>,
    positions: &mut IndexMap<EventIndex, u32>,
    budget: &mut Budget,
) -> Result<u32, TooCostly> {
    let mut way = Vec::new();
    let mut position = NOWHERE;
    for event in chain(graph, from) {
        budget.visit(1)?;
        if let Some(known) = positions.get(&event) {
            position = *known;
            break;
        }
        way.push(event);
    }
    positions.extend(way.into_iter().map(|event| (event, position)));
    Ok(position)
}

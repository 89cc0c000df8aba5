//! "Mainline ordering."

use std::cmp::Reverse;

use defects::Defect;

use super::budget::{Budget, TooCostly};
use super::index_map::Places;
use super::power_order::by_id;
use crate::auth_graph::{AuthGraph, EventIndex};

/// Past the end of the mainline: where events stand that cite none of it.
const NOWHERE: usize = u32::MAX as usize - 1;

/// Orders `events` by the mainline of `power_levels`, from the earliest to the latest.
pub(super) fn sort(
    graph: &AuthGraph,
    events: Vec<EventIndex>,
    power_levels: Option<EventIndex>,
    budget: &mut Budget,
) -> Result<Vec<EventIndex>, TooCostly> {
    let mut positions = Places::new(graph.len());
    for (position, power_levels) in chain(graph, power_levels).enumerate() {
        budget.visit(1)?;
        positions.set(power_levels.at(), position);
    }
    let mut ranked = Vec::with_capacity(events.len());
    for event in events {
        let node = graph.node(event);
        let position = position_of(graph, node.power_levels, &mut positions, budget)?;
        ranked.push((Reverse(position), node.origin_server_ts, event));
    }
    ranked.sort_unstable_by(|one, other| {
        (one.0, one.1).cmp(&(other.0, other.1)).then_with(|| by_id(graph, one.2, other.2))
    });
    if defects::is_on(Defect::MainlineBackwards) {
        ranked.reverse();
    }
    Ok(ranked.into_iter().map(|(_, _, event)| event).collect())
}

/// Returns power levels, those that they cite, and so on.
fn chain(graph: &AuthGraph, from: Option<EventIndex>) -> impl Iterator<Item = EventIndex> {
    std::iter::successors(from, |event| graph.node(*event).power_levels)
}

/// Returns the position of the first event of the mainline on the chain from `from`, and notes it for the whole way there.
fn position_of(
    graph: &AuthGraph,
    from: Option<EventIndex>,
    positions: &mut Places,
    budget: &mut Budget,
) -> Result<usize, TooCostly> {
    let mut unknown = 0;
    let mut position = NOWHERE;
    for event in chain(graph, from) {
        budget.visit(1)?;
        if let Some(known) = positions.get(event.at()) {
            position = known;
            break;
        }
        unknown += 1;
    }
    chain(graph, from).take(unknown).for_each(|event| positions.set(event.at(), position));
    Ok(position)
}

//! A state with what resolution needs to know of its auth chain.

use super::budget::{Budget, TooCostly};
use super::index_map::IndexMap;
use crate::auth_graph::{AuthGraph, EventIndex, StateMap};

/// A state with the auth chain below it, prepared once for any number of resolutions on top of it.
///
/// It stays valid while the graph grows. Takes four bytes for each event of the graph.
#[derive(Debug, Clone)]
pub struct Base {
    state: StateMap,
    /// For each event of the graph, how often events of the state and of its auth chain cite it.
    citations: Vec<u32>,
}

/// The auth chain of a state that differs from a [`Base`]: events that lose or gain their last citation leave or enter it.
pub(super) struct Chain<'a> {
    graph: &'a AuthGraph,
    base: &'a Base,
    /// For each event, how many citations more (or, wrapping around, fewer) than in the base.
    difference: Vec<u32>,
    held: IndexMap<EventIndex, bool>,
}

impl Base {
    /// Prepares `state`, by one walk over the graph.
    pub fn new(graph: &AuthGraph, state: StateMap) -> Self {
        let mut citations = vec![0_u32; graph.len()];
        let mut present = vec![false; graph.len()];
        let mut pending: Vec<EventIndex> = state.iter().map(|(_, event)| event).collect();
        while let Some(event) = pending.pop() {
            if std::mem::replace(&mut present[event.at()], true) {
                continue;
            }
            for cited in &graph.node(event).cited {
                citations[cited.at()] += 1;
                pending.push(*cited);
            }
        }
        Self { state, citations }
    }

    /// The state.
    pub fn state(&self) -> &StateMap {
        &self.state
    }
}

impl<'a> Chain<'a> {
    pub(super) fn new(graph: &'a AuthGraph, base: &'a Base) -> Self {
        Self { graph, base, difference: vec![0; graph.len()], held: IndexMap::default() }
    }

    /// Says whether an event of the state, directly or not, cites `event`.
    pub(super) fn contains(&self, event: EventIndex) -> bool {
        self.citations_of(event) > 0
    }

    /// Takes `event` out of the state.
    pub(super) fn drop_event(&mut self, event: EventIndex, budget: &mut Budget) -> Result<(), TooCostly> {
        self.held.insert(event, false);
        let mut leaving = if self.contains(event) { Vec::new() } else { vec![event] };
        while let Some(event) = leaving.pop() {
            for cited in &self.graph.node(event).cited {
                budget.visit(1)?;
                self.change(*cited, u32::MAX);
                if self.citations_of(*cited) == 0 && !self.holds(*cited) {
                    leaving.push(*cited);
                }
            }
        }
        Ok(())
    }

    /// Puts `event` into the state.
    pub(super) fn hold_event(&mut self, event: EventIndex, budget: &mut Budget) -> Result<(), TooCostly> {
        let was_held = self.holds(event);
        self.held.insert(event, true);
        let mut entering = if was_held || self.contains(event) { Vec::new() } else { vec![event] };
        while let Some(event) = entering.pop() {
            for cited in &self.graph.node(event).cited {
                budget.visit(1)?;
                let is_new = !self.contains(*cited);
                self.change(*cited, 1);
                if is_new && !self.holds(*cited) {
                    entering.push(*cited);
                }
            }
        }
        Ok(())
    }

    fn citations_of(&self, event: EventIndex) -> u32 {
        let in_base = self.base.citations.get(event.at()).copied().unwrap_or(0);
        in_base.wrapping_add(self.difference[event.at()])
    }

    fn change(&mut self, event: EventIndex, by: u32) {
        let difference = &mut self.difference[event.at()];
        *difference = difference.wrapping_add(by);
    }

    fn holds(&self, event: EventIndex) -> bool {
        let in_base = || self.base.state.get(self.graph.state_key_of(event)) == Some(event);
        self.held.get(&event).copied().unwrap_or_else(in_base)
    }
}

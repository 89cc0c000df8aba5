//! A state with what resolution needs to know of its auth chain.

use super::budget::{Budget, TooCostly};
use super::index_map::Bits;
use crate::auth_graph::{AuthGraph, Difference, EventIndex, StateMap};

/// A state with the auth chain below it, prepared once for any number of resolutions on top of it.
///
/// It stays valid while the graph grows. Takes four bytes for each event of the graph.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    held: Bits,
    dropped: Bits,
}

impl Base {
    /// Prepares `state`, by one walk over the graph.
    pub fn new(graph: &AuthGraph, state: StateMap) -> Self {
        let mut base = Self { state: StateMap::default(), citations: Vec::new() };
        base.move_to(graph, &state);
        base
    }

    /// The state.
    pub fn state(&self) -> &StateMap {
        &self.state
    }

    /// Makes `state` the state. Costs as much as what differs, in the states and in what they cite.
    pub fn move_to(&mut self, graph: &AuthGraph, state: &StateMap) {
        self.citations.resize(graph.len(), 0);
        let old = std::mem::replace(&mut self.state, state.clone());
        let changes = old.diff(state);
        self.enter(graph, &old, &changes);
        self.leave(graph, &old, &changes);
    }

    /// Counts what new events of the state cite. All enter before any leaves, so that each event does so once at most.
    fn enter(&mut self, graph: &AuthGraph, old: &StateMap, changes: &Difference) {
        for (key, event) in changes.iter() {
            let Some(event) = event.filter(|event| self.citations[event.at()] == 0) else { continue };
            let mut entering = vec![event];
            while let Some(event) = entering.pop() {
                for cited in graph.cited(event).iter().copied() {
                    self.citations[cited.at()] += 1;
                    let cited_key = graph.state_key_of(cited);
                    let was_there = || {
                        let is_in = |state: &StateMap| state.get(cited_key) == Some(cited);
                        is_in(old) || cited_key <= key && is_in(&self.state)
                    };
                    if self.citations[cited.at()] == 1 && !was_there() {
                        entering.push(cited);
                    }
                }
            }
        }
    }

    /// Takes back what events cite that are no longer in the state.
    fn leave(&mut self, graph: &AuthGraph, old: &StateMap, changes: &Difference) {
        for (key, _) in changes.iter() {
            let Some(event) = old.get(key).filter(|event| self.citations[event.at()] == 0) else { continue };
            let mut leaving = vec![event];
            while let Some(event) = leaving.pop() {
                for cited in graph.cited(event).iter().copied() {
                    self.citations[cited.at()] -= 1;
                    let cited_key = graph.state_key_of(cited);
                    let stays = || {
                        let is_in = |state: &StateMap| state.get(cited_key) == Some(cited);
                        is_in(&self.state) || cited_key > key && is_in(old)
                    };
                    if self.citations[cited.at()] == 0 && !stays() {
                        leaving.push(cited);
                    }
                }
            }
        }
    }
}

impl<'a> Chain<'a> {
    pub(super) fn new(graph: &'a AuthGraph, base: &'a Base) -> Self {
        let (held, dropped) = (Bits::new(graph.len()), Bits::new(graph.len()));
        Self { graph, base, difference: vec![0; graph.len()], held, dropped }
    }

    /// Says whether `event` is in the state, or an event of the state cites it, directly or not.
    pub(super) fn reaches(&self, event: EventIndex) -> bool {
        self.contains(event) || self.holds(event)
    }

    /// Says whether an event of the state, directly or not, cites `event`.
    fn contains(&self, event: EventIndex) -> bool {
        self.citations_of(event) > 0
    }

    /// Takes `event` out of the state.
    pub(super) fn drop_event(&mut self, event: EventIndex, budget: &mut Budget) -> Result<(), TooCostly> {
        self.dropped.set(event.at());
        let mut leaving = if self.contains(event) { Vec::new() } else { vec![event] };
        while let Some(event) = leaving.pop() {
            for cited in self.graph.cited(event) {
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
        self.held.set(event.at());
        let mut entering = if was_held || self.contains(event) { Vec::new() } else { vec![event] };
        while let Some(event) = entering.pop() {
            for cited in self.graph.cited(event) {
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
        self.held.contains(event.at()) || !self.dropped.contains(event.at()) && in_base()
    }
}

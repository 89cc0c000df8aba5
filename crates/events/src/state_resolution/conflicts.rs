//! "Unconflicted state map and conflicted state set."

use super::base::Base;
use super::budget::{Budget, TooCostly};
use super::index_map::IndexMap;
use crate::auth_graph::{Difference, EventIndex, StateKeyIndex};

/// What the forks of a base agree on, and what they do not.
pub(super) struct Conflicts {
    pub(super) forks: usize,
    /// In the order of the keys' numbers.
    pub(super) conflicted: Vec<Conflict>,
    /// Where all forks agree on something else than the base.
    pub(super) agreed: Vec<(StateKeyIndex, Option<EventIndex>)>,
    /// Keys of both lists, with what all forks have: nothing where they are at odds.
    changed: IndexMap<StateKeyIndex, Option<EventIndex>>,
}

/// A key whose event is not the same in all forks.
pub(super) struct Conflict {
    pub(super) key: StateKeyIndex,
    pub(super) candidates: Vec<(EventIndex, ForkSet)>,
}

/// Some of the forks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForkSet(Vec<u64>);

impl Conflicts {
    pub(super) fn find(base: &Base, forks: &[Difference], budget: &mut Budget) -> Result<Self, TooCostly> {
        let entries = forks
            .iter()
            .enumerate()
            .flat_map(|(fork, difference)| difference.iter().map(move |(key, event)| (key, fork, event)));
        let mut entries: Vec<(StateKeyIndex, usize, Option<EventIndex>)> = entries.collect();
        budget.visit(entries.len())?;
        entries.sort_unstable_by_key(|(key, fork, _)| (*key, *fork));

        let mut found =
            Self { forks: forks.len(), conflicted: Vec::new(), agreed: Vec::new(), changed: IndexMap::default() };
        for of_key in entries.chunk_by(|one, other| one.0 == other.0) {
            found.add(base, of_key);
        }
        Ok(found)
    }

    /// Sorts one key in. `of_key` are the forks that differ from the base in it.
    fn add(&mut self, base: &Base, of_key: &[(StateKeyIndex, usize, Option<EventIndex>)]) {
        let (key, _, first) = of_key[0];
        let in_base = base.state().get(key);
        let all_forks_differ = of_key.len() == self.forks;
        let same = of_key.iter().all(|(_, _, event)| *event == first);
        if same && (all_forks_differ || first == in_base) {
            self.agreed.push((key, first));
            self.changed.insert(key, first);
            return;
        }
        let mut candidates: Vec<(EventIndex, ForkSet)> = Vec::new();
        let mut rest = 0..self.forks;
        for (_, fork, event) in of_key {
            // The forks before this one that are not listed have what the base has.
            for unlisted in rest.by_ref().take_while(|unlisted| unlisted != fork) {
                self.add_candidate(&mut candidates, in_base, unlisted);
            }
            self.add_candidate(&mut candidates, *event, *fork);
        }
        rest.for_each(|unlisted| self.add_candidate(&mut candidates, in_base, unlisted));
        self.conflicted.push(Conflict { key, candidates });
        self.changed.insert(key, None);
    }

    fn add_candidate(&self, candidates: &mut Vec<(EventIndex, ForkSet)>, event: Option<EventIndex>, fork: usize) {
        let Some(event) = event else { return };
        if let Some((_, set)) = candidates.iter_mut().find(|(other, _)| *other == event) {
            set.insert(fork);
            return;
        }
        let mut set = ForkSet::none(self.forks);
        set.insert(fork);
        candidates.push((event, set));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conflicted.is_empty()
    }

    pub(super) fn candidates(&self) -> impl Iterator<Item = &(EventIndex, ForkSet)> {
        self.conflicted.iter().flat_map(|conflict| &conflict.candidates)
    }

    /// What all forks have for `key`.
    pub(super) fn unconflicted(&self, base: &Base, key: StateKeyIndex) -> Option<EventIndex> {
        self.changed.get(&key).copied().unwrap_or_else(|| base.state().get(key))
    }

    /// What makes the unconflicted state of the base, if nothing is conflicted.
    pub(super) fn changes_of_unconflicted(&self, base: &Base) -> Difference {
        self.agreed.iter().copied().filter(|(key, event)| base.state().get(*key) != *event).collect()
    }
}

impl ForkSet {
    pub(super) fn none(forks: usize) -> Self {
        Self(vec![0; forks.div_ceil(64)])
    }

    pub(super) fn all(forks: usize) -> Self {
        let mut set = Self::none(forks);
        (0..forks).for_each(|fork| set.insert(fork));
        set
    }

    pub(super) fn insert(&mut self, fork: usize) {
        self.0[fork / 64] |= 1 << (fork % 64);
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    /// How many words a set has: what it costs to add one to another.
    pub(super) fn words(&self) -> usize {
        self.0.len()
    }

    pub(super) fn forks(&self) -> Vec<usize> {
        let has = |fork: &usize| self.0[fork / 64] >> (fork % 64) & 1 == 1;
        (0..self.0.len() * 64).filter(has).collect()
    }
}

//! "Unconflicted state map and conflicted state set."

use super::base::Base;
use super::budget::{Budget, TooCostly};
use crate::auth_graph::{Difference, EventIndex, StateKeyIndex};

/// What the forks of a base agree on, and what they do not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conflicts {
    pub(super) forks: usize,
    /// In the order of the keys' numbers.
    pub(super) conflicted: Vec<Conflict>,
    /// Where all forks agree on something else than the base, in the order of the keys' numbers.
    pub(super) agreed: Vec<(StateKeyIndex, Option<EventIndex>)>,
}

/// A key whose event is not the same in all forks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) key: StateKeyIndex,
    pub(super) candidates: Vec<(EventIndex, ForkSet)>,
}

/// Some of the forks: a bit for each, the first 64 without an allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ForkSet {
    first: u64,
    more: Vec<u64>,
}

/// What one fork has for a key: where it differs from the base.
type Entry = (StateKeyIndex, usize, Option<EventIndex>);

impl Conflicts {
    pub(super) fn find(base: &Base, forks: &[Difference], budget: &mut Budget) -> Result<Self, TooCostly> {
        let entries = forks
            .iter()
            .enumerate()
            .flat_map(|(fork, difference)| difference.iter().map(move |(key, event)| (key, fork, event)));
        let mut entries: Vec<Entry> = entries.collect();
        budget.visit(entries.len())?;
        entries.sort_unstable_by_key(|(key, fork, _)| (*key, *fork));

        let mut found = Self { forks: forks.len(), ..Self::default() };
        let everywhere = ForkSet::all(forks.len());
        for of_key in entries.chunk_by(|one, other| one.0 == other.0) {
            found.add(base, of_key, &everywhere);
        }
        Ok(found)
    }

    /// Sorts one key in. `of_key` are the forks that differ from the base in it.
    fn add(&mut self, base: &Base, of_key: &[Entry], everywhere: &ForkSet) {
        let (key, _, first) = of_key[0];
        let in_base = base.state().get(key);
        let all_differ = of_key.len() == self.forks;
        let all_are_same = of_key.iter().all(|(_, _, event)| *event == first);
        if all_are_same && (all_differ || first == in_base) {
            self.agreed.push((key, first));
            return;
        }
        let mut candidates: Vec<(EventIndex, ForkSet)> = Vec::new();
        let mut unchanged = everywhere.clone();
        for (_, fork, event) in of_key {
            unchanged.remove(*fork);
            if let Some(event) = event {
                set_of(&mut candidates, *event).insert(*fork);
            }
        }
        if let Some(event) = in_base.filter(|_| !unchanged.is_empty()) {
            set_of(&mut candidates, event).add_all(&unchanged);
        }
        self.conflicted.push(Conflict { key, candidates });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conflicted.is_empty()
    }

    pub(super) fn candidates(&self) -> impl Iterator<Item = &(EventIndex, ForkSet)> {
        self.conflicted.iter().flat_map(|conflict| &conflict.candidates)
    }

    /// What all forks have for `key`: nothing where they are at odds.
    pub(super) fn unconflicted(&self, base: &Base, key: StateKeyIndex) -> Option<EventIndex> {
        if let Ok(at) = self.agreed.binary_search_by_key(&key, |(key, _)| *key) {
            return self.agreed[at].1;
        }
        if self.conflicted.binary_search_by_key(&key, |conflict| conflict.key).is_ok() {
            return None;
        }
        base.state().get(key)
    }

    /// What makes the unconflicted state of the base, if nothing is conflicted.
    pub(super) fn changes_of_unconflicted(&self, base: &Base) -> Difference {
        self.agreed.iter().copied().filter(|(key, event)| base.state().get(*key) != *event).collect()
    }
}

/// Returns the forks that have `event`, among the candidates for a key.
fn set_of(candidates: &mut Vec<(EventIndex, ForkSet)>, event: EventIndex) -> &mut ForkSet {
    let at = candidates.iter().position(|(other, _)| *other == event).unwrap_or_else(|| {
        candidates.push((event, ForkSet::default()));
        candidates.len() - 1
    });
    &mut candidates[at].1
}

impl ForkSet {
    pub(super) fn all(forks: usize) -> Self {
        let mut set = Self::default();
        (0..forks).for_each(|fork| set.insert(fork));
        set
    }

    fn insert(&mut self, fork: usize) {
        *self.word(fork / 64) |= 1 << (fork % 64);
    }

    fn remove(&mut self, fork: usize) {
        *self.word(fork / 64) &= !(1 << (fork % 64));
    }

    fn word(&mut self, at: usize) -> &mut u64 {
        if at == 0 {
            return &mut self.first;
        }
        if self.more.len() < at {
            self.more.resize(at, 0);
        }
        &mut self.more[at - 1]
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        self.first |= other.first;
        if self.more.len() < other.more.len() {
            self.more.resize(other.more.len(), 0);
        }
        self.more.iter_mut().zip(&other.more).for_each(|(word, more)| *word |= more);
    }

    fn is_empty(&self) -> bool {
        self.first == 0 && self.more.iter().all(|word| *word == 0)
    }

    /// How many words a set has: what it costs to add one to another.
    pub(super) fn words(&self) -> usize {
        1 + self.more.len()
    }

    pub(super) fn forks(&self) -> Vec<usize> {
        let words = std::iter::once(&self.first).chain(&self.more).enumerate();
        words
            .flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| 64 * at + bit))
            .collect()
    }
}

//! "Unconflicted state map and conflicted state set."

use std::ops::Range;

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
    /// The candidates of all conflicts, one conflict's after the other.
    candidates: Vec<EventIndex>,
    /// For each candidate the forks that have it.
    sets: ForkSets,
}

/// A key whose event is not the same in all forks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) key: StateKeyIndex,
    /// Its candidates, by their places among all.
    pub(super) candidates: Range<usize>,
}

/// Sets of forks, one after the other: a bit for each fork.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ForkSets {
    words: usize,
    bits: Vec<u64>,
}

/// What a fork has for a key: where it differs from the base.
type Entry = (StateKeyIndex, u32, Option<EventIndex>);

impl Conflicts {
    pub(super) fn find(base: &Base, forks: &[Difference], budget: &mut Budget) -> Result<Self, TooCostly> {
        let entries: usize = forks.iter().map(Difference::len).sum();
        budget.visit(entries)?;
        let entries = (0_u32..).zip(forks);
        let entries = entries.flat_map(|(fork, changes)| changes.iter().map(move |(key, event)| (key, fork, event)));
        let mut entries: Vec<Entry> = entries.collect();
        // Each fork's are in order already, which a stable sort makes use of.
        entries.sort_by_key(|(key, _, _)| *key);

        let sets = ForkSets { words: forks.len().div_ceil(64), bits: Vec::new() };
        let mut everywhere = sets.empty(1);
        (0..forks.len()).for_each(|fork| everywhere.insert(0, fork));
        let mut found = Self { forks: forks.len(), sets, ..Self::default() };
        for of_key in entries.chunk_by(|one, other| one.0 == other.0) {
            found.add(base, of_key, everywhere.get(0));
        }
        Ok(found)
    }

    /// Sorts one key in. `of_key` are the forks that differ from the base in it.
    fn add(&mut self, base: &Base, of_key: &[Entry], everywhere: &[u64]) {
        let (key, _, first) = of_key[0];
        let in_base = base.state().get(key);
        let all_differ = of_key.len() == self.forks;
        let all_are_same = of_key.iter().all(|(_, _, event)| *event == first);
        if all_are_same && (all_differ || first == in_base) {
            self.agreed.push((key, first));
            return;
        }
        let from = self.candidates.len();
        if let Some(event) = in_base.filter(|_| !all_differ) {
            let at = self.candidate(from, event);
            self.sets.add(at, everywhere);
            of_key.iter().for_each(|(_, fork, _)| self.sets.remove(at, *fork as usize));
        }
        for (_, fork, event) in of_key {
            if let Some(event) = event {
                let at = self.candidate(from, *event);
                self.sets.insert(at, *fork as usize);
            }
        }
        self.conflicted.push(Conflict { key, candidates: from..self.candidates.len() });
    }

    /// Takes for agreed what `counts` leaves one candidate of, or none.
    pub(super) fn settle(&mut self, counts: impl Fn(EventIndex) -> bool) {
        let candidates = &self.candidates;
        let mut settled = Vec::new();
        self.conflicted.retain(|conflict| {
            let mut left = candidates[conflict.candidates.clone()].iter().copied().filter(|event| counts(*event));
            let first = left.next();
            let is_open = left.next().is_some();
            if !is_open {
                settled.push((conflict.key, first));
            }
            is_open
        });
        self.agreed.extend(settled);
        self.agreed.sort_unstable_by_key(|(key, _)| *key);
    }

    /// Returns the place of `event` among the candidates from `from` on, at the end if it has none yet.
    fn candidate(&mut self, from: usize, event: EventIndex) -> usize {
        let known = self.candidates[from..].iter().position(|other| *other == event);
        known.map_or_else(
            || {
                self.candidates.push(event);
                self.sets.push_empty();
                self.candidates.len() - 1
            },
            |at| from + at,
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conflicted.is_empty()
    }

    /// The candidates of all conflicts.
    pub(super) fn candidates(&self) -> &[EventIndex] {
        &self.candidates
    }

    /// The forks that have each of the candidates.
    pub(super) fn sets(&self) -> &ForkSets {
        &self.sets
    }

    /// What makes the unconflicted state of the base, if nothing is conflicted.
    pub(super) fn changes_of_unconflicted(&self, base: &Base) -> Difference {
        self.agreed.iter().copied().filter(|(key, event)| base.state().get(*key) != *event).collect()
    }
}

impl ForkSets {
    /// So many empty sets, of as many forks as `self` has.
    pub(super) fn empty(&self, sets: usize) -> Self {
        Self { words: self.words, bits: vec![0; sets * self.words] }
    }

    fn push_empty(&mut self) {
        self.bits.resize(self.bits.len() + self.words, 0);
    }

    fn insert(&mut self, at: usize, fork: usize) {
        self.bits[at * self.words + fork / 64] |= 1 << (fork % 64);
    }

    fn remove(&mut self, at: usize, fork: usize) {
        self.bits[at * self.words + fork / 64] &= !(1 << (fork % 64));
    }

    /// How many words a set has: what it costs to add one to another.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    pub(super) fn get(&self, at: usize) -> &[u64] {
        &self.bits[at * self.words..(at + 1) * self.words]
    }

    /// Adds the forks of `set`.
    pub(super) fn add(&mut self, at: usize, set: &[u64]) {
        let own = &mut self.bits[at * self.words..(at + 1) * self.words];
        own.iter_mut().zip(set).for_each(|(own, other)| *own |= other);
    }

    /// The forks of a set, in ascending order.
    pub(super) fn forks(&self, at: usize) -> Vec<usize> {
        let words = self.get(at).iter().enumerate();
        words
            .flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| 64 * at + bit))
            .collect()
    }
}

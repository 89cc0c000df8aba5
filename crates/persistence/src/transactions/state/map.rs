//! A whole state in memory.

use std::cmp::Ordering;

use super::Change;
use super::difference::Differing;
use crate::numbers::{EventNumber, StateKeyNumber};

/// The state of a room: at most one event for each key. Ordered by key number; 16 bytes an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateMap(Vec<(StateKeyNumber, EventNumber)>);

impl StateMap {
    /// `entries` must be in ascending order of their keys, each key once.
    pub(super) fn from_sorted(entries: Vec<(StateKeyNumber, EventNumber)>) -> Self {
        debug_assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
        Self(entries)
    }

    /// Returns the event at `key`.
    pub fn get(&self, key: StateKeyNumber) -> Option<EventNumber> {
        self.0.binary_search_by_key(&key, |entry| entry.0).ok().map(|at| self.0[at].1)
    }

    /// Every entry, in ascending order of the key numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (StateKeyNumber, EventNumber)> + '_ {
        self.0.iter().copied()
    }

    /// The same as a slice.
    pub fn as_slice(&self) -> &[(StateKeyNumber, EventNumber)] {
        &self.0
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns where `self` and `to` differ, in ascending order of the key numbers.
    pub fn diff(&self, to: &Self) -> Vec<Differing> {
        let mut differing = Vec::new();
        let (mut left, mut right) = (self.0.as_slice(), to.0.as_slice());
        while let (Some(&(old_key, old)), Some(&(new_key, new))) = (left.first(), right.first()) {
            match old_key.cmp(&new_key) {
                Ordering::Less => {
                    differing.push((old_key, Some(old), None));
                    left = &left[1..];
                }
                Ordering::Greater => {
                    differing.push((new_key, None, Some(new)));
                    right = &right[1..];
                }
                Ordering::Equal => {
                    if old != new {
                        differing.push((old_key, Some(old), Some(new)));
                    }
                    left = &left[1..];
                    right = &right[1..];
                }
            }
        }
        differing.extend(left.iter().map(|&(key, old)| (key, Some(old), None)));
        differing.extend(right.iter().map(|&(key, new)| (key, None, Some(new))));
        differing
    }

    /// Returns `self` with `changes` applied, which are in ascending order of their keys, each key once.
    pub(super) fn with(&self, changes: &[Change]) -> Self {
        let mut entries = Vec::with_capacity(self.0.len() + changes.len());
        let mut rest = self.0.as_slice();
        for &(key, change) in changes {
            let before = rest.partition_point(|entry| entry.0 < key);
            entries.extend_from_slice(&rest[..before]);
            rest = &rest[before..];
            if rest.first().is_some_and(|entry| entry.0 == key) {
                rest = &rest[1..];
            }
            entries.extend(change.map(|event| (key, event)));
        }
        entries.extend_from_slice(rest);
        Self(entries)
    }
}

//! A state of a room, and the difference between two.

use super::{EventIndex, StateKeyIndex};
use crate::shared_map::SharedMap;

/// A state of a room: which event holds for each (type, state key). In the order of the keys' numbers.
///
/// States share what they have in common, see [`SharedMap`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateMap(SharedMap<EventIndex>);

/// What makes one state of another: for each key that differs the event that holds, or `None` where no event does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference(Vec<(StateKeyIndex, Option<EventIndex>)>);

impl StateMap {
    /// The event that holds for `key`.
    pub fn get(&self, key: StateKeyIndex) -> Option<EventIndex> {
        self.0.get(key.at())
    }

    /// Lets `event` hold for `key`. Returns what held before.
    pub fn insert(&mut self, key: StateKeyIndex, event: EventIndex) -> Option<EventIndex> {
        self.0.insert(key.at(), event)
    }

    /// Lets no event hold for `key`. Returns what held before.
    pub fn remove(&mut self, key: StateKeyIndex) -> Option<EventIndex> {
        self.0.remove(key.at())
    }

    /// How many keys have an event.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether no key has an event.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys with their events, in the order of the keys' numbers.
    pub fn iter(&self) -> impl Iterator<Item = (StateKeyIndex, EventIndex)> {
        self.0.iter().map(|(at, event)| (StateKeyIndex::from_place(at), event))
    }

    /// Returns what makes `other` of this state.
    pub fn diff(&self, other: &Self) -> Difference {
        let mut changes = Vec::new();
        self.0.diff(&other.0, |at, _, event| changes.push((StateKeyIndex::from_place(at), event)));
        Difference(changes)
    }

    /// Returns this state with the changes.
    pub fn with(&self, changes: &Difference) -> Self {
        let mut state = self.clone();
        for (key, event) in changes.iter() {
            match event {
                Some(event) => state.insert(key, event),
                None => state.remove(key),
            };
        }
        state
    }
}

impl FromIterator<(StateKeyIndex, EventIndex)> for StateMap {
    /// In any order; of two events for a key the later holds.
    fn from_iter<I: IntoIterator<Item = (StateKeyIndex, EventIndex)>>(entries: I) -> Self {
        let mut state = Self::default();
        for (key, event) in entries {
            state.insert(key, event);
        }
        state
    }
}

impl Difference {
    /// What the difference says of `key`: nothing, that an event holds, or that none does.
    pub fn get(&self, key: StateKeyIndex) -> Option<Option<EventIndex>> {
        self.0.binary_search_by_key(&key, |(key, _)| *key).ok().map(|at| self.0[at].1)
    }

    /// How many keys differ.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether no key differs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All keys that differ, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (StateKeyIndex, Option<EventIndex>)> {
        self.0.iter().copied()
    }
}

impl FromIterator<(StateKeyIndex, Option<EventIndex>)> for Difference {
    /// In any order; of two changes of a key the later holds.
    fn from_iter<I: IntoIterator<Item = (StateKeyIndex, Option<EventIndex>)>>(entries: I) -> Self {
        Self(last_of_each_key(entries.into_iter().collect()))
    }
}

fn last_of_each_key<V: Copy>(mut entries: Vec<(StateKeyIndex, V)>) -> Vec<(StateKeyIndex, V)> {
    entries.sort_by_key(|(key, _)| *key);
    entries.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 = later.1;
        }
        same
    });
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(u32, u32)]) -> StateMap {
        entries.iter().map(|(key, event)| (StateKeyIndex(*key), EventIndex::from_place(*event as usize))).collect()
    }

    #[test]
    fn a_state_with_its_difference_to_another_is_the_other() {
        let states = [
            map(&[]),
            map(&[(1, 1)]),
            map(&[(1, 2), (3, 3)]),
            map(&[(2, 1), (3, 3), (9, 4)]),
            map(&[(9, 1), (3, 2), (3, 3)]),
            map(&[(9, 1), (31, 2), (32, 3), (1_023, 4), (1_024, 5), (70_000, 6)]),
            map(&[(9, 1), (31, 7), (33, 3), (1_025, 5)]),
        ];
        for one in &states {
            for other in &states {
                let difference = one.diff(other);
                assert_eq!(one.with(&difference), *other, "{one:?} to {other:?} by {difference:?}");
                assert_eq!(difference.is_empty(), one == other);
            }
        }
    }

    #[test]
    fn a_state_that_lost_its_last_entries_is_one_that_never_had_them() {
        let small = map(&[(1, 1)]);
        let mut state = small.clone();
        state.insert(StateKeyIndex(5_000), EventIndex::from_place(2));
        state.insert(StateKeyIndex(40), EventIndex::from_place(3));
        assert_eq!(state.len(), 3);
        assert_eq!(state.remove(StateKeyIndex(41)), None);
        assert_eq!(state.remove(StateKeyIndex(5_000)), Some(EventIndex::from_place(2)));
        assert_eq!(state.remove(StateKeyIndex(40)), Some(EventIndex::from_place(3)));
        assert_eq!(state, small);
        assert_eq!(state.iter().count(), 1);
        assert_eq!(small, map(&[(1, 1)]), "what shared its nodes is untouched");
    }

    #[test]
    fn of_two_events_for_a_key_the_later_holds() {
        let mut state = map(&[(7, 1), (2, 2), (7, 3)]);
        assert_eq!(state, map(&[(2, 2), (7, 3)]));
        assert_eq!(state.insert(StateKeyIndex(2), EventIndex::from_place(5)), Some(EventIndex::from_place(2)));
        assert_eq!(state.remove(StateKeyIndex(7)), Some(EventIndex::from_place(3)));
        assert_eq!(state, map(&[(2, 5)]));
    }
}

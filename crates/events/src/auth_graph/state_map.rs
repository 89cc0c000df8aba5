//! A state of a room, and the difference between two.

use std::cmp::Ordering;

use super::{EventIndex, StateKeyIndex};

/// A state of a room: which event holds for each (type, state key). In the order of the keys' numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateMap(Vec<(StateKeyIndex, EventIndex)>);

/// What makes one state of another: for each key that differs the event that holds, or `None` where no event does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference(Vec<(StateKeyIndex, Option<EventIndex>)>);

impl StateMap {
    /// The event that holds for `key`.
    pub fn get(&self, key: StateKeyIndex) -> Option<EventIndex> {
        self.0.binary_search_by_key(&key, |(key, _)| *key).ok().map(|at| self.0[at].1)
    }

    /// Lets `event` hold for `key`. Returns what held before.
    pub fn insert(&mut self, key: StateKeyIndex, event: EventIndex) -> Option<EventIndex> {
        match self.0.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, event)),
            Err(at) => {
                self.0.insert(at, (key, event));
                None
            }
        }
    }

    /// Lets no event hold for `key`. Returns what held before.
    pub fn remove(&mut self, key: StateKeyIndex) -> Option<EventIndex> {
        let at = self.0.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        Some(self.0.remove(at).1)
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
        self.0.iter().copied()
    }

    /// Returns what makes `other` of this state.
    pub fn diff(&self, other: &Self) -> Difference {
        let mut changes = Vec::new();
        let (mut ours, mut theirs) = (self.0.as_slice(), other.0.as_slice());
        loop {
            let order = match (ours.first(), theirs.first()) {
                (None, None) => return Difference(changes),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((our_key, _)), Some((their_key, _))) => our_key.cmp(their_key),
            };
            match order {
                Ordering::Less => changes.push((ours[0].0, None)),
                Ordering::Greater => changes.push((theirs[0].0, Some(theirs[0].1))),
                Ordering::Equal if ours[0].1 != theirs[0].1 => changes.push((theirs[0].0, Some(theirs[0].1))),
                Ordering::Equal => {}
            }
            ours = &ours[usize::from(order.is_le())..];
            theirs = &theirs[usize::from(order.is_ge())..];
        }
    }

    /// Returns this state with the changes.
    pub fn with(&self, changes: &Difference) -> Self {
        let mut entries = Vec::with_capacity(self.0.len() + changes.0.len());
        let mut rest = self.0.as_slice();
        for (key, event) in changes.iter() {
            let until = rest.partition_point(|(other, _)| *other < key);
            entries.extend_from_slice(&rest[..until]);
            rest = &rest[until..];
            rest = &rest[usize::from(rest.first().is_some_and(|(other, _)| *other == key))..];
            entries.extend(event.map(|event| (key, event)));
        }
        entries.extend_from_slice(rest);
        Self(entries)
    }
}

impl FromIterator<(StateKeyIndex, EventIndex)> for StateMap {
    /// In any order; of two events for a key the later holds.
    fn from_iter<I: IntoIterator<Item = (StateKeyIndex, EventIndex)>>(entries: I) -> Self {
        Self(last_of_each_key(entries.into_iter().collect()))
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
        entries.iter().map(|(key, event)| (StateKeyIndex(*key), EventIndex(*event))).collect()
    }

    #[test]
    fn a_state_with_its_difference_to_another_is_the_other() {
        let states = [
            map(&[]),
            map(&[(1, 1)]),
            map(&[(1, 2), (3, 3)]),
            map(&[(2, 1), (3, 3), (9, 4)]),
            map(&[(9, 1), (3, 2), (3, 3)]),
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
    fn of_two_events_for_a_key_the_later_holds() {
        let mut state = map(&[(7, 1), (2, 2), (7, 3)]);
        assert_eq!(state, map(&[(2, 2), (7, 3)]));
        assert_eq!(state.insert(StateKeyIndex(2), EventIndex(5)), Some(EventIndex(2)));
        assert_eq!(state.remove(StateKeyIndex(7)), Some(EventIndex(3)));
        assert_eq!(state, map(&[(2, 5)]));
    }
}

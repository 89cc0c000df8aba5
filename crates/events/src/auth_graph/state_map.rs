//! A state of a room, and the difference between two.

use std::sync::Arc;

use super::{EventIndex, StateKeyIndex};

/// Entries of a leaf, and leaves of a branch: small enough that a change copies little, large enough that few are needed.
const WIDTH: usize = 32;

/// A state of a room: which event holds for each (type, state key). In the order of the keys' numbers.
///
/// States share what they have in common: a copy costs nothing, a change three small nodes, and a comparison of states of
/// which one was made of the other what differs between them. Four bytes for each key that the room ever had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateMap {
    root: Arc<Root>,
    entries: usize,
}

/// No node is empty, and the last branch is there: so equal states are equal trees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Root(Vec<Option<Arc<Branch>>>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Branch([Option<Arc<Leaf>>; WIDTH]);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Leaf([Option<EventIndex>; WIDTH]);

/// What makes one state of another: for each key that differs the event that holds, or `None` where no event does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference(Vec<(StateKeyIndex, Option<EventIndex>)>);

/// Where the entry of a key lies.
struct Way {
    branch: usize,
    leaf: usize,
    entry: usize,
}

impl StateMap {
    /// The event that holds for `key`.
    pub fn get(&self, key: StateKeyIndex) -> Option<EventIndex> {
        let way = Way::to(key);
        self.root.0.get(way.branch)?.as_ref()?.0[way.leaf].as_ref()?.0[way.entry]
    }

    /// Lets `event` hold for `key`. Returns what held before.
    pub fn insert(&mut self, key: StateKeyIndex, event: EventIndex) -> Option<EventIndex> {
        let way = Way::to(key);
        let branches = &mut Arc::make_mut(&mut self.root).0;
        if branches.len() <= way.branch {
            branches.resize(way.branch + 1, None);
        }
        let branch = Arc::make_mut(branches[way.branch].get_or_insert_default());
        let leaf = Arc::make_mut(branch.0[way.leaf].get_or_insert_default());
        let before = leaf.0[way.entry].replace(event);
        self.entries += usize::from(before.is_none());
        before
    }

    /// Lets no event hold for `key`. Returns what held before.
    pub fn remove(&mut self, key: StateKeyIndex) -> Option<EventIndex> {
        let before = self.get(key)?;
        let way = Way::to(key);
        let branches = &mut Arc::make_mut(&mut self.root).0;
        let branch = Arc::make_mut(branches[way.branch].get_or_insert_default());
        let leaf = Arc::make_mut(branch.0[way.leaf].get_or_insert_default());
        leaf.0[way.entry] = None;
        if leaf.0.iter().all(Option::is_none) {
            branch.0[way.leaf] = None;
        }
        if branch.0.iter().all(Option::is_none) {
            branches[way.branch] = None;
        }
        while branches.last().is_some_and(Option::is_none) {
            branches.pop();
        }
        self.entries -= 1;
        Some(before)
    }

    /// How many keys have an event.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Says whether no key has an event.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// All keys with their events, in the order of the keys' numbers.
    pub fn iter(&self) -> impl Iterator<Item = (StateKeyIndex, EventIndex)> {
        let branches = self.root.0.iter().enumerate();
        let branches = branches.filter_map(|(at, branch)| Some((at, branch.as_ref()?)));
        let leaves = branches.flat_map(|(at, branch)| (at * WIDTH..).zip(&branch.0));
        let leaves = leaves.filter_map(|(at, leaf)| Some((at, leaf.as_ref()?)));
        let entries = leaves.flat_map(|(at, leaf)| (at * WIDTH..).zip(&leaf.0));
        entries.filter_map(|(at, event)| Some((StateKeyIndex::from_place(at), (*event)?)))
    }

    /// Returns what makes `other` of this state.
    pub fn diff(&self, other: &Self) -> Difference {
        let mut changes = Vec::new();
        if !Arc::ptr_eq(&self.root, &other.root) {
            for at in 0..self.root.0.len().max(other.root.0.len()) {
                diff_branches(at, self.branch(at), other.branch(at), &mut changes);
            }
        }
        Difference(changes)
    }

    fn branch(&self, at: usize) -> Option<&Arc<Branch>> {
        self.root.0.get(at)?.as_ref()
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

fn diff_branches(
    at: usize,
    ours: Option<&Arc<Branch>>,
    theirs: Option<&Arc<Branch>>,
    changes: &mut Vec<(StateKeyIndex, Option<EventIndex>)>,
) {
    if is_shared(ours, theirs) {
        return;
    }
    for place in 0..WIDTH {
        let ours = ours.and_then(|branch| branch.0[place].as_ref());
        let theirs = theirs.and_then(|branch| branch.0[place].as_ref());
        if is_shared(ours, theirs) {
            continue;
        }
        for entry in 0..WIDTH {
            let event = theirs.and_then(|leaf| leaf.0[entry]);
            if ours.and_then(|leaf| leaf.0[entry]) != event {
                let key = StateKeyIndex::from_place((at * WIDTH + place) * WIDTH + entry);
                changes.push((key, event));
            }
        }
    }
}

fn is_shared<T>(ours: Option<&Arc<T>>, theirs: Option<&Arc<T>>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl Way {
    fn to(key: StateKeyIndex) -> Self {
        let at = key.at();
        Self { branch: at / (WIDTH * WIDTH), leaf: at / WIDTH % WIDTH, entry: at % WIDTH }
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

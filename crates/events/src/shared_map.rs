//! A map from small numbers whose copies share what they have in common.

use std::sync::Arc;

/// Entries of a leaf, and leaves of a branch: small enough that a change copies little, large enough that few are needed.
const WIDTH: usize = 32;

/// A map from small numbers, in their order: a copy costs nothing, a change three small nodes, and a comparison of maps of
/// which one was made of the other what differs between them. Takes room up to the largest number, as an array would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedMap<V> {
    root: Arc<Root<V>>,
    entries: usize,
}

/// No node is empty, and the last branch is there: so equal maps are equal trees.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Root<V>(Vec<Option<Arc<Branch<V>>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Branch<V>([Option<Arc<Leaf<V>>>; WIDTH]);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Leaf<V>([Option<V>; WIDTH]);

/// Where the entry of a number lies.
struct Way {
    branch: usize,
    leaf: usize,
    entry: usize,
}

impl<V: Copy + Eq> SharedMap<V> {
    /// The value of `number`.
    pub fn get(&self, number: usize) -> Option<V> {
        let way = Way::to(number);
        self.branch(way.branch)?.0[way.leaf].as_ref()?.0[way.entry]
    }

    /// Sets the value of `number`. Returns what it was before.
    pub fn insert(&mut self, number: usize, value: V) -> Option<V> {
        let way = Way::to(number);
        let branches = &mut Arc::make_mut(&mut self.root).0;
        if branches.len() <= way.branch {
            branches.resize(way.branch + 1, None);
        }
        let branch = Arc::make_mut(branches[way.branch].get_or_insert_default());
        let leaf = Arc::make_mut(branch.0[way.leaf].get_or_insert_default());
        let before = leaf.0[way.entry].replace(value);
        self.entries += usize::from(before.is_none());
        before
    }

    /// Removes `number`. Returns the value it had.
    pub fn remove(&mut self, number: usize) -> Option<V> {
        let before = self.get(number)?;
        let way = Way::to(number);
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

    /// How many numbers have a value.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Says whether no number has a value.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// All numbers with their values, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, V)> {
        let branches = self.root.0.iter().enumerate();
        let branches = branches.filter_map(|(at, branch)| Some((at, branch.as_ref()?)));
        let leaves = branches.flat_map(|(at, branch)| (at * WIDTH..).zip(&branch.0));
        let leaves = leaves.filter_map(|(at, leaf)| Some((at, leaf.as_ref()?)));
        let entries = leaves.flat_map(|(at, leaf)| (at * WIDTH..).zip(&leaf.0));
        entries.filter_map(|(at, value)| Some((at, (*value)?)))
    }

    /// Tells `differs` each number that has not the same value here and in `other`, with both, in ascending order.
    pub fn diff(&self, other: &Self, mut differs: impl FnMut(usize, Option<V>, Option<V>)) {
        if Arc::ptr_eq(&self.root, &other.root) {
            return;
        }
        for at in 0..self.root.0.len().max(other.root.0.len()) {
            diff_branches(at, self.branch(at), other.branch(at), &mut differs);
        }
    }

    fn branch(&self, at: usize) -> Option<&Arc<Branch<V>>> {
        self.root.0.get(at)?.as_ref()
    }
}

fn diff_branches<V: Copy + Eq>(
    at: usize,
    ours: Option<&Arc<Branch<V>>>,
    theirs: Option<&Arc<Branch<V>>>,
    differs: &mut impl FnMut(usize, Option<V>, Option<V>),
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
            let ours = ours.and_then(|leaf| leaf.0[entry]);
            let theirs = theirs.and_then(|leaf| leaf.0[entry]);
            if ours != theirs {
                differs((at * WIDTH + place) * WIDTH + entry, ours, theirs);
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
    fn to(number: usize) -> Self {
        Self { branch: number / (WIDTH * WIDTH), leaf: number / WIDTH % WIDTH, entry: number % WIDTH }
    }
}

impl<V> Default for SharedMap<V> {
    fn default() -> Self {
        Self { root: Arc::new(Root(Vec::new())), entries: 0 }
    }
}

impl<V> Default for Branch<V> {
    fn default() -> Self {
        Self([const { None }; WIDTH])
    }
}

impl<V> Default for Leaf<V> {
    fn default() -> Self {
        Self([const { None }; WIDTH])
    }
}

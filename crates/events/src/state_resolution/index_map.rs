//! Maps and sets of the small numbers of a graph.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::auth_graph::EventIndex;

/// A map from a graph's numbers. Never iterated where order can be seen.
pub(super) type IndexMap<K, V> = HashMap<K, V, BuildHasherDefault<IndexHasher>>;

/// A place in a list for some of a graph's numbers.
///
/// One array over all numbers: faster than a map where thousands are looked up, and as the system hands out zeroed memory
/// page by page, next to nothing where few are.
pub(super) struct Places(Vec<u32>);

/// A set of a graph's numbers.
pub(super) struct Bits(Vec<u64>);

/// A list of events without repetition.
pub(super) struct EventSet {
    events: Vec<EventIndex>,
    bits: Bits,
}

/// A set of numbers that gives back the least first: bits, and above each 64 of them one that says whether any is set.
pub(super) struct LeastFirst(Vec<Vec<u64>>);

impl Places {
    /// No number of a graph with so many has a place.
    pub(super) fn new(numbers: usize) -> Self {
        Self(vec![0; numbers])
    }

    pub(super) fn get(&self, number: usize) -> Option<usize> {
        self.0[number].checked_sub(1).map(|place| place as usize)
    }

    /// Gives a number a place.
    pub(super) fn set(&mut self, number: usize, place: usize) {
        self.0[number] = u32::try_from(place).expect("a list of a graph's numbers has less than 2^32 - 1") + 1;
    }
}

impl Bits {
    /// An empty set of numbers below `numbers`.
    pub(super) fn new(numbers: usize) -> Self {
        Self(vec![0; numbers.div_ceil(64)])
    }

    /// Puts a number in. Returns whether it was not there.
    pub(super) fn set(&mut self, number: usize) -> bool {
        let word = &mut self.0[number / 64];
        let is_new = *word >> (number % 64) & 1 == 0;
        *word |= 1 << (number % 64);
        is_new
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.0[number / 64] >> (number % 64) & 1 == 1
    }
}

impl Bits {
    /// In ascending order.
    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(|(_, word)| **word != 0).flat_map(|(at, word)| {
            let without_least = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
            std::iter::successors(Some(*word), without_least).map(move |rest| at * 64 + rest.trailing_zeros() as usize)
        })
    }
}

impl EventSet {
    /// An empty set of events of a graph with so many.
    pub(super) fn new(numbers: usize) -> Self {
        Self { events: Vec::new(), bits: Bits::new(numbers) }
    }

    /// Appends an event. Returns whether it was not there.
    pub(super) fn insert(&mut self, event: EventIndex) -> bool {
        let is_new = self.bits.set(event.at());
        if is_new {
            self.events.push(event);
        }
        is_new
    }

    pub(super) fn contains(&self, event: EventIndex) -> bool {
        self.bits.contains(event.at())
    }

    pub(super) fn as_slice(&self) -> &[EventIndex] {
        &self.events
    }

    /// Brings the events in the order of their numbers, in which those cited come first.
    pub(super) fn sort(&mut self) {
        if self.events.len() < self.bits.0.len() {
            self.events.sort_unstable();
        } else {
            self.events.clear();
            self.events.extend(self.bits.iter().map(EventIndex::from_place));
        }
    }

    /// The place of each event in the list.
    pub(super) fn places(&self, numbers: usize) -> Places {
        let mut places = Places::new(numbers);
        self.events.iter().enumerate().for_each(|(place, event)| places.set(event.at(), place));
        places
    }
}

impl LeastFirst {
    /// An empty set of numbers below `numbers`.
    pub(super) fn new(numbers: usize) -> Self {
        let mut levels = vec![vec![0; numbers.div_ceil(64).max(1)]];
        while let Some(words) = levels.last().map(Vec::len).filter(|words| *words > 1) {
            levels.push(vec![0; words.div_ceil(64)]);
        }
        Self(levels)
    }

    pub(super) fn insert(&mut self, number: usize) {
        let mut at = number;
        for level in &mut self.0 {
            level[at / 64] |= 1 << (at % 64);
            at /= 64;
        }
    }

    pub(super) fn pop(&mut self) -> Option<usize> {
        let mut least = 0;
        for level in self.0.iter().rev() {
            let word = level[least];
            if word == 0 {
                return None;
            }
            least = least * 64 + word.trailing_zeros() as usize;
        }
        let mut at = least;
        for level in &mut self.0 {
            level[at / 64] &= !(1 << (at % 64));
            if level[at / 64] != 0 {
                break;
            }
            at /= 64;
        }
        Some(least)
    }
}

/// Spreads small numbers. A peer does not choose them (the graph counts), so it cannot choose collisions.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct IndexHasher(u64);

impl Hasher for IndexHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        // 2^64 divided by the golden ratio: neighbours end far apart, in the high bits, which the rotation brings down.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_least_comes_first_whatever_goes_in_between() {
        for numbers in [0, 1, 64, 65, 5_000, 300_000] {
            let (mut set, mut naive) = (LeastFirst::new(numbers), BTreeSet::new());
            let mut number = 7_usize;
            for step in 0..2_000.min(numbers) {
                number = (number * 31 + step) % numbers;
                set.insert(number);
                naive.insert(number);
                if step % 3 == 0 {
                    assert_eq!(set.pop(), naive.pop_first());
                }
            }
            while let Some(least) = naive.pop_first() {
                assert_eq!(set.pop(), Some(least));
            }
            assert_eq!(set.pop(), None);
        }
    }
}

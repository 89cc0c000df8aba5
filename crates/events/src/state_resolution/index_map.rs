//! Maps from the small numbers of a graph.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map from a graph's numbers. Never iterated where order can be seen.
pub(super) type IndexMap<K, V> = HashMap<K, V, BuildHasherDefault<IndexHasher>>;
/// A set of a graph's numbers. Never iterated where order can be seen.
pub(super) type IndexSet<K> = HashSet<K, BuildHasherDefault<IndexHasher>>;

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

//! Maps from the small numbers of a graph.

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

impl Places {
    /// No number of a graph with so many has a place.
    pub(super) fn new(numbers: usize) -> Self {
        Self(vec![0; numbers])
    }

    pub(super) fn get(&self, number: usize) -> Option<usize> {
        self.0[number].checked_sub(1).map(|place| place as usize)
    }

    /// Gives a number a place. Returns whether it had none.
    pub(super) fn set(&mut self, number: usize, place: usize) -> bool {
        let place = u32::try_from(place).expect("a list of a graph's numbers has less than 2^32 - 1") + 1;
        std::mem::replace(&mut self.0[number], place) == 0
    }
}

/// A list of events without repetition.
pub(super) struct EventSet {
    events: Vec<EventIndex>,
    places: Places,
}

impl EventSet {
    /// An empty set of events of a graph with so many.
    pub(super) fn new(numbers: usize) -> Self {
        Self { events: Vec::new(), places: Places::new(numbers) }
    }

    /// Appends an event. Returns whether it was not there.
    pub(super) fn insert(&mut self, event: EventIndex) -> bool {
        let is_new = self.places.get(event.at()).is_none();
        if is_new {
            self.places.set(event.at(), self.events.len());
            self.events.push(event);
        }
        is_new
    }

    pub(super) fn contains(&self, event: EventIndex) -> bool {
        self.places.get(event.at()).is_some()
    }

    pub(super) fn place(&self, event: EventIndex) -> Option<usize> {
        self.places.get(event.at())
    }

    pub(super) fn as_slice(&self) -> &[EventIndex] {
        &self.events
    }

    /// Brings the events in the order of their numbers, in which those cited come first.
    pub(super) fn sort(&mut self) {
        self.events.sort_unstable();
        for (place, event) in self.events.iter().enumerate() {
            self.places.set(event.at(), place);
        }
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

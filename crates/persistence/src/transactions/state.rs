//! The states that rooms have had, each stored once under a number that never means another state.
//!
//! A snapshot is stored as its difference to an older one, its base, which is itself a difference to a base, up to a whole
//! state: at most [`LEVELS`] differences deep, each level allowed eight times as many entries as the smaller one on top of it
//! ([`Shape`]). So a change costs a few entries on each level, and reading any state takes a handful of rows, however many
//! changes the room has had. Forks are nothing special: several snapshots may have the same parent.
//!
//! An absent snapshot and an empty state differ: to read a snapshot that is not stored is an error, as is a row that does not
//! match its checksum, and a state whose entries do not add up to the sum stored with it.

mod chunk;
mod codec;
mod difference;
mod keys;
mod map;
mod read;
mod record;
mod remove;
mod write;

#[cfg(test)]
mod tests;

pub use difference::{Differing, difference};
pub use keys::{intern_key, key_number, key_text, key_texts};
pub use map::StateMap;
pub use read::{entries, entry, load};
pub use remove::{purge_room, sweep_room};
pub use write::store;

use crate::numbers::{EventNumber, StateKeyNumber};

/// What a key has changed to. `None`: it has no event any longer.
pub type Change = (StateKeyNumber, Option<EventNumber>);

/// Differences between a snapshot and the whole state that it rests on.
const LEVELS: usize = 4;

/// How states are cut up. Only writing depends on it, what was written with another shape stays readable.
struct Shape {
    /// Entries in a difference of each level, the uppermost (that of a base which is whole) first.
    level_entries_max: [usize; LEVELS],
    /// Entries in one row of a whole state.
    chunk_entries_max: usize,
}

/// Chosen by measuring (`cargo bench -p persistence --bench state`): about 130 bytes for a change in a room with 20,000
/// members.
const SHAPE: Shape = Shape { level_entries_max: [2_048, 256, 32, 4], chunk_entries_max: 512 };

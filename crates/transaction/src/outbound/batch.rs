//! Chooses what goes into a transaction.

use super::limits::{TRANSACTION_BYTES_MAX, TRANSACTION_EDUS_BYTES_MAX, TRANSACTION_EDUS_MAX, TRANSACTION_PDUS_MAX};

/// How many of the waiting PDUs and EDUs go, each from the front of its list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// PDUs.
    pub(super) pdus: usize,
    /// Durable EDUs.
    pub(super) edus: usize,
    /// Ephemeral EDUs.
    pub(super) ephemeral: usize,
}

/// The sizes, in bytes, of what waits, in the order in which it is to go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting<'a> {
    /// PDUs.
    pub(super) pdus: &'a [usize],
    /// Durable EDUs.
    pub(super) edus: &'a [usize],
    /// Ephemeral EDUs.
    pub(super) ephemeral: &'a [usize],
}

/// Chooses a batch of at most `items_max` items, 50 PDUs, 100 EDUs and [`TRANSACTION_BYTES_MAX`]; but the first of each list
/// goes however large it is, or it would wait for ever. PDUs leave bytes for EDUs, so that neither holds up the other.
pub(super) fn choose(waiting: Waiting<'_>, items_max: usize) -> Batch {
    let mut room = Room { items: items_max, bytes: TRANSACTION_BYTES_MAX };
    let for_edus = waiting.edus.iter().sum::<usize>().min(TRANSACTION_EDUS_BYTES_MAX);
    let pdus = room.take(waiting.pdus, TRANSACTION_PDUS_MAX, TRANSACTION_BYTES_MAX - for_edus);
    let edus = room.take(waiting.edus, TRANSACTION_EDUS_MAX, TRANSACTION_BYTES_MAX);
    let ephemeral = room.take(waiting.ephemeral, TRANSACTION_EDUS_MAX - edus, TRANSACTION_BYTES_MAX);
    Batch { pdus, edus, ephemeral }
}

/// What a transaction still has room for.
struct Room {
    items: usize,
    bytes: usize,
}

impl Room {
    /// Takes up to `count_max` from the front, the first of them whatever its size.
    fn take(&mut self, sizes: &[usize], count_max: usize, bytes_max: usize) -> usize {
        let mut taken = 0;
        let mut bytes = 0;
        for size in sizes.iter().take(count_max.min(self.items)) {
            if taken > 0 && bytes + size > bytes_max.min(self.bytes) {
                break;
            }
            bytes += size;
            taken += 1;
        }
        self.items -= taken;
        self.bytes = self.bytes.saturating_sub(bytes);
        taken
    }
}

#[cfg(test)]
mod tests;

//! What differs between two states, from the differences that they are stored as.

use super::Change;
use super::read::{Walk, entries_at_sorted, load, lookup, overlay, overlay_all};
use super::record;
use crate::numbers::{EventNumber, SnapshotNumber, StateKeyNumber};
use crate::tx::{ReadTx, StoreError};

/// A key at which two states differ, with what the one has and what the other has.
pub type Differing = (StateKeyNumber, Option<EventNumber>, Option<EventNumber>);

/// Returns where the states `from` and `to` differ, in ascending order of the key numbers.
///
/// States that rest on a common one are compared without reading what they have from it; others are read whole.
pub fn difference(tx: &ReadTx<'_>, from: SnapshotNumber, to: SnapshotNumber) -> Result<Vec<Differing>, StoreError> {
    let mut from_side = Side::new(from);
    let mut to_side = Side::new(to);
    // Bases have lower numbers: the side with the higher one can only meet the other further down.
    while let (Some(from_next), Some(to_next)) = (from_side.walk.next, to_side.walk.next) {
        match from_next.cmp(&to_next) {
            std::cmp::Ordering::Equal => return compare(tx, &from_side.changes(), &to_side.changes(), from_next),
            std::cmp::Ordering::Greater => from_side.descend(tx)?,
            std::cmp::Ordering::Less => to_side.descend(tx)?,
        }
    }
    Ok(load(tx, from)?.diff(&load(tx, to)?))
}

/// One of two states, on the way down to what it has in common with the other.
struct Side {
    walk: Walk,
    /// The difference between the whole state at the end of the way and the whole state before that.
    bridge: Option<Vec<Change>>,
}

impl Side {
    fn new(snapshot: SnapshotNumber) -> Self {
        Self { walk: Walk::new(snapshot), bridge: None }
    }

    /// Goes to the base. Beyond a whole state once, so that forks on both sides of it are still close.
    fn descend(&mut self, tx: &ReadTx<'_>) -> Result<(), StoreError> {
        if self.bridge.is_some() {
            // The next is the whole state before that, which is not what the other rests on.
            self.walk.next = None;
            return Ok(());
        }
        self.walk.descend(tx)?;
        let end = self.walk.records.last().filter(|record| record.head.level == 0);
        if let Some((base, changes)) = end.map(|whole| record::bridge(tx, whole.number)).transpose()?.flatten() {
            self.walk.next = Some(base);
            self.bridge = Some(changes);
        }
        Ok(())
    }

    /// The difference to the snapshot that is next.
    fn changes(&self) -> Vec<Change> {
        match &self.bridge {
            // The last record is the whole state itself, which is reached by the bridge and not by a difference of its own.
            Some(bridge) => overlay(bridge, &overlay_all(&self.walk.records[..self.walk.records.len() - 1])),
            None => overlay_all(&self.walk.records),
        }
    }
}

/// Compares two states given as changes to the same one.
fn compare(
    tx: &ReadTx<'_>,
    from: &[Change],
    to: &[Change],
    common: SnapshotNumber,
) -> Result<Vec<Differing>, StoreError> {
    let mut keys: Vec<StateKeyNumber> = overlay(from, to).iter().map(|change| change.0).collect();
    keys.retain(|key| lookup(from, *key) != lookup(to, *key));
    let shared = entries_at_sorted(tx, common, &keys)?;
    let both = keys.into_iter().zip(shared);
    // What a side has not changed it has from the common state.
    let both = both.map(|(key, shared)| (key, lookup(from, key).unwrap_or(shared), lookup(to, key).unwrap_or(shared)));
    Ok(both.filter(|(_, old, new)| old != new).collect())
}

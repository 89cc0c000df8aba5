//! What differs between two states, from the differences that they are stored as.

use super::Change;
use super::read::{Chain, lookup, overlay};
use crate::numbers::{EventNumber, SnapshotNumber, StateKeyNumber};
use crate::tx::{ReadTx, StoreError};

/// A key at which two states differ, with what the one has and what the other has.
pub type Differing = (StateKeyNumber, Option<EventNumber>, Option<EventNumber>);

/// Returns where the states `from` and `to` differ, in ascending order of the key numbers.
///
/// States that rest on a common one are compared without reading what they have from it; others are read whole.
pub fn difference(tx: &ReadTx<'_>, from: SnapshotNumber, to: SnapshotNumber) -> Result<Vec<Differing>, StoreError> {
    if from == to {
        return Ok(Vec::new());
    }
    let from = Chain::read(tx, from)?;
    let to = Chain::read(tx, to)?;
    if let Some((in_from, in_to)) = nearest_common(&from, &to) {
        return compare(tx, &from.changes_since(in_from), &to.changes_since(in_to), &from, in_from);
    }
    // A large whole state has its difference to the one before it, so that forks on both sides of it are still close.
    let (from_whole, to_whole) = (from.records().len() - 1, to.records().len() - 1);
    let from_base = from.whole().head.base;
    let to_base = to.whole().head.base;
    if to_base == Some(from.whole().number) {
        let to_changes = overlay(&to.whole().changes, &to.changes_since(to_whole));
        return compare(tx, &from.changes_since(from_whole), &to_changes, &from, from_whole);
    }
    if from_base == Some(to.whole().number) {
        let from_changes = overlay(&from.whole().changes, &from.changes_since(from_whole));
        return compare(tx, &from_changes, &to.changes_since(to_whole), &to, to_whole);
    }
    Ok(from.load(tx)?.diff(&to.load(tx)?))
}

/// The places in both chains of the nearest snapshot that both rest on.
fn nearest_common(from: &Chain, to: &Chain) -> Option<(usize, usize)> {
    from.records().iter().enumerate().find_map(|(in_from, record)| {
        let in_to = to.records().iter().position(|other| other.number == record.number)?;
        Some((in_from, in_to))
    })
}

/// Compares two states given as changes to the same one, the record with index `common` of `chain`.
fn compare(
    tx: &ReadTx<'_>,
    from: &[Change],
    to: &[Change],
    chain: &Chain,
    common: usize,
) -> Result<Vec<Differing>, StoreError> {
    let mut keys: Vec<StateKeyNumber> = overlay(from, to).iter().map(|change| change.0).collect();
    keys.retain(|key| lookup(from, *key) != lookup(to, *key));
    let shared = chain.entries_from(tx, common, &keys)?;
    let both = keys.into_iter().zip(shared);
    // What a side has not changed it has from the common state.
    let both = both.map(|(key, shared)| (key, lookup(from, key).unwrap_or(shared), lookup(to, key).unwrap_or(shared)));
    Ok(both.filter(|(_, old, new)| old != new).collect())
}

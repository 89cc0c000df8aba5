//! Reading states: the differences on the way to a whole state, laid over each other.

use super::chunk::{self, Finder};
use super::codec::{Changes, Damaged};
use super::record::{self, Head, Record, damaged, sum_of};
use super::{Change, LEVELS, StateMap};
use crate::numbers::{EventNumber, SnapshotNumber, StateKeyNumber};
use crate::tx::{ReadTx, StoreError};

/// Reads the whole state. An error if it is not stored, or if what is stored does not add up.
pub fn load(tx: &ReadTx<'_>, snapshot: SnapshotNumber) -> Result<StateMap, StoreError> {
    let mut walk = Walk::new(snapshot);
    while walk.descend(tx)? {}
    let (whole, differences) = walk.records.split_last().ok_or_else(|| damaged(snapshot, "it is not stored"))?;
    let entries = match whole.head.chunks {
        0 => whole.changes.iter().filter_map(|&(key, event)| Some((key, event?))).collect(),
        chunks => chunk::read_all(tx, whole.number, whole.head.entries, chunks)?,
    };
    let state = StateMap::from_sorted(entries);
    let state = if differences.is_empty() { state } else { state.with(&overlay_all(differences)) };
    let Head { sum, entries, .. } = walk.records[0].head;
    if state.len() as u64 != entries || sum_of(state.iter()) != sum {
        return Err(damaged(snapshot, "its entries do not add up"));
    }
    Ok(state)
}

/// Reads the event at `key` without the rest of the state.
pub fn entry(
    tx: &ReadTx<'_>,
    snapshot: SnapshotNumber,
    key: StateKeyNumber,
) -> Result<Option<EventNumber>, StoreError> {
    Ok(entries_at_sorted(tx, snapshot, &[key])?[0])
}

/// Reads the events at `keys` without the rest of the state: one answer for each, in the order of `keys`.
pub fn entries(
    tx: &ReadTx<'_>,
    snapshot: SnapshotNumber,
    keys: &[StateKeyNumber],
) -> Result<Vec<Option<EventNumber>>, StoreError> {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let found = entries_at_sorted(tx, snapshot, &sorted)?;
    // Each key is in `sorted`, so that the place given for those that are not there is never used.
    Ok(keys.iter().map(|key| found[sorted.binary_search(key).unwrap_or_else(|place| place)]).collect())
}

/// Reads the events at `keys`, which are in ascending order, each once. Goes down only as far as a key is not found.
pub(super) fn entries_at_sorted(
    tx: &ReadTx<'_>,
    snapshot: SnapshotNumber,
    keys: &[StateKeyNumber],
) -> Result<Vec<Option<EventNumber>>, StoreError> {
    // The outer `None`: not found yet.
    let mut found: Vec<Option<Option<EventNumber>>> = vec![None; keys.len()];
    let mut number = snapshot;
    let mut above = None;
    loop {
        let head = record::with_list(tx, number, |head, list| {
            if head.chunks == 0 {
                seek(list, keys, &mut found)?;
            }
            Ok(head)
        })?;
        check_below(above.replace(head), head, number)?;
        let all_found = found.iter().all(Option::is_some);
        match head.base {
            _ if all_found => break,
            Some(base) if head.level > 0 => number = base,
            Some(_) | None if head.chunks == 0 => break,
            Some(_) | None => {
                let mut finder = Finder::new(number);
                for (key, found) in keys.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
                    *found = Some(finder.get(tx, *key)?);
                }
                break;
            }
        }
    }
    Ok(found.into_iter().map(Option::flatten).collect())
}

/// Fills in what `list` has at those `keys` that are not found yet.
fn seek(list: Changes<'_>, keys: &[StateKeyNumber], found: &mut [Option<Option<EventNumber>>]) -> Result<(), Damaged> {
    let mut wanted = keys.iter().zip(found).filter(|(_, found)| found.is_none()).peekable();
    for change in list {
        let (key, event) = change?;
        while wanted.next_if(|(wanted, _)| **wanted < key).is_some() {}
        match wanted.next_if(|(wanted, _)| **wanted == key) {
            Some((_, found)) => *found = Some(event),
            None if wanted.peek().is_none() => break,
            None => {}
        }
    }
    Ok(())
}

/// The way from a snapshot to its base, the base of that, and so on to a whole state: at most `LEVELS + 1` rows, read one by
/// one, because what lies deeper is larger and often not needed.
pub(super) struct Walk {
    pub(super) records: Vec<Record>,
    /// The row that would be read next; `None` beyond the whole state.
    pub(super) next: Option<SnapshotNumber>,
}

impl Walk {
    pub(super) fn new(snapshot: SnapshotNumber) -> Self {
        Self { records: Vec::with_capacity(LEVELS + 1), next: Some(snapshot) }
    }

    /// Reads the next row. Returns whether there was one.
    pub(super) fn descend(&mut self, tx: &ReadTx<'_>) -> Result<bool, StoreError> {
        let Some(number) = self.next else { return Ok(false) };
        let record = record::read(tx, number)?;
        check_below(self.records.last().map(|above| above.head), record.head, number)?;
        self.next = record.head.base.filter(|_| record.head.level > 0);
        self.records.push(record);
        Ok(true)
    }
}

/// A way leads downwards and stays in its room, whatever the rows say.
fn check_below(above: Option<Head>, head: Head, number: SnapshotNumber) -> Result<(), StoreError> {
    match above {
        Some(above) if above.level <= head.level || above.room != head.room => {
            Err(damaged(number, "it is the base of a snapshot that it cannot be the base of"))
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn lookup(changes: &[Change], key: StateKeyNumber) -> Option<Option<EventNumber>> {
    changes.binary_search_by_key(&key, |change| change.0).ok().map(|index| changes[index].1)
}

/// The differences of `records`, the nearest first, as one.
pub(super) fn overlay_all(records: &[Record]) -> Vec<Change> {
    // From the small ones to the large, so that each entry of a large one is moved once.
    records.iter().fold(Vec::new(), |above, record| overlay(&record.changes, &above))
}

/// Both lists as one; where both have a key, `above` counts.
pub(super) fn overlay(below: &[Change], above: &[Change]) -> Vec<Change> {
    let mut merged = Vec::with_capacity(below.len() + above.len());
    let mut rest = below;
    for change in above {
        let before = rest.partition_point(|other| other.0 < change.0);
        merged.extend_from_slice(&rest[..before]);
        rest = &rest[before..];
        if rest.first().is_some_and(|other| other.0 == change.0) {
            rest = &rest[1..];
        }
        merged.push(*change);
    }
    merged.extend_from_slice(rest);
    merged
}

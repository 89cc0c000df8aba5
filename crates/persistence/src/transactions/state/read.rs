//! Reading states: the differences on the way to a whole state, laid over each other.

use std::cmp::Ordering;

use super::chunk::{self, Finder};
use super::codec::Damaged;
use super::record::{self, Head, Record, damaged, sum_of};
use super::{Change, LEVELS, StateMap};
use crate::numbers::{EventNumber, SnapshotNumber, StateKeyNumber};
use crate::tx::{ReadTx, StoreError};

/// Reads the whole state. An error if it is not stored, or if what is stored does not add up.
pub fn load(tx: &ReadTx<'_>, snapshot: SnapshotNumber) -> Result<StateMap, StoreError> {
    Chain::read(tx, snapshot)?.load(tx)
}

/// Reads the event at `key` without the rest of the state.
pub fn entry(
    tx: &ReadTx<'_>,
    snapshot: SnapshotNumber,
    key: StateKeyNumber,
) -> Result<Option<EventNumber>, StoreError> {
    let mut number = snapshot;
    let mut above = None;
    loop {
        let (head, found) = record::with_list(tx, number, |head, list| Ok((head, seek(list, key)?)))?;
        check_below(above.replace(head), head, number)?;
        match (head.level, head.chunks, head.base) {
            (0, 0, _) => return Ok(found.flatten()),
            (0, _, _) => return Finder::new(number).get(tx, key),
            (_, _, Some(base)) => match found {
                Some(event) => return Ok(event),
                None => number = base,
            },
            (_, _, None) => return Err(damaged(number, "its base is missing")),
        }
    }
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
    let found = Chain::read(tx, snapshot)?.entries(tx, &sorted)?;
    // Each key is in `sorted`, so that the place given for those that are not there is never used.
    Ok(keys.iter().map(|key| found[sorted.binary_search(key).unwrap_or_else(|place| place)]).collect())
}

fn seek(
    list: impl Iterator<Item = Result<Change, Damaged>>,
    key: StateKeyNumber,
) -> Result<Option<Option<EventNumber>>, Damaged> {
    for change in list {
        let (found, event) = change?;
        match found.cmp(&key) {
            Ordering::Less => {}
            Ordering::Equal => return Ok(Some(event)),
            Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
}

/// A snapshot, its base, the base of that, and so on to a whole state: at most `LEVELS + 1` rows.
pub(super) struct Chain(Vec<Record>);

impl Chain {
    pub(super) fn read(tx: &ReadTx<'_>, snapshot: SnapshotNumber) -> Result<Self, StoreError> {
        let mut records: Vec<Record> = Vec::with_capacity(LEVELS + 1);
        let mut next = Some(snapshot);
        while let Some(number) = next {
            let record = record::read(tx, number)?;
            check_below(records.last().map(|above| above.head), record.head, number)?;
            next = record.head.base.filter(|_| record.head.level > 0);
            records.push(record);
        }
        Ok(Self(records))
    }

    /// From the snapshot itself down to the whole state.
    pub(super) fn records(&self) -> &[Record] {
        &self.0
    }

    pub(super) fn head(&self) -> Head {
        self.0[0].head
    }

    /// The whole state that the others rest on.
    pub(super) fn whole(&self) -> &Record {
        &self.0[self.0.len() - 1]
    }

    /// The snapshot's difference to the record with index `base`, which is not the record of a whole state's base.
    pub(super) fn changes_since(&self, base: usize) -> Vec<Change> {
        self.0[..base].iter().rev().fold(Vec::new(), |below, record| overlay(&below, &record.changes))
    }

    pub(super) fn load(&self, tx: &ReadTx<'_>) -> Result<StateMap, StoreError> {
        let whole = self.whole();
        let entries = match whole.head.chunks {
            0 => whole.changes.iter().filter_map(|&(key, event)| Some((key, event?))).collect(),
            chunks => chunk::read_all(tx, whole.number, whole.head.entries, chunks)?,
        };
        let state = StateMap::from_sorted(entries);
        let state = match self.0.len() {
            1 => state,
            records => state.with(&self.changes_since(records - 1)),
        };
        if state.len() as u64 != self.head().entries || sum_of(state.iter()) != self.head().sum {
            return Err(damaged(self.0[0].number, "its entries do not add up"));
        }
        Ok(state)
    }

    /// The events at `keys`, which are in ascending order.
    pub(super) fn entries(
        &self,
        tx: &ReadTx<'_>,
        keys: &[StateKeyNumber],
    ) -> Result<Vec<Option<EventNumber>>, StoreError> {
        self.entries_from(tx, 0, keys)
    }

    /// The same in the state of the record with index `first`.
    pub(super) fn entries_from(
        &self,
        tx: &ReadTx<'_>,
        first: usize,
        keys: &[StateKeyNumber],
    ) -> Result<Vec<Option<EventNumber>>, StoreError> {
        let whole = self.whole();
        let mut finder = Finder::new(whole.number);
        let find = |key: &StateKeyNumber| {
            let differences = &self.0[first..self.0.len() - 1];
            if let Some(event) = differences.iter().find_map(|record| lookup(&record.changes, *key)) {
                return Ok(event);
            }
            match whole.head.chunks {
                0 => Ok(lookup(&whole.changes, *key).flatten()),
                _ => finder.get(tx, *key),
            }
        };
        keys.iter().map(find).collect()
    }
}

/// A chain leads downwards and stays in its room, so that it ends, whatever the rows say.
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

//! Storing states.

use super::read::{Walk, entries_at_sorted, load, overlay, overlay_all};
use super::record::{self, Head, damaged, sum_of, weight};
use super::{Change, LEVELS, SHAPE, Shape, StateMap, chunk};
use crate::numbers::{EventNumber, RoomNumber, SnapshotNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};

/// Stores a state: `parent` with `changes` applied; of several changes to a key the last one counts. Returns the parent itself
/// if nothing changes. Without a parent it starts from the empty state.
///
/// The number may be given again if the transaction fails, so nothing may remember it before the commit.
pub fn store(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    parent: Option<SnapshotNumber>,
    changes: &[Change],
) -> Result<SnapshotNumber, StoreError> {
    store_shaped(tx, &SHAPE, room, parent, changes)
}

pub(super) fn store_shaped(
    tx: &mut WriteTx<'_>,
    shape: &Shape,
    room: RoomNumber,
    parent: Option<SnapshotNumber>,
    changes: &[Change],
) -> Result<SnapshotNumber, StoreError> {
    let changes = normalized(changes)?;
    let Some(parent) = parent else {
        let state = StateMap::default().with(&changes);
        return store_whole(tx, shape, room, &state, None);
    };
    let mut walk = Walk::new(parent);
    walk.descend(tx)?;
    let before = walk.records[0].head;
    if before.room != room {
        return Err(damaged(parent, &format!("it is of room {}, not of room {}", before.room.0, room.0)));
    }
    let Step { changes, sum, entries } = step(tx, parent, before, changes)?;
    if changes.is_empty() {
        return Ok(parent);
    }
    if let Some((base, level, list)) = difference_to_store(tx, shape, &mut walk, &changes, entries)? {
        let number = next_number(tx)?;
        let head = Head { room, base: Some(base), level, sum, entries, chunks: 0 };
        record::write(tx, number, head, list.iter().copied())?;
        return Ok(number);
    }
    let state = load(tx, parent)?.with(&changes);
    let bridge = bridge(tx, shape, walk, &changes)?;
    store_whole(tx, shape, room, &state, bridge.as_ref().map(|(base, list)| (*base, list.as_slice())))
}

/// What a list of changes does to a state.
struct Step {
    /// Those that change something.
    changes: Vec<Change>,
    sum: u64,
    entries: u64,
}

fn step(tx: &ReadTx<'_>, parent: SnapshotNumber, before: Head, mut changes: Vec<Change>) -> Result<Step, StoreError> {
    let keys: Vec<_> = changes.iter().map(|change| change.0).collect();
    let old = entries_at_sorted(tx, parent, &keys)?;
    let Head { mut sum, mut entries, .. } = before;
    let mut old = old.into_iter();
    changes.retain(|&(key, new)| {
        let old = old.next().flatten();
        if let Some(event) = old {
            sum = sum.wrapping_sub(weight((key, event)));
            entries = entries.wrapping_sub(1);
        }
        if let Some(event) = new {
            sum = sum.wrapping_add(weight((key, event)));
            entries = entries.wrapping_add(1);
        }
        old != new
    });
    Ok(Step { changes, sum, entries })
}

/// Finds the nearest base to which the difference is small enough for its level: (base, level, difference). `walk` has read
/// the parent.
fn difference_to_store(
    tx: &ReadTx<'_>,
    shape: &Shape,
    walk: &mut Walk,
    changes: &[Change],
    entries: u64,
) -> Result<Option<(SnapshotNumber, usize, Vec<Change>)>, StoreError> {
    let mut list = changes.to_vec();
    while let Some(base) = walk.records.last() {
        // A difference half as long as the state saves nothing.
        if list.len() as u64 * 2 > entries {
            return Ok(None);
        }
        let level = base.head.level + 1;
        if level <= LEVELS && list.len() <= shape.level_entries_max[level - 1] {
            return Ok(Some((base.number, level, list)));
        }
        list = overlay(&base.changes, &list);
        if !walk.descend(tx)? {
            return Ok(None);
        }
    }
    Ok(None)
}

/// The difference between the whole state that the parent rests on and the new one, which keeps forks across the new one
/// comparable.
fn bridge(
    tx: &ReadTx<'_>,
    shape: &Shape,
    mut walk: Walk,
    changes: &[Change],
) -> Result<Option<(SnapshotNumber, Vec<Change>)>, StoreError> {
    while walk.descend(tx)? {}
    let Some((whole, differences)) = walk.records.split_last() else { return Ok(None) };
    let list = overlay(&overlay_all(differences), changes);
    Ok((list.len() <= 2 * shape.level_entries_max[0]).then_some((whole.number, list)))
}

fn store_whole(
    tx: &mut WriteTx<'_>,
    shape: &Shape,
    room: RoomNumber,
    state: &StateMap,
    bridge: Option<(SnapshotNumber, &[Change])>,
) -> Result<SnapshotNumber, StoreError> {
    let number = next_number(tx)?;
    let entries = state.len() as u64;
    let head = Head { room, base: None, level: 0, sum: sum_of(state.iter()), entries, chunks: 0 };
    if state.len() <= shape.chunk_entries_max {
        record::write(
            tx,
            number,
            head,
            state.iter().map(|(key, event)| (key, Some(event))).collect::<Vec<_>>().into_iter(),
        )?;
        return Ok(number);
    }
    let chunks = chunk::write(tx, number, room, state.as_slice(), shape.chunk_entries_max)?;
    let (base, list) = bridge.map_or((None, [].as_slice()), |(base, list)| (Some(base), list));
    record::write(tx, number, Head { base, chunks, ..head }, list.iter().copied())?;
    Ok(number)
}

/// One above the highest number ever committed.
fn next_number(tx: &ReadTx<'_>) -> Result<SnapshotNumber, StoreError> {
    let stored: Option<i64> = tx.query_one("SELECT MAX(number) FROM state_snapshots", &[], |row| row.get(0))?;
    let purged: i64 = tx.query_one("SELECT highest FROM state_snapshots_purged WHERE id = 1", &[], |row| row.get(0))?;
    Ok(SnapshotNumber(stored.unwrap_or(0).max(purged) + 1))
}

/// Sorted by key, the last of several changes to a key only.
fn normalized(changes: &[Change]) -> Result<Vec<Change>, StoreError> {
    let negative = |&(key, event): &Change| key.0 < 0 || event.is_some_and(|EventNumber(event)| event < 0);
    if let Some((key, event)) = changes.iter().find(|change| negative(change)) {
        return Err(StoreError::Inconsistent(format!("key {key:?} or event {event:?} has a negative number")));
    }
    let mut sorted: Vec<Change> = changes.to_vec();
    sorted.sort_by_key(|change| std::cmp::Reverse(change.0));
    // Stable, and descending: the last change of a key would come last, so keep that one of each run.
    let mut latest: Vec<Change> = Vec::with_capacity(sorted.len());
    for change in sorted.into_iter().rev() {
        if latest.last().is_none_or(|kept| kept.0 != change.0) {
            latest.push(change);
        }
    }
    Ok(latest)
}

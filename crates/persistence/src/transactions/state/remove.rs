//! Removing states: those of a room that is purged, and those that nothing refers to.

use crate::numbers::RoomNumber;
use crate::tx::{StoreError, WriteTx};

/// Removes up to `limit` rows of the states of `room`, and returns how many; 0 when none are left. Nothing reads them any more.
pub fn purge_room(tx: &mut WriteTx<'_>, room: RoomNumber, limit: i64) -> Result<usize, StoreError> {
    remember_highest(tx)?;
    let chunks = tx.execute(
        "DELETE FROM state_chunks WHERE (snapshot, first_key) IN
            (SELECT snapshot, first_key FROM state_chunks WHERE room = ?1 LIMIT ?2)",
        &[&room, &limit],
    )?;
    let snapshots = tx.execute(
        "DELETE FROM state_snapshots WHERE number IN
            (SELECT number FROM state_snapshots WHERE room = ?1 LIMIT ?2)",
        &[&room, &limit],
    )?;
    Ok(chunks + snapshots)
}

/// Removes the states of `room` that are of no event and not the current one, and that none of those rests on. Returns how many.
///
/// It looks at every event of the room. Nobody else may be about to refer to a state that is stored already.
pub fn sweep_room(tx: &mut WriteTx<'_>, room: RoomNumber) -> Result<usize, StoreError> {
    remember_highest(tx)?;
    let snapshots = tx.execute(
        "WITH RECURSIVE used (number) AS (
            SELECT state FROM rooms WHERE number = ?1
             UNION SELECT state_before FROM graph WHERE room = ?1
             UNION SELECT state_after FROM graph WHERE room = ?1
             UNION SELECT state_snapshots.base FROM used JOIN state_snapshots ON state_snapshots.number = used.number
         )
         DELETE FROM state_snapshots
          WHERE room = ?1 AND number NOT IN (SELECT number FROM used WHERE number IS NOT NULL)",
        &[&room],
    )?;
    tx.execute(
        "DELETE FROM state_chunks
          WHERE room = ?1 AND NOT EXISTS (SELECT 1 FROM state_snapshots WHERE number = state_chunks.snapshot)",
        &[&room],
    )?;
    Ok(snapshots)
}

/// The numbers of states that are removed are never given again.
fn remember_highest(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE state_snapshots_purged SET highest = (SELECT MAX(number) FROM state_snapshots)
          WHERE highest < (SELECT MAX(number) FROM state_snapshots)",
        &[],
    )?;
    Ok(())
}

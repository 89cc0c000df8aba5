//! A copy that is served from: it must not give out again what the original gave out after the copy was made.

use super::streams::{Stream, current};
use crate::numbers::Position;
use crate::tx::{ReadTx, StoreError, WriteTx};

/// Positions that are left for each millisecond since 1970. No server ever gave out so many.
const POSITIONS_PER_MILLISECOND: i64 = 1024;

/// Says of this database that it is a copy, made at `now`.
pub fn mark_copy(tx: &mut WriteTx<'_>, now: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM copies", &[])?;
    tx.execute("INSERT INTO copies (only, made_at) VALUES (1, ?1)", &[&now])?;
    Ok(())
}

/// Says of this database that it is a copy of which nobody knows when it was made, unless it says so of itself.
pub fn mark_as_copied(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    tx.execute("INSERT INTO copies (only, made_at) VALUES (1, 0) ON CONFLICT (only) DO NOTHING", &[])?;
    Ok(())
}

/// Returns when this database was copied (0: nobody knows), if it is a copy that was not served from yet.
pub fn copied_at(tx: &ReadTx<'_>) -> Result<Option<i64>, StoreError> {
    tx.query_optional("SELECT made_at FROM copies WHERE only = 1", &[], |row| row.get(0))
}

/// Makes a copy a database of its own: every position that anybody may have seen leaps beyond all that the original can have
/// given out until `now`, and beyond what an earlier restore of the same copy gave out. One-time keys go: the original may have
/// handed them out. Clients upload new ones when they see that few are left.
pub fn leap(tx: &mut WriteTx<'_>, now: i64) -> Result<(), StoreError> {
    let floor = now.saturating_mul(POSITIONS_PER_MILLISECOND);
    for stream in Stream::ALL {
        let last = current(tx, stream)?;
        if last.0 >= floor {
            continue;
        }
        tx.execute("INSERT INTO leaps (stream, last, first) VALUES (?1, ?2, ?3)", &[&stream.name(), &last, &floor])?;
        tx.execute(
            "INSERT INTO streams (stream, position) VALUES (?1, ?2)
             ON CONFLICT (stream) DO UPDATE SET position = excluded.position",
            &[&stream.name(), &floor],
        )?;
    }
    tx.execute("UPDATE outbound_destinations SET position = ?1 WHERE position < ?1", &[&floor])?;
    tx.execute("UPDATE outbound_destinations SET deliveries = ?1 WHERE deliveries < ?1", &[&floor])?;
    tx.execute("UPDATE outbound_forgotten SET highest = ?1 WHERE id = 1 AND highest < ?1", &[&floor])?;
    tx.execute("DELETE FROM one_time_keys", &[])?;
    tx.execute("DELETE FROM copies", &[])?;
    Ok(())
}

/// Returns the last position that we know of `stream`, if `position` was given out after the copy was made that we go on with.
pub fn last_before_loss(tx: &ReadTx<'_>, stream: Stream, position: Position) -> Result<Option<Position>, StoreError> {
    tx.query_optional(
        "SELECT last FROM leaps WHERE stream = ?1 AND last < ?2 AND first > ?2 ORDER BY last LIMIT 1",
        &[&stream.name(), &position],
        |row| row.get(0),
    )
}

#[cfg(test)]
mod tests {
    use super::super::streams::next;
    use super::*;
    use crate::Database;

    #[tokio::test]
    async fn a_copy_leaps_once_and_beyond_what_an_earlier_restore_gave_out() {
        let database = Database::open_inline(None).unwrap();
        let now = 1_800_000_000_000;
        let positions = database
            .write(move |tx| {
                next(tx, Stream::Events)?;
                mark_copy(tx, now)?;
                assert_eq!(copied_at(tx)?, Some(now));
                leap(tx, now + 5)?;
                assert_eq!(copied_at(tx)?, None);
                let first = next(tx, Stream::Events)?;
                // The same copy again, a millisecond later.
                leap(tx, now + 6)?;
                Ok::<_, StoreError>((first, next(tx, Stream::Events)?, current(tx, Stream::ToDevice)?))
            })
            .await
            .unwrap();
        let floor = (now + 5) * POSITIONS_PER_MILLISECOND;
        assert_eq!(positions.0.0, floor + 1);
        assert_eq!(positions.1.0, floor + POSITIONS_PER_MILLISECOND + 1);
        assert_eq!(positions.2.0, floor + POSITIONS_PER_MILLISECOND);
        // Numbers that programs in JavaScript can hold.
        assert!(positions.1.0 < 1 << 53);
        let lost_after = |position| database.read(move |tx| last_before_loss(tx, Stream::Events, Position(position)));
        assert_eq!(lost_after(1).await.unwrap(), None, "the copy has it");
        assert_eq!(lost_after(2).await.unwrap(), Some(Position(1)), "of the original");
        assert_eq!(lost_after(floor - 1).await.unwrap(), Some(Position(1)));
        assert_eq!(lost_after(floor + 1).await.unwrap(), None);
        assert_eq!(lost_after(floor + 2).await.unwrap(), Some(Position(floor + 1)), "of the first restore");
        assert_eq!(lost_after(positions.1.0).await.unwrap(), None);
    }
}

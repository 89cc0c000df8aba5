//! What waits for a server that does not answer: bounded, and in the end no more than it needs to ask for the rest.

use events::ServerName;

use super::{Lane, numbers, stored};
use crate::numbers::Position;
use crate::tx::{ReadTx, StoreError, WriteTx};

/// Notes that `destination` did not answer. Returns since when that is so, in milliseconds since 1970.
pub fn note_failing(tx: &mut WriteTx<'_>, destination: &ServerName, now: i64) -> Result<i64, StoreError> {
    tx.execute(
        "UPDATE outbound_destinations SET failing_since = ?2
          WHERE destination = ?1 AND failing_since IS NULL",
        &[destination, &now],
    )?;
    let since = tx.query_optional(
        "SELECT failing_since FROM outbound_destinations WHERE destination = ?1",
        &[destination],
        |row| row.get::<Option<i64>>(0),
    )?;
    Ok(since.flatten().unwrap_or(now))
}

/// How long a server has been away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// It may be back at any time. Of its PDUs so many may wait; of more, the newest of each room stays.
    Short {
        /// PDUs that may wait.
        pdus_max: i64,
    },
    /// The newest PDU of each room that it still shares stays.
    Long,
}

/// What [`bound`] let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LetGo {
    /// PDUs that a newer one of the same room stands for.
    pub pdus: usize,
    /// PDUs of rooms that the server is no longer in.
    pub unshared: usize,
    /// EDUs that were too old or too many.
    pub edus: usize,
}

/// Bounds what waits for a server that stays away. Who receives the newest PDU of a room asks for those before it. Of the EDUs,
/// those queued before `horizon` go, and the oldest beyond `edus_max`, in each lane. What is on its way stays.
pub fn bound(
    tx: &mut WriteTx<'_>,
    destination: &ServerName,
    absence: Absence,
    edus_max: i64,
    horizon: i64,
) -> Result<LetGo, StoreError> {
    let in_flight = stored(tx, destination)?.map(|transaction| transaction.pdus).unwrap_or_default();
    let mut gone = LetGo::default();
    let pdus_max = match absence {
        Absence::Short { pdus_max } => pdus_max,
        Absence::Long => {
            gone.unshared = remove_unshared(tx, destination, &in_flight)?;
            0
        }
    };
    if count_pdus(tx, destination)? > pdus_max {
        gone.pdus = tx.execute(
            "DELETE FROM outbound_pdus
              WHERE destination = ?1
                AND position NOT IN (
                    SELECT MAX(position) FROM outbound_pdus WHERE destination = ?1 GROUP BY room)
                AND position NOT IN (SELECT value FROM json_each(?2))",
            &[destination, &numbers(&in_flight)],
        )?;
    }
    gone.edus = bound_edus(tx, destination, edus_max, horizon)?;
    Ok(gone)
}

fn count_pdus(tx: &ReadTx<'_>, destination: &ServerName) -> Result<i64, StoreError> {
    tx.query_one("SELECT COUNT(*) FROM outbound_pdus WHERE destination = ?1", &[destination], |row| row.get(0))
}

/// Removes the PDUs of rooms in which the server has no user any more, but for what tells it so: the events that set the
/// membership of its own users.
fn remove_unshared(
    tx: &mut WriteTx<'_>,
    destination: &ServerName,
    in_flight: &[Position],
) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM outbound_pdus
          WHERE destination = ?1
            AND position NOT IN (SELECT value FROM json_each(?2))
            AND NOT EXISTS (
                SELECT 1 FROM members AS m
                 WHERE m.room = outbound_pdus.room AND m.membership = 'join' AND m.server = ?1)
            AND NOT EXISTS (
                SELECT 1 FROM partial_servers AS p WHERE p.room = outbound_pdus.room AND p.server = ?1)
            AND NOT EXISTS (
                SELECT 1 FROM bodies AS b
                 WHERE b.event = outbound_pdus.event AND b.type = 'm.room.member' AND b.state_key LIKE '%:' || ?1)",
        &[destination, &numbers(in_flight)],
    )
}

fn bound_edus(
    tx: &mut WriteTx<'_>,
    destination: &ServerName,
    edus_max: i64,
    horizon: i64,
) -> Result<usize, StoreError> {
    let mut gone = tx.execute(
        "DELETE FROM outbound_edus WHERE destination = ?1 AND queued_at < ?2 AND in_flight = 0",
        &[destination, &horizon],
    )?;
    for lane in [Lane::ToDevice, Lane::Other] {
        gone += tx.execute(
            "DELETE FROM outbound_edus
              WHERE destination = ?1 AND lane = ?2 AND in_flight = 0
                AND position <= (SELECT position FROM outbound_edus
                                  WHERE destination = ?1 AND lane = ?2
                                  ORDER BY position DESC
                                  LIMIT 1 OFFSET ?3)",
            &[destination, &lane.number(), &edus_max],
        )?;
    }
    Ok(gone)
}

//! What waits to be sent to other servers: one ordered queue for each, and the transaction that is on its way.

pub mod away;
pub mod delivered;

use std::collections::BTreeSet;

use events::ServerName;

use crate::numbers::{EventNumber, Position, RoomNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

#[cfg(test)]
mod tests;

/// Which EDUs go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Messages to devices: without them nobody can read what else arrives.
    ToDevice,
    /// Everything else.
    Other,
}

impl Lane {
    fn number(self) -> i64 {
        match self {
            Self::ToDevice => 0,
            Self::Other => 1,
        }
    }
}

/// A PDU that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingPdu {
    /// Its place in the queue.
    pub position: Position,
    /// The room.
    pub room: RoomNumber,
    /// The event.
    pub event: EventNumber,
}

/// An EDU that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEdu {
    /// Its place in the queue.
    pub position: Position,
    /// `m.receipt` and the like.
    pub edu_type: String,
    /// Its content, as JSON.
    pub content: String,
}

/// An EDU to be queued.
#[derive(Debug, Clone, Copy)]
pub struct NewEdu<'a> {
    /// Which EDUs it goes with.
    pub lane: Lane,
    /// `m.receipt` and the like.
    pub edu_type: &'a str,
    /// Its content, as JSON.
    pub content: &'a str,
    /// What has the same key and was not sent yet is replaced.
    pub merge_key: Option<&'a str>,
}

/// A transaction as it is sent, and sent again until it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTransaction {
    /// Its id. Never used again with other content.
    pub id: String,
    /// Its `origin_server_ts`.
    pub started_at: i64,
    /// The PDUs in it.
    pub pdus: Vec<Position>,
    /// The durable EDUs in it.
    pub edus: Vec<Position>,
    /// The other EDUs in it, as a JSON array.
    pub ephemeral: String,
}

/// A server that may want to hear from us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDestination {
    /// Which.
    pub destination: ServerName,
    /// Whether something waits for it.
    pub waiting: bool,
    /// Whether the last attempt to reach it failed.
    pub failing: bool,
}

/// Queues an event for `destinations`.
pub fn enqueue_pdu(
    tx: &mut WriteTx<'_>,
    destinations: &BTreeSet<ServerName>,
    room: RoomNumber,
    event: EventNumber,
) -> Result<(), StoreError> {
    let destinations = list(destinations.iter().map(ServerName::as_str));
    take_positions(tx, &destinations)?;
    tx.execute(
        "INSERT INTO outbound_pdus (destination, position, room, event)
         SELECT destination, position, ?2, ?3
           FROM outbound_destinations
          WHERE destination IN (SELECT value FROM json_each(?1))",
        &[&destinations, &room, &event],
    )?;
    Ok(())
}

/// Queues an EDU for `destinations`. It replaces what waits there with the same key and is not on its way.
pub fn enqueue_edu(
    tx: &mut WriteTx<'_>,
    destinations: &BTreeSet<ServerName>,
    edu: NewEdu<'_>,
    now: i64,
) -> Result<(), StoreError> {
    let destinations = list(destinations.iter().map(ServerName::as_str));
    if let Some(key) = edu.merge_key {
        tx.execute(
            "DELETE FROM outbound_edus
              WHERE merge_key = ?1 AND in_flight = 0
                AND destination IN (SELECT value FROM json_each(?2))",
            &[&key, &destinations],
        )?;
    }
    take_positions(tx, &destinations)?;
    tx.execute(
        "INSERT INTO outbound_edus
                (destination, lane, position, merge_key, in_flight, queued_at, edu_type, content)
         SELECT destination, ?2, position, ?3, 0, ?4, ?5, ?6
           FROM outbound_destinations
          WHERE destination IN (SELECT value FROM json_each(?1))",
        &[&destinations, &edu.lane.number(), &edu.merge_key, &now, &edu.edu_type, &edu.content],
    )?;
    Ok(())
}

fn take_positions(tx: &mut WriteTx<'_>, destinations: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO outbound_destinations (destination, position)
         SELECT value, (SELECT highest FROM outbound_forgotten WHERE id = 1) + 1 FROM json_each(?1) WHERE TRUE
         ON CONFLICT (destination) DO UPDATE SET position = outbound_destinations.position + 1",
        &[&destinations],
    )?;
    Ok(())
}

/// Returns the first `limit` PDUs that wait for `destination`, oldest first.
pub fn waiting_pdus(tx: &ReadTx<'_>, destination: &ServerName, limit: i64) -> Result<Vec<WaitingPdu>, StoreError> {
    tx.query_all(
        "SELECT position, room, event
           FROM outbound_pdus
          WHERE destination = ?1
          ORDER BY position
          LIMIT ?2",
        &[destination, &limit],
        read_pdu,
    )
}

/// Returns the servers that an event waits for.
pub fn waited_for_by(tx: &ReadTx<'_>, room: RoomNumber, event: EventNumber) -> Result<Vec<ServerName>, StoreError> {
    tx.query_all(
        "SELECT destination FROM outbound_pdus WHERE room = ?1 AND event = ?2 ORDER BY destination",
        &[&room, &event],
        |row| row.get(0),
    )
}

/// Returns the first `limit` EDUs that wait for `destination`: lane by lane, oldest first.
pub fn waiting_edus(tx: &ReadTx<'_>, destination: &ServerName, limit: i64) -> Result<Vec<WaitingEdu>, StoreError> {
    tx.query_all(
        "SELECT position, edu_type, content
           FROM outbound_edus
          WHERE destination = ?1
          ORDER BY lane, position
          LIMIT ?2",
        &[destination, &limit],
        read_edu,
    )
}

/// Returns the PDUs at `positions`, in that order; those that are gone are left out.
pub fn pdus_at(
    tx: &ReadTx<'_>,
    destination: &ServerName,
    positions: &[Position],
) -> Result<Vec<WaitingPdu>, StoreError> {
    tx.query_all(
        "SELECT position, room, event
           FROM outbound_pdus
          WHERE destination = ?1 AND position IN (SELECT value FROM json_each(?2))
          ORDER BY position",
        &[destination, &numbers(positions)],
        read_pdu,
    )
}

/// Returns the EDUs at `positions`, lane by lane; those that are gone are left out.
pub fn edus_at(
    tx: &ReadTx<'_>,
    destination: &ServerName,
    positions: &[Position],
) -> Result<Vec<WaitingEdu>, StoreError> {
    tx.query_all(
        "SELECT position, edu_type, content
           FROM outbound_edus
          WHERE destination = ?1 AND position IN (SELECT value FROM json_each(?2))
          ORDER BY lane, position",
        &[destination, &numbers(positions)],
        read_edu,
    )
}

/// Returns the transaction that is on its way to `destination`.
pub fn stored(tx: &ReadTx<'_>, destination: &ServerName) -> Result<Option<StoredTransaction>, StoreError> {
    tx.query_optional(
        "SELECT transaction_id, started_at, pdus, edus, ephemeral
           FROM outbound_transactions
          WHERE destination = ?1",
        &[destination],
        |row| {
            Ok(StoredTransaction {
                id: row.get(0)?,
                started_at: row.get(1)?,
                pdus: read_positions(destination, &row.get::<String>(2)?)?,
                edus: read_positions(destination, &row.get::<String>(3)?)?,
                ephemeral: row.get(4)?,
            })
        },
    )
}

/// Stores what is about to be sent to `destination`. EDUs that were replaced since they were read are taken out of
/// `transaction`; the returned one is what may be sent. If nothing is left of it, nothing is stored.
///
/// Any transaction stored before must have been answered or forgotten.
pub fn begin(
    tx: &mut WriteTx<'_>,
    destination: &ServerName,
    mut transaction: StoredTransaction,
) -> Result<StoredTransaction, StoreError> {
    let waiting: BTreeSet<Position> =
        edus_at(tx, destination, &transaction.edus)?.into_iter().map(|edu| edu.position).collect();
    transaction.edus.retain(|position| waiting.contains(position));
    if transaction.pdus.is_empty() && transaction.edus.is_empty() {
        return Ok(transaction);
    }
    if !transaction.edus.is_empty() {
        tx.execute(
            "UPDATE outbound_edus SET in_flight = 1
              WHERE destination = ?1 AND position IN (SELECT value FROM json_each(?2))",
            &[destination, &numbers(&transaction.edus)],
        )?;
    }
    tx.execute(
        "INSERT INTO outbound_transactions (destination, transaction_id, started_at, pdus, edus, ephemeral)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            destination,
            &transaction.id,
            &transaction.started_at,
            &numbers(&transaction.pdus),
            &numbers(&transaction.edus),
            &transaction.ephemeral,
        ],
    )?;
    Ok(transaction)
}

/// Takes what `transaction` carried out of the queue: it was delivered, or is given up.
pub fn remove(
    tx: &mut WriteTx<'_>,
    destination: &ServerName,
    transaction: &StoredTransaction,
) -> Result<(), StoreError> {
    remove_pdus(tx, destination, &transaction.pdus)?;
    if !transaction.edus.is_empty() {
        tx.execute(
            "DELETE FROM outbound_edus
              WHERE destination = ?1 AND position IN (SELECT value FROM json_each(?2))",
            &[destination, &numbers(&transaction.edus)],
        )?;
    }
    tx.execute(
        "DELETE FROM outbound_transactions WHERE destination = ?1 AND transaction_id = ?2",
        &[destination, &transaction.id],
    )?;
    Ok(())
}

/// Forgets that a transaction is on its way; what it carried waits again, and its id is lost for good.
pub fn forget(tx: &mut WriteTx<'_>, destination: &ServerName) -> Result<(), StoreError> {
    tx.execute("UPDATE outbound_edus SET in_flight = 0 WHERE destination = ?1 AND in_flight = 1", &[destination])?;
    tx.execute("DELETE FROM outbound_transactions WHERE destination = ?1", &[destination])?;
    Ok(())
}

/// Notes that `destination` answered.
pub fn note_delivered(tx: &mut WriteTx<'_>, destination: &ServerName, now: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO outbound_destinations (destination, position, delivered_at)
         VALUES (?1, (SELECT highest FROM outbound_forgotten WHERE id = 1), ?2)
         ON CONFLICT (destination) DO UPDATE SET delivered_at = ?2, failing_since = NULL",
        &[destination, &now],
    )?;
    Ok(())
}

/// Says whether anything waits for `destination`.
pub fn is_waiting(tx: &ReadTx<'_>, destination: &ServerName) -> Result<bool, StoreError> {
    tx.query_one(
        "SELECT EXISTS (SELECT 1 FROM outbound_pdus WHERE destination = ?1)
             OR EXISTS (SELECT 1 FROM outbound_edus WHERE destination = ?1)",
        &[destination],
        |row| row.get(0),
    )
}

/// Returns up to `limit` servers, in the order of their names from behind `after` on, that something waits for or that were
/// reached since `since`.
pub fn known_destinations(
    tx: &ReadTx<'_>,
    since: i64,
    after: &str,
    limit: i64,
) -> Result<Vec<KnownDestination>, StoreError> {
    tx.query_all(
        "SELECT destination, waiting, failing
           FROM (SELECT destination, delivered_at,
                        EXISTS (SELECT 1 FROM outbound_pdus AS p WHERE p.destination = d.destination)
                        OR EXISTS (SELECT 1 FROM outbound_edus AS e WHERE e.destination = d.destination) AS waiting,
                        failing_since IS NOT NULL AS failing
                   FROM outbound_destinations AS d
                  WHERE destination > ?2) AS known
          WHERE waiting OR delivered_at >= ?1
          ORDER BY destination
          LIMIT ?3",
        &[&since, &after, &limit],
        |row| Ok(KnownDestination { destination: row.get(0)?, waiting: row.get(1)?, failing: row.get(2)? }),
    )
}

/// Forgets up to `limit` servers that nothing waits for and that took nothing since `horizon`, and returns how many. If they
/// come back, their positions go on behind all that were forgotten.
pub fn forget_idle(tx: &mut WriteTx<'_>, horizon: i64, limit: i64) -> Result<usize, StoreError> {
    let idle: Vec<(String, i64)> = tx.query_all(
        "SELECT destination, position
           FROM outbound_destinations AS d
          WHERE delivered_at < ?1
            AND NOT EXISTS (SELECT 1 FROM outbound_pdus AS p WHERE p.destination = d.destination)
            AND NOT EXISTS (SELECT 1 FROM outbound_edus AS e WHERE e.destination = d.destination)
            AND NOT EXISTS (SELECT 1 FROM outbound_transactions AS t WHERE t.destination = d.destination)
          ORDER BY delivered_at
          LIMIT ?2",
        &[&horizon, &limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (destination, position) in &idle {
        tx.execute("DELETE FROM outbound_destinations WHERE destination = ?1", &[destination])?;
        tx.execute("UPDATE outbound_forgotten SET highest = ?1 WHERE id = 1 AND highest < ?1", &[position])?;
    }
    Ok(idle.len())
}

/// Takes the PDUs at `positions` out of the queue.
pub fn remove_pdus(tx: &mut WriteTx<'_>, destination: &ServerName, positions: &[Position]) -> Result<(), StoreError> {
    if positions.is_empty() {
        return Ok(());
    }
    tx.execute(
        "DELETE FROM outbound_pdus
          WHERE destination = ?1 AND position IN (SELECT value FROM json_each(?2))",
        &[destination, &numbers(positions)],
    )?;
    Ok(())
}

fn read_pdu(row: &Row<'_>) -> Result<WaitingPdu, StoreError> {
    Ok(WaitingPdu { position: row.get(0)?, room: row.get(1)?, event: row.get(2)? })
}

fn read_edu(row: &Row<'_>) -> Result<WaitingEdu, StoreError> {
    Ok(WaitingEdu { position: row.get(0)?, edu_type: row.get(1)?, content: row.get(2)? })
}

fn read_positions(destination: &ServerName, text: &str) -> Result<Vec<Position>, StoreError> {
    let numbers: Vec<i64> = serde_json::from_str(text).map_err(|_| {
        StoreError::Inconsistent(format!("the row of {destination} in outbound_transactions lists no positions"))
    })?;
    Ok(numbers.into_iter().map(Position).collect())
}

fn numbers(positions: &[Position]) -> String {
    let numbers: Vec<i64> = positions.iter().map(|position| position.0).collect();
    serde_json::json!(numbers).to_string()
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(texts).to_string()
}

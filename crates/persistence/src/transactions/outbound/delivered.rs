//! What each destination took: for servers that ask again for what they lost, and for those who want to know what became of an
//! event.

use events::ServerName;

use super::{StoredTransaction, edus_at, pdus_at};
use crate::numbers::EventNumber;
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// A transaction that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its number among those of its destination.
    pub number: i64,
    /// Its id.
    pub transaction_id: String,
    /// The events in it.
    pub events: Vec<EventNumber>,
    /// The durable EDUs in it, as a JSON array of `edu_type` and `content`, if they were kept.
    pub edus: Option<String>,
}

/// What a destination did with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which server.
    pub destination: ServerName,
    /// When it answered, in milliseconds since 1970.
    pub delivered_at: i64,
    /// What it said against single events of the transaction, as JSON: an object from event ids to reasons.
    pub refused: Option<String>,
}

/// Notes that `destination` took a transaction that is still in its queue. `refused` is what it said against single events, as
/// JSON. Forgets all but the newest `keep`.
pub fn record(
    tx: &mut WriteTx<'_>,
    destination: &ServerName,
    transaction: &StoredTransaction,
    now: i64,
    refused: Option<&str>,
    keep: i64,
) -> Result<(), StoreError> {
    let (number, asks_again): (i64, bool) = tx.query_one(
        "UPDATE outbound_destinations SET deliveries = deliveries + 1 WHERE destination = ?1
         RETURNING deliveries, asks_again",
        &[destination],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let pdus = pdus_at(tx, destination, &transaction.pdus)?;
    let events: String = pdus.iter().map(|pdu| format!("{},", pdu.event.0)).collect();
    let edus = if asks_again { Some(edus_json(tx, destination, transaction)?) } else { None };
    tx.execute(
        "INSERT INTO outbound_delivered (destination, number, transaction_id, delivered_at, events, edus, refused)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[destination, &number, &transaction.id, &now, &format!(",{events}"), &edus, &refused],
    )?;
    tx.execute(
        "DELETE FROM outbound_delivered WHERE destination = ?1 AND number <= ?2",
        &[destination, &(number - keep)],
    )?;
    Ok(())
}

fn edus_json(tx: &ReadTx<'_>, destination: &ServerName, transaction: &StoredTransaction) -> Result<String, StoreError> {
    let mut edus = Vec::new();
    for edu in edus_at(tx, destination, &transaction.edus)? {
        let content: serde_json::Value = serde_json::from_str(&edu.content).map_err(|error| {
            StoreError::Inconsistent(format!("an EDU of {destination} in outbound_edus is no JSON: {error}"))
        })?;
        edus.push(serde_json::json!({ "edu_type": edu.edu_type, "content": content }));
    }
    Ok(serde_json::Value::from(edus).to_string())
}

/// Remembers that `destination` asks again for what it lost. Returns whether that is news.
pub fn note_asks_again(tx: &mut WriteTx<'_>, destination: &ServerName) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "INSERT INTO outbound_destinations (destination, position, asks_again)
         VALUES (?1, (SELECT highest FROM outbound_forgotten WHERE id = 1), 1)
         ON CONFLICT (destination) DO UPDATE SET asks_again = 1 WHERE outbound_destinations.asks_again = 0",
        &[destination],
    )?;
    Ok(changed > 0)
}

/// Returns the numbers and ids of the transactions that are kept of those that `destination` took, oldest first.
pub fn ids(tx: &ReadTx<'_>, destination: &ServerName) -> Result<Vec<(i64, String)>, StoreError> {
    tx.query_all(
        "SELECT number, transaction_id FROM outbound_delivered WHERE destination = ?1 ORDER BY number",
        &[destination],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Returns up to `limit` of the transactions that `destination` took after the one with `number`, oldest first.
pub fn after(tx: &ReadTx<'_>, destination: &ServerName, number: i64, limit: i64) -> Result<Vec<Delivered>, StoreError> {
    tx.query_all(
        "SELECT number, transaction_id, events, edus
           FROM outbound_delivered
          WHERE destination = ?1 AND number > ?2
          ORDER BY number
          LIMIT ?3",
        &[destination, &number, &limit],
        read_delivered,
    )
}

/// Returns what became of an event at those who took it since `since`.
pub fn receipts(tx: &ReadTx<'_>, event: EventNumber, since: i64) -> Result<Vec<Receipt>, StoreError> {
    tx.query_all(
        "SELECT destination, delivered_at, refused
           FROM outbound_delivered
          WHERE delivered_at >= ?1 AND events LIKE ?2
          ORDER BY delivered_at",
        &[&since, &format!("%,{},%", event.0)],
        |row| Ok(Receipt { destination: row.get(0)?, delivered_at: row.get(1)?, refused: row.get(2)? }),
    )
}

/// Forgets up to `limit` transactions that were taken before `horizon`, and returns how many.
pub fn purge(tx: &mut WriteTx<'_>, horizon: i64, limit: i64) -> Result<usize, StoreError> {
    tx.execute(
        "DELETE FROM outbound_delivered
          WHERE (destination, number) IN (
                SELECT destination, number
                  FROM outbound_delivered
                 WHERE delivered_at < ?1
                 ORDER BY delivered_at
                 LIMIT ?2)",
        &[&horizon, &limit],
    )
}

fn read_delivered(row: &Row<'_>) -> Result<Delivered, StoreError> {
    let number: i64 = row.get(0)?;
    let listed: String = row.get(2)?;
    let events = listed.split(',').filter(|text| !text.is_empty()).map(|text| text.parse().map(EventNumber));
    let events = events.collect::<Result<Vec<_>, _>>().map_err(|_| {
        StoreError::Inconsistent(format!("row {number} of a destination in outbound_delivered lists no events"))
    })?;
    Ok(Delivered { number, transaction_id: row.get(1)?, events, edus: row.get(3)? })
}

//! Tells a destination again what it took: everything after a position of the ordered stream to it.
//!
//! A server that was restored from a backup lacks what it took after that, and nobody else has what was meant for it alone. Only
//! servers of our kind ask; for others nothing more is kept than what became of events.

use events::ServerName;
use persistence::transactions::events as event_rows;
use persistence::transactions::outbound::delivered::{self, Delivered};
use persistence::{ReadTx, StoreError};
use serde_json::{Value, json};
use transport::questions::{Answer, DeliveredAfter, DeliveryQuestions};

use super::Outbound;
use super::limits::{TRANSACTION_BYTES_MAX, TRANSACTION_EDUS_MAX, TRANSACTION_PDUS_MAX};
use crate::intake::EventBodies;

/// Transactions that are looked at for one page.
const PAGE_TRANSACTIONS_MAX: i64 = 50;

/// What is told in one answer: no more than a transaction may have, unless the first of those that it repeats has.
#[derive(Default)]
struct Page {
    pdus: Vec<Value>,
    edus: Vec<Value>,
    bytes: usize,
    /// The number that it ends with, if there is more.
    next: Option<i64>,
}

impl DeliveryQuestions for Outbound {
    fn delivered_after<'a>(&'a self, origin: &'a ServerName, after: DeliveredAfter) -> Answer<'a> {
        Box::pin(async move {
            let (database, bodies) = (&self.0.database, self.0.bodies.clone());
            if let DeliveredAfter::Transaction(_) = &after {
                // From now on more is kept for it.
                let name = origin.clone();
                database.write(move |tx| delivered::note_asks_again(tx, &name)).await?;
            }
            let name = origin.clone();
            let (page, complete) = database
                .read(move |tx| {
                    let (number, complete) = match after {
                        DeliveredAfter::Number(number) => (number, true),
                        DeliveredAfter::Transaction(id) => position_of(&delivered::ids(tx, &name)?, &id),
                    };
                    let rows = delivered::after(tx, &name, number, PAGE_TRANSACTIONS_MAX)?;
                    Ok::<_, StoreError>((Page::read(tx, &*bodies, rows)?, complete))
                })
                .await?;
            Ok(json!({ "pdus": page.pdus, "edus": page.edus, "next": page.next, "complete": complete }))
        })
    }
}

impl Page {
    fn read(tx: &ReadTx<'_>, bodies: &dyn EventBodies, rows: Vec<Delivered>) -> Result<Self, StoreError> {
        let mut page = Self::default();
        let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) == PAGE_TRANSACTIONS_MAX;
        let last = rows.last().map(|row| row.number).filter(|_| more);
        let mut told = None;
        for row in rows {
            let (pdus, edus) = (read_pdus(tx, bodies, &row)?, read_edus(&row)?);
            let bytes = pdus.iter().chain(&edus).map(|value| value.to_string().len()).sum::<usize>();
            let is_full = page.pdus.len() + pdus.len() > TRANSACTION_PDUS_MAX
                || page.edus.len() + edus.len() > TRANSACTION_EDUS_MAX
                || page.bytes + bytes > TRANSACTION_BYTES_MAX;
            if is_full && told.is_some() {
                page.next = told;
                return Ok(page);
            }
            page.pdus.extend(pdus);
            page.edus.extend(edus);
            page.bytes += bytes;
            told = Some(row.number);
        }
        page.next = last;
        Ok(page)
    }
}

fn read_pdus(tx: &ReadTx<'_>, bodies: &dyn EventBodies, row: &Delivered) -> Result<Vec<Value>, StoreError> {
    let mut pdus = Vec::new();
    for event in &row.events {
        let Some(room) = event_rows::room(tx, *event)? else { continue };
        if let Some(body) = bodies.body(tx, room, *event)? {
            pdus.extend(serde_json::from_str::<Value>(body.get()).ok());
        }
    }
    Ok(pdus)
}

fn read_edus(row: &Delivered) -> Result<Vec<Value>, StoreError> {
    let Some(edus) = &row.edus else { return Ok(Vec::new()) };
    serde_json::from_str(edus).map_err(|error| {
        StoreError::Inconsistent(format!(
            "the EDUs of {} in outbound_delivered are no JSON: {error}",
            row.transaction_id
        ))
    })
}

/// The number of the transaction with the id `id`, or of the last one before it, and whether everything after it is kept. What was
/// worth nothing later was not kept; it has an id all the same.
fn position_of(kept: &[(i64, String)], id: &str) -> (i64, bool) {
    let Some((incarnation, sequence)) = parts(id) else { return (0, false) };
    let before = kept
        .iter()
        .rev()
        .find(|(_, kept)| parts(kept).is_some_and(|(other, number)| other == incarnation && number <= sequence));
    match (before, kept.first()) {
        (Some((number, _)), _) => (*number, true),
        // It was the first of all that were delivered, or of a run of which nothing else is kept.
        (None, Some((1, _))) | (None, None) => (0, true),
        (None, Some(_)) => (0, false),
    }
}

/// An id of ours: the incarnation and the sequence.
fn parts(id: &str) -> Option<(&str, u64)> {
    let (incarnation, sequence) = id.rsplit_once('-')?;
    Some((incarnation, sequence.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_transaction_is_found_by_its_id() {
        let kept: Vec<(i64, String)> =
            [(7, "a-3"), (8, "a-5"), (9, "b-0"), (10, "b-4")].map(|(number, id)| (number, id.to_owned())).into();
        assert_eq!(position_of(&kept, "a-3"), (7, true));
        assert_eq!(position_of(&kept, "a-4"), (7, true), "an ephemeral one");
        assert_eq!(position_of(&kept, "a-99"), (8, true));
        assert_eq!(position_of(&kept, "b-3"), (9, true));
        assert_eq!(position_of(&kept, "b-4"), (10, true));
        assert_eq!(position_of(&kept, "a-2"), (0, false), "what follows it was forgotten");
        assert_eq!(position_of(&kept, "c-1"), (0, false));
        assert_eq!(position_of(&kept, "nonsense"), (0, false));
        assert_eq!(position_of(&[(1, "a-3".to_owned())], "a-1"), (0, true));
        assert_eq!(position_of(&[], "a-1"), (0, true));
    }
}

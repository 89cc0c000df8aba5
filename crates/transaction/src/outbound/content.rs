//! What is in a transaction: read from the database, stored before it is sent, written as JSON.

use events::{Object, ServerName};
use handles::Timestamp;
use persistence::transactions::outbound::{self, StoredTransaction, WaitingEdu, WaitingPdu};
use persistence::{Position, ReadTx, StoreError};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::batch::{Batch, Waiting, choose};
use super::ephemeral::EphemeralEdu;
use super::limits::{TRANSACTION_BYTES_MAX, TRANSACTION_EDUS_MAX, TRANSACTION_PDUS_MAX};
use crate::intake::EventBodies;

/// An empty array.
const NO_EDUS: &str = "[]";
/// Characters of unreadable JSON in the log.
const SHOWN_CHARS_MAX: usize = 200;

/// What is there for a destination.
pub(super) enum Found {
    /// A transaction that was not answered, to be sent again as it was.
    Unanswered(Transaction),
    /// What the next one is made of.
    Waiting(Page),
}

/// A transaction that can be sent.
pub(super) struct Transaction {
    pub(super) stored: StoredTransaction,
    pdus: Vec<Box<RawValue>>,
    edus: Vec<WaitingEdu>,
}

/// The front of a queue, no more than fits into one transaction.
#[derive(Default)]
pub(super) struct Page {
    pdus: Vec<(Position, Box<RawValue>)>,
    edus: Vec<WaitingEdu>,
    /// PDUs whose events were purged.
    gone: Vec<Position>,
    /// A transaction with more items than may be sent has to be forgotten first.
    pub(super) forget: Option<StoredTransaction>,
}

/// Reads what is there for `destination`.
pub(super) fn find(
    tx: &ReadTx<'_>,
    bodies: &dyn EventBodies,
    destination: &ServerName,
    items_max: usize,
) -> Result<Found, StoreError> {
    let stored = outbound::stored(tx, destination)?;
    if let Some(stored) = stored {
        if stored.pdus.len() + stored.edus.len() <= items_max {
            return unanswered(tx, bodies, destination, stored).map(Found::Unanswered);
        }
        let page = read_page(tx, bodies, destination)?;
        return Ok(Found::Waiting(Page { forget: Some(stored), ..page }));
    }
    read_page(tx, bodies, destination).map(Found::Waiting)
}

fn unanswered(
    tx: &ReadTx<'_>,
    bodies: &dyn EventBodies,
    destination: &ServerName,
    stored: StoredTransaction,
) -> Result<Transaction, StoreError> {
    let mut pdus = Vec::new();
    for waiting in outbound::pdus_at(tx, destination, &stored.pdus)? {
        pdus.extend(body(tx, bodies, destination, waiting)?);
    }
    let edus = outbound::edus_at(tx, destination, &stored.edus)?;
    Ok(Transaction { stored, pdus, edus })
}

fn read_page(tx: &ReadTx<'_>, bodies: &dyn EventBodies, destination: &ServerName) -> Result<Page, StoreError> {
    let mut page = Page::default();
    let mut bytes = 0;
    for waiting in outbound::waiting_pdus(tx, destination, count(TRANSACTION_PDUS_MAX))? {
        match body(tx, bodies, destination, waiting)? {
            Some(body) => {
                bytes += body.get().len();
                page.pdus.push((waiting.position, body));
            }
            None => page.gone.push(waiting.position),
        }
        if bytes > TRANSACTION_BYTES_MAX {
            break;
        }
    }
    page.edus = outbound::waiting_edus(tx, destination, count(TRANSACTION_EDUS_MAX))?;
    Ok(page)
}

/// Returns the JSON of an event, or `None` if nothing can be sent for it. One bad row must not hold up all that follows.
fn body(
    tx: &ReadTx<'_>,
    bodies: &dyn EventBodies,
    destination: &ServerName,
    waiting: WaitingPdu,
) -> Result<Option<Box<RawValue>>, StoreError> {
    match bodies.body(tx, waiting.room, waiting.event) {
        Ok(body) => Ok(body),
        Err(StoreError::Inconsistent(reason)) => {
            tracing::error!(
                server.name = %destination,
                "event {} of room {} cannot be read and is not sent to {destination}: {reason}",
                waiting.event.0,
                waiting.room.0
            );
            Ok(None)
        }
        Err(
            error @ (StoreError::Engine(_)
            | StoreError::Conflict(_)
            | StoreError::Panicked(_)
            | StoreError::TooLong(_)
            | StoreError::Closed),
        ) => Err(error),
    }
}

impl Page {
    /// Whether there is nothing to send and nothing to tidy.
    pub(super) fn is_empty(&self) -> bool {
        self.pdus.is_empty() && self.edus.is_empty() && self.gone.is_empty()
    }

    /// Makes a transaction with the id `id` of the front of this page and of `ephemeral`; what of those has no place is
    /// returned. Also returns the positions of purged events.
    pub(super) fn into_transaction(
        mut self,
        id: String,
        started_at: Timestamp,
        mut ephemeral: Vec<EphemeralEdu>,
        items_max: usize,
    ) -> (Transaction, Vec<EphemeralEdu>, Vec<Position>) {
        let pdu_sizes: Vec<usize> = self.pdus.iter().map(|(_, body)| body.get().len()).collect();
        let edu_sizes: Vec<usize> = self.edus.iter().map(|edu| edu.edu_type.len() + edu.content.len()).collect();
        let ephemeral_sizes: Vec<usize> = ephemeral.iter().map(|edu| edu.json().len()).collect();
        let waiting = Waiting { pdus: &pdu_sizes, edus: &edu_sizes, ephemeral: &ephemeral_sizes };
        let Batch { pdus, edus, ephemeral: riding } = choose(waiting, items_max);
        self.pdus.truncate(pdus);
        self.edus.truncate(edus);
        let left_over = ephemeral.split_off(riding);
        let (positions, bodies) = self.pdus.into_iter().unzip();
        let stored = StoredTransaction {
            id,
            started_at,
            pdus: positions,
            edus: self.edus.iter().map(|edu| edu.position).collect(),
            ephemeral: format!("[{}]", ephemeral.iter().map(EphemeralEdu::json).collect::<Vec<_>>().join(",")),
        };
        (Transaction { stored, pdus: bodies, edus: self.edus }, left_over, self.gone)
    }
}

impl Transaction {
    /// A transaction that says nothing but that we are here.
    pub(super) fn empty(id: String, started_at: Timestamp) -> Self {
        let stored =
            StoredTransaction { id, started_at, pdus: Vec::new(), edus: Vec::new(), ephemeral: NO_EDUS.to_owned() };
        Self { stored, pdus: Vec::new(), edus: Vec::new() }
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.is_in_memory_only() && self.stored.ephemeral == NO_EDUS
    }

    /// Whether nothing of it is in the database.
    pub(super) fn is_in_memory_only(&self) -> bool {
        self.stored.pdus.is_empty() && self.stored.edus.is_empty()
    }

    /// Whether it is worth nothing to anybody but its receiver, now.
    pub(super) fn has_only_ephemeral(&self) -> bool {
        self.is_in_memory_only() && self.stored.ephemeral != NO_EDUS
    }

    /// PDUs and durable EDUs.
    pub(super) fn items(&self) -> usize {
        self.stored.pdus.len() + self.stored.edus.len()
    }

    /// Drops the EDUs that `stored` does not have: they were replaced while this was prepared.
    pub(super) fn keep(&mut self, stored: StoredTransaction) {
        self.edus.retain(|edu| stored.edus.contains(&edu.position));
        self.stored = stored;
    }

    /// The body of `PUT /send/{txnId}`. What cannot be read is left out: it must not hold up the rest.
    pub(super) fn body(&self, origin: &ServerName) -> Object {
        let pdus: Vec<Value> = self.pdus.iter().filter_map(|pdu| self.parse(pdu.get())).collect();
        let mut edus: Vec<Value> = self
            .edus
            .iter()
            .filter_map(|edu| Some(json!({ "edu_type": edu.edu_type, "content": self.parse(&edu.content)? })))
            .collect();
        if let Some(Value::Array(ephemeral)) = self.parse(&self.stored.ephemeral) {
            edus.extend(ephemeral);
        }
        Object::from_iter([
            ("origin".to_owned(), origin.as_str().into()),
            ("origin_server_ts".to_owned(), self.stored.started_at.into()),
            ("pdus".to_owned(), pdus.into()),
            ("edus".to_owned(), edus.into()),
        ])
    }

    fn parse(&self, text: &str) -> Option<Value> {
        serde_json::from_str(text)
            .inspect_err(|error| {
                let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
                tracing::error!(
                    "the outbound transaction {} has JSON that cannot be read: {error}: {shown}",
                    self.stored.id
                );
            })
            .ok()
    }
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

//! Transactions from other servers: each is processed once, and answered the same however often it comes. S2S API,
//! "Transactions".

mod turns;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use defects::Defect;
use events::ServerName;
use handles::Handles;
use persistence::transactions::pulls;
use persistence::transactions::received_transactions::{self, Stored};
use persistence::{Database, StoreError, WriteTx};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use transport::ApiError;
use transport::questions::{Answer, Edu, Inbox, TransactionBody};

use crate::intake::{CheckedPdus, EduIntake, PduIntake};
use crate::outbound::limits::DELIVERED_AGE_MAX;
use crate::volume::{PDU_BYTES, Volume};
use turns::{Entry, Turns};

/// Bytes of a transaction id. Ours have about 30, Synapse's 13.
pub const TRANSACTION_ID_BYTES_MAX: usize = 255;
/// Answers kept for one origin. A server that sends one transaction at a time only ever repeats its last.
pub const ANSWERS_PER_ORIGIN_MAX: i64 = 1_000;
/// How long an answer is kept. Who repeats a transaction after that has been away for so long that it is processed again. For as
/// long as others know what they delivered to us, we know after which transaction to ask.
pub const ANSWER_AGE_MAX: Duration = DELIVERED_AGE_MAX;
/// Servers of which it is remembered that they were heard from in this run.
const NEWCOMERS_MAX: usize = 50_000;
/// How often old answers are forgotten.
const PURGE_INTERVAL: Duration = Duration::from_hours(1);
/// Answers forgotten in one database transaction, so that others need not wait long.
const PURGE_PAGE: i64 = 1_000;
/// Bytes of what is said to be wrong with one PDU.
const ERROR_BYTES_MAX: usize = 500;

/// Takes transactions. Cheap to clone.
#[derive(Clone)]
pub struct Inbound(Arc<Shared>);

struct Shared {
    database: Database,
    handles: Handles,
    pdus: Arc<dyn PduIntake>,
    edus: Vec<Arc<dyn EduIntake>>,
    volume: Volume,
    turns: Turns,
    /// When this run began, in milliseconds since 1970.
    started: i64,
    newcomers: Newcomers,
}

/// The servers that were heard from in this run.
#[derive(Default)]
struct Newcomers {
    known: Mutex<BTreeSet<ServerName>>,
    news: Notify,
}

impl Inbound {
    /// Hands PDUs to `pdus`, and each EDU to the first of `edus` that understands its type, as far as `volume` lets an origin.
    pub fn new(
        database: Database,
        handles: Handles,
        pdus: Arc<dyn PduIntake>,
        edus: Vec<Arc<dyn EduIntake>>,
        volume: Volume,
    ) -> Self {
        let started = handles.clock.now();
        let (turns, newcomers) = (Turns::default(), Newcomers::default());
        Self(Arc::new(Shared { database, handles, pdus, edus, volume, turns, started, newcomers }))
    }

    /// When this run began, in milliseconds since 1970.
    pub(crate) fn started(&self) -> i64 {
        self.0.started
    }

    /// Whether a server was heard from in this run.
    pub(crate) fn has_heard(&self, origin: &ServerName) -> bool {
        self.0.newcomers.known.lock().unwrap_or_else(PoisonError::into_inner).contains(origin)
    }

    /// Waits until a server is heard from for the first time in this run.
    pub(crate) async fn newcomer(&self) {
        self.0.newcomers.news.notified().await;
    }

    /// Takes what `origin` sent before, and does `beside` in the same database transaction.
    pub(crate) async fn take_again(
        &self,
        origin: &ServerName,
        body: TransactionBody,
        beside: impl FnOnce(&mut WriteTx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.0.volume.count(origin, size_of(&body));
        let checked = self.0.pdus.check(origin, body.pdus).await?;
        let (shared, origin) = (Arc::clone(&self.0), origin.clone());
        self.0
            .database
            .write(move |tx| {
                shared.apply(tx, &origin, checked, &body.edus)?;
                beside(tx)
            })
            .await
    }

    /// Begins to forget old answers in the background.
    pub fn start(&self) {
        let shared = Arc::clone(&self.0);
        self.0.handles.tasks.spawn("transactions: forget old answers", async move {
            loop {
                shared.purge().await;
                shared.handles.clock.sleep(PURGE_INTERVAL).await;
            }
        });
    }
}

impl Inbox for Inbound {
    fn receive<'a>(&'a self, origin: &'a ServerName, id: &'a str, body: TransactionBody) -> Answer<'a> {
        Box::pin(async move {
            if id.is_empty() || id.len() > TRANSACTION_ID_BYTES_MAX {
                return Err(ApiError::invalid_param(format!(
                    "the transaction id must have 1 to {TRANSACTION_ID_BYTES_MAX} bytes"
                )));
            }
            let answer = match self.0.turns.enter(origin, id)? {
                Entry::Joined(answer) => answer,
                Entry::First(turn, answer) => {
                    // In a task of its own: a peer that gives up waiting does not stop what it will ask for again.
                    let shared = Arc::clone(&self.0);
                    let (origin, id) = (origin.clone(), id.to_owned());
                    self.0.handles.tasks.spawn("transactions: receive", async move {
                        turn.wait().await;
                        let answer = shared.answer(&origin, &id, body).await;
                        turn.finish(answer);
                    });
                    answer
                }
            };
            answer.wait().await
        })
    }
}

impl Shared {
    /// Returns the answer given before, or processes the transaction.
    async fn answer(self: &Arc<Self>, origin: &ServerName, id: &str, body: TransactionBody) -> Result<Value, ApiError> {
        let key = (origin.clone(), id.to_owned());
        let before: Option<String> =
            self.database.read(move |tx| received_transactions::answer(tx, &key.0, &key.1)).await?;
        if let Some(before) = before
            && !defects::is_on(Defect::NoDeduplication)
        {
            tracing::debug!(server.name = %origin, "{origin} repeated the transaction {id}");
            return parse(origin, id, &before);
        }
        self.volume.take(origin, size_of(&body)).map_err(|exhausted| {
            tracing::info!(server.name = %origin, "{origin} sends too much: {exhausted}");
            let retry_after_ms = u64::try_from(exhausted.retry_after.as_millis()).unwrap_or(u64::MAX);
            ApiError::new(429, "M_LIMIT_EXCEEDED", exhausted.to_string()).with("retry_after_ms", retry_after_ms)
        })?;
        let checked = self.pdus.check(origin, body.pdus).await?;
        let answer = answer_for(&checked);
        let (shared, origin, id) = (Arc::clone(self), origin.clone(), id.to_owned());
        let stored = self
            .database
            .write(move |tx| {
                let stored = shared.commit(tx, &origin, &id, answer, checked, &body.edus)?;
                Ok::<_, StoreError>((stored, origin, id))
            })
            .await?;
        match stored {
            (Ok(answer), ..) => Ok(answer),
            (Err(before), origin, id) => parse(&origin, &id, &before),
        }
    }

    /// Writes the answer and all that it acknowledges. Returns the answer, or the text of the one that was there before.
    fn commit(
        self: &Arc<Self>,
        tx: &mut WriteTx<'_>,
        origin: &ServerName,
        id: &str,
        answer: Value,
        checked: CheckedPdus,
        edus: &[Edu],
    ) -> Result<Result<Value, String>, StoreError> {
        let now = self.handles.clock.now();
        match received_transactions::store(tx, origin, id, &answer.to_string(), now, ANSWERS_PER_ORIGIN_MAX)? {
            Stored::Before(before) if !defects::is_on(Defect::NoDeduplication) => return Ok(Err(before)),
            Stored::Before(_) | Stored::Now => {}
        }
        self.apply(tx, origin, checked, edus)?;
        if self.newcomers.note(origin) {
            pulls::begin(tx, origin, self.started, id, now)?;
            let shared = Arc::clone(self);
            tx.after_commit(move || shared.newcomers.news.notify_one());
        }
        Ok(Ok(answer))
    }

    /// Writes what a transaction carries.
    fn apply(
        &self,
        tx: &mut WriteTx<'_>,
        origin: &ServerName,
        checked: CheckedPdus,
        edus: &[Edu],
    ) -> Result<(), StoreError> {
        checked.staging.stage(tx)?;
        for edu in edus {
            match self.edus.iter().find(|intake| intake.handles(&edu.edu_type)) {
                Some(intake) => intake.apply(tx, origin, edu)?,
                None => {
                    tracing::debug!(server.name = %origin, "ignored an EDU of type {} from {origin}", edu.edu_type);
                }
            }
        }
        Ok(())
    }

    async fn purge(&self) {
        let age_max = i64::try_from(ANSWER_AGE_MAX.as_millis()).unwrap_or(i64::MAX);
        let horizon = self.handles.clock.now().saturating_sub(age_max);
        loop {
            match self.database.write(move |tx| received_transactions::purge(tx, horizon, PURGE_PAGE)).await {
                Ok(0) => return,
                Ok(_) => {}
                Err::<_, StoreError>(error) => {
                    tracing::error!("cannot forget old answers to transactions: {error}");
                    return;
                }
            }
        }
    }
}

impl Newcomers {
    /// Returns whether `origin` was not heard from before.
    fn note(&self, origin: &ServerName) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        !known.contains(origin) && known.len() < NEWCOMERS_MAX && known.insert(origin.clone())
    }
}

/// S2S API, "PDU Processing Results".
fn answer_for(checked: &CheckedPdus) -> Value {
    let mut pdus = Map::new();
    for (event_id, error) in &checked.results {
        let result = match error {
            None => json!({}),
            Some(error) => json!({ "error": shortened(error) }),
        };
        pdus.insert(event_id.as_str().to_owned(), result);
    }
    json!({ "pdus": pdus })
}

fn shortened(text: &str) -> &str {
    let end = (0..=ERROR_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

fn parse(origin: &ServerName, id: &str, answer: &str) -> Result<Value, ApiError> {
    serde_json::from_str(answer).map_err(|error| {
        StoreError::Inconsistent(format!("the answer in received_transactions to {id} of {origin} is no JSON: {error}"))
            .into()
    })
}

#[cfg(test)]
mod tests;

/// What a transaction takes on the disk, in bytes.
fn size_of(body: &TransactionBody) -> u64 {
    let bytes = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let pdus = body.pdus.iter().map(|pdu| bytes(pdu.get().len()) + PDU_BYTES);
    let edus = body.edus.iter().map(|edu| serde_json::to_vec(&edu.content).map_or(0, |json| bytes(json.len())));
    pdus.chain(edus).sum()
}

//! Carries out what a queue has decided: one transaction, from the database to the destination and back.

use std::sync::Arc;
use std::time::Duration;

use events::{Object, ServerName};
use handles::Timestamp;
use persistence::StoreError;
use persistence::transactions::outbound as rows;
use persistence::transactions::outbound::away::{self, Absence};
use persistence::transactions::outbound::delivered;
use serde_json::Value;
use transport::{CallError, CallLimits};

use super::content::{Found, Page, Transaction, find};
use super::ephemeral::EphemeralEdu;
use super::limits::{
    DELIVERED_KEPT_MAX, LONG_ABSENCE, REFUSAL_CHARS_MAX, SEND_ANSWER_BYTES_MAX, SEND_TIMEOUT, SLOW_ANSWER_MIN,
    TRANSACTION_ITEMS_MAX, TRANSACTION_PDUS_MAX, WAITING_EDU_AGE_MAX, WAITING_EDUS_MAX, WAITING_PDUS_MAX,
};
use super::queue::{Order, Refused, Rows, WhenEmpty};
use super::{Pace, Shared};

/// How an attempt went.
#[derive(Debug)]
pub(super) enum Report {
    /// The destination has answered.
    Delivered {
        /// Whether more waits.
        again: Rows,
        /// How long it took.
        pace: Pace,
    },
    /// The item that it does not take is out of the queue.
    GivenUp,
    /// There was nothing to send.
    Nothing,
    /// It does not take this content.
    Refused(Refused),
    /// It broke over this content, or it is broken.
    ServerError(Refused),
    /// It wants to be left alone for a while.
    AskedToRest {
        /// Until then, on the monotonic clock.
        until: Duration,
    },
    /// It did not answer, or we could not ask. The log says why.
    Failed,
}

impl Shared {
    /// Does what `order` says, in the turn of the destination among all others.
    pub(super) async fn deliver(self: &Arc<Self>, name: &ServerName, order: Order) -> Report {
        let pace = self.destinations().get(name).map_or(Pace::Prompt, |destination| destination.pace);
        let turns = match pace {
            Pace::Prompt => &self.prompt,
            Pace::Slow => &self.probing,
        };
        // The semaphores are never closed.
        let _turn = turns.acquire().await;
        let report = match order {
            Order::Batch { items_max, when_empty, rows } => match self.prepare(name, items_max, rows).await {
                Ok(Some(transaction)) => self.send(name, transaction).await,
                Ok(None) => match when_empty {
                    WhenEmpty::Send => self.send(name, self.empty()).await,
                    WhenEmpty::Skip => Ok(Report::Nothing),
                },
                Err(error) => Err(error),
            },
            Order::Empty => self.send(name, self.empty()).await,
            Order::GiveUpItem => self.give_up_item(name).await,
        };
        report.unwrap_or_else(|error| {
            tracing::error!(server.name = %name, "cannot send to {name}, our database failed: {error}");
            Report::Failed
        })
    }

    /// Returns what to send, stored where that is needed, or `None` if nothing waits.
    async fn prepare(
        self: &Arc<Self>,
        name: &ServerName,
        items_max: usize,
        rows: Rows,
    ) -> Result<Option<Transaction>, StoreError> {
        loop {
            let page = match rows {
                Rows::None => Page::default(),
                Rows::Ask => match self.find(name, items_max).await? {
                    Found::Unanswered(transaction) => return Ok(Some(transaction)),
                    Found::Waiting(page) => page,
                },
            };
            // While we look for an item that the destination does not take, nothing else rides along.
            let rides = page.is_empty() || items_max == TRANSACTION_ITEMS_MAX;
            let ephemeral = if rides { self.take_ephemeral(name) } else { Vec::new() };
            if page.is_empty() && ephemeral.is_empty() {
                return Ok(None);
            }
            let transaction = self.begin(name, page, ephemeral, items_max).await?;
            if transaction.is_some() {
                return Ok(transaction);
            }
            // Only purged events stood at the front of the queue; they are gone.
        }
    }

    async fn find(self: &Arc<Self>, name: &ServerName, items_max: usize) -> Result<Found, StoreError> {
        let (bodies, name) = (Arc::clone(&self.bodies), name.clone());
        self.database.read(move |tx| find(tx, &*bodies, &name, items_max)).await
    }

    /// Stores what is about to be sent. What is in memory only needs no storing: it is not sent twice.
    async fn begin(
        self: &Arc<Self>,
        name: &ServerName,
        mut page: Page,
        ephemeral: Vec<EphemeralEdu>,
        items_max: usize,
    ) -> Result<Option<Transaction>, StoreError> {
        let forget = page.forget.take();
        let (mut transaction, left_over, gone) =
            page.into_transaction(self.next_id(), self.handles.clock.now(), ephemeral, items_max);
        self.put_back_ephemeral(name, left_over);
        let in_memory_only = transaction.is_in_memory_only();
        if in_memory_only && gone.is_empty() {
            return Ok(Some(transaction));
        }
        let (destination, stored) = (name.clone(), transaction.stored.clone());
        let stored = self
            .database
            .write(move |tx| {
                if forget.is_some() {
                    rows::forget(tx, &destination)?;
                }
                rows::remove_pdus(tx, &destination, &gone)?;
                if in_memory_only {
                    return Ok::<_, StoreError>(None);
                }
                rows::begin(tx, &destination, stored).map(Some)
            })
            .await?;
        if let Some(stored) = stored {
            transaction.keep(stored);
        }
        Ok(Some(transaction).filter(|transaction| !transaction.is_empty()))
    }

    /// Sends a transaction and takes what was delivered out of the queue.
    async fn send(self: &Arc<Self>, name: &ServerName, transaction: Transaction) -> Result<Report, StoreError> {
        let id = &transaction.stored.id;
        let started = self.handles.clock.monotonic();
        let limits = CallLimits { timeout: SEND_TIMEOUT, response_bytes_max: SEND_ANSWER_BYTES_MAX };
        let path = format!("/_matrix/federation/v1/send/{id}");
        let body = Value::Object(transaction.body(&self.server_name));
        // The queue alone decides when a destination is tried: two rests one inside the other would become very long.
        let answer = self.client.call_resting(name, http::Method::PUT, path, Some(&body), limits).await;
        drop(body);
        match answer {
            Ok(answer) => {
                let took = self.handles.clock.monotonic().saturating_sub(started);
                let pace = if took >= SLOW_ANSWER_MIN { Pace::Slow } else { Pace::Prompt };
                let refused = refused_pdus(name, &answer);
                let again = self.delivered(name, transaction, refused).await?;
                Ok(Report::Delivered { again, pace })
            }
            Err(error) => Ok(self.failed(name, &transaction, &error).await),
        }
    }

    async fn delivered(
        &self,
        name: &ServerName,
        transaction: Transaction,
        refused: Option<String>,
    ) -> Result<Rows, StoreError> {
        if transaction.has_only_ephemeral() {
            return Ok(Rows::None);
        }
        let (destination, now) = (name.clone(), self.handles.clock.now());
        self.database
            .write(move |tx| {
                rows::note_delivered(tx, &destination, now)?;
                if !transaction.is_in_memory_only() {
                    let (stored, refused) = (&transaction.stored, refused.as_deref());
                    delivered::record(tx, &destination, stored, now, refused, DELIVERED_KEPT_MAX)?;
                }
                rows::remove(tx, &destination, &transaction.stored)?;
                Ok(if rows::is_waiting(tx, &destination)? { Rows::Ask } else { Rows::None })
            })
            .await
    }

    async fn failed(&self, name: &ServerName, transaction: &Transaction, error: &CallError) -> Report {
        let id = &transaction.stored.id;
        if let (CallError::Refused { status: 429, .. }, Some(until)) = (error, self.client.health().resting_until(name))
        {
            tracing::debug!(server.name = %name, "{name} takes no transactions for a while: {error}");
            let rest = u64::try_from(until.saturating_sub(self.handles.clock.now())).unwrap_or(0);
            return Report::AskedToRest { until: self.handles.clock.monotonic() + Duration::from_millis(rest) };
        }
        let refused = match transaction.items() {
            0 => Refused::NothingKept,
            items => Refused::Items(items),
        };
        if refuses_content(error) {
            tracing::warn!(server.name = %name, "{name} does not take the transaction {id}: {error}");
            return Report::Refused(refused);
        }
        let failures = self.destinations().get(name).map_or(0, |destination| destination.queue.failures());
        if failures == 0 {
            tracing::info!(server.name = %name, "cannot send to {name}, trying again later: {error}");
        } else {
            tracing::debug!(server.name = %name, "still cannot send to {name} ({failures} failures before): {error}");
        }
        if let Err(error) = self.note_failing(name).await {
            tracing::error!(server.name = %name, "cannot bound what waits for {name}: {error}");
        }
        if is_server_error(error) { Report::ServerError(refused) } else { Report::Failed }
    }

    /// Bounds what waits for a destination that is away.
    async fn note_failing(&self, name: &ServerName) -> Result<(), StoreError> {
        let (destination, now) = (name.clone(), self.handles.clock.now());
        let horizon = now.saturating_sub(milliseconds(WAITING_EDU_AGE_MAX));
        let gone = self
            .database
            .write(move |tx| {
                let since = away::note_failing(tx, &destination, now)?;
                let absence = if now - since >= milliseconds(LONG_ABSENCE) {
                    Absence::Long
                } else {
                    Absence::Short { pdus_max: WAITING_PDUS_MAX }
                };
                away::bound(tx, &destination, absence, WAITING_EDUS_MAX, horizon)
            })
            .await?;
        if gone != away::LetGo::default() {
            tracing::info!(
                server.name = %name,
                "{name} stays away: let go of {} PDUs, which it will ask for when it is back, of {} of rooms that it has left, and of {} EDUs",
                gone.pdus,
                gone.unshared,
                gone.edus
            );
        }
        Ok(())
    }

    /// Takes the only item of the unanswered transaction out of the queue.
    async fn give_up_item(self: &Arc<Self>, name: &ServerName) -> Result<Report, StoreError> {
        let Found::Unanswered(transaction) = self.find(name, 1).await? else { return Ok(Report::GivenUp) };
        tracing::error!(
            server.name = %name,
            "gave up sending to {name} what it refuses again and again, while it takes transactions without it: {}",
            serde_json::Value::Object(transaction.body(&self.server_name))
        );
        let destination = name.clone();
        self.database.write(move |tx| rows::remove(tx, &destination, &transaction.stored)).await?;
        Ok(Report::GivenUp)
    }

    fn empty(&self) -> Transaction {
        Transaction::empty(self.next_id(), self.handles.clock.now())
    }

    fn take_ephemeral(&self, name: &ServerName) -> Vec<EphemeralEdu> {
        self.destinations().get_mut(name).map(|destination| destination.ephemeral.take()).unwrap_or_default()
    }

    fn put_back_ephemeral(&self, name: &ServerName, edus: Vec<EphemeralEdu>) {
        if let Some(destination) = self.destinations().get_mut(name) {
            destination.ephemeral.put_back(edus);
        }
    }
}

fn milliseconds(time: Duration) -> Timestamp {
    Timestamp::try_from(time.as_millis()).unwrap_or(Timestamp::MAX)
}

/// Whether the answer is about the content. An error without a Matrix code comes from something else on the way, which may
/// refuse everything; but a proxy that finds a body too large says so in no other way.
fn refuses_content(error: &CallError) -> bool {
    match error {
        CallError::Refused { status: 413, .. } => true,
        CallError::Refused { status: 400, body, .. } => body.get("errcode").is_some(),
        CallError::Refused { .. } | CallError::Exchange(_) | CallError::Garbage { .. } | CallError::Resting { .. } => {
            false
        }
    }
}

/// Whether the destination itself, and nothing on the way to it, failed to process what it was sent. One event that no server
/// should have made is enough for that. CVE-2025-30355.
fn is_server_error(error: &CallError) -> bool {
    match error {
        CallError::Refused { status: 500, body, .. } => body.get("errcode").is_some(),
        CallError::Refused { .. } | CallError::Exchange(_) | CallError::Garbage { .. } | CallError::Resting { .. } => {
            false
        }
    }
}

/// Returns what the destination says against single PDUs, as JSON, and logs it. They are delivered: sending them again would not
/// change its mind.
fn refused_pdus(name: &ServerName, answer: &Value) -> Option<String> {
    let pdus = answer.get("pdus").and_then(Value::as_object)?;
    let refused: Object = pdus
        .iter()
        .take(TRANSACTION_PDUS_MAX)
        .filter_map(|(event_id, result)| {
            let error = result.get("error")?;
            let reason: String = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
            let reason: String = reason.chars().take(REFUSAL_CHARS_MAX).collect();
            tracing::warn!(server.name = %name, event.id = %event_id, "{name} does not accept {event_id}: {reason}");
            Some((event_id.clone(), reason.into()))
        })
        .collect();
    (!refused.is_empty()).then(|| Value::Object(refused).to_string())
}

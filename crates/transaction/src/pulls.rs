//! Asks servers of our kind again for what they sent us: everything after the last transaction that we are sure to have.
//!
//! A server that starts cannot know whether it was restored from a backup. If it was, it lacks what others delivered to it since,
//! and for messages to devices there is nobody else to ask. So each server that we hear from, or that we heard from lately, is
//! asked once in each run. Whoever is of another kind is asked for its `/version` and nothing else.

use std::sync::Arc;
use std::time::Duration;

use events::ServerName;
use futures_util::StreamExt;
use handles::Handles;
use persistence::transactions::pulls::{self as rows, Pull};
use persistence::{Database, StoreError, WriteTx};
use transport::questions::{DeliveredAfter, TransactionBody};

use crate::inbound::Inbound;
use crate::outbound::limits::{DELIVERED_AGE_MAX, DELIVERED_KEPT_MAX};
use crate::requests::{RequestError, Requests};

/// What our kind of server says that it is.
const SOFTWARE: &str = "Althing";
/// Servers that are asked at once.
const PULLS_AT_ONCE: usize = 8;
/// How long a server is asked that does not answer. What it sent before that it has forgotten, too.
pub const PULL_HORIZON: Duration = DELIVERED_AGE_MAX;
/// The first pause before a server is asked again that did not answer; doubles each time.
const RETRY_FIRST: Duration = Duration::from_secs(10);
/// The longest such pause.
const RETRY_MAX: Duration = Duration::from_hours(1);
/// Attempts to reach a server that has not been heard from in this run. When it is back, it is asked as soon as it says something.
const ATTEMPTS_UNHEARD_MAX: i64 = 6;
/// Pages that one server may give: it keeps no more transactions.
const PAGES_MAX: i64 = DELIVERED_KEPT_MAX;

/// Asks servers for what we may have lost. Cheap to clone.
#[derive(Clone)]
pub struct Pulls(Arc<Shared>);

struct Shared {
    database: Database,
    handles: Handles,
    requests: Requests,
    inbound: Inbound,
}

/// What became of asking a server.
enum Outcome {
    /// It told everything, or it is of another kind.
    Done,
    /// It did not answer.
    Later(RequestError),
}

impl Pulls {
    /// Hands what was lost to `inbound`.
    pub fn new(database: Database, handles: Handles, requests: Requests, inbound: Inbound) -> Self {
        Self(Arc::new(Shared { database, handles, requests, inbound }))
    }

    /// Begins to ask.
    pub fn start(&self) {
        let shared = Arc::clone(&self.0);
        self.0.handles.tasks.spawn("transactions: ask again", async move {
            if let Err(error) = shared.begin_all().await {
                tracing::error!("cannot find out who is to be asked for what we may have lost: {error}");
            }
            loop {
                let pause = shared.pull_due().await.unwrap_or_else(|error| {
                    tracing::error!("nobody is asked for what we may have lost, since the database failed: {error}");
                    Some(RETRY_FIRST)
                });
                let news = shared.inbound.newcomer();
                match pause {
                    None => news.await,
                    Some(pause) => tokio::select! {
                        biased;
                        () = news => {}
                        () = shared.handles.clock.sleep(pause) => {}
                    },
                }
            }
        });
    }
}

impl Shared {
    async fn begin_all(&self) -> Result<(), StoreError> {
        let started = self.inbound.started();
        let heard_since = started.saturating_sub(milliseconds(PULL_HORIZON));
        self.database.write(move |tx| rows::begin_all(tx, heard_since, started)).await
    }

    /// Asks those who are due. Returns when others are; `None` if nobody is to be asked.
    async fn pull_due(&self) -> Result<Option<Duration>, StoreError> {
        loop {
            let now = self.handles.clock.now();
            let limit = i64::try_from(PULLS_AT_ONCE).unwrap_or(i64::MAX);
            let (due, next) = self
                .database
                .read(move |tx| Ok::<_, StoreError>((rows::due(tx, now, limit)?, rows::next_due(tx)?)))
                .await?;
            if due.is_empty() {
                return Ok(next.map(|next| Duration::from_millis(u64::try_from(next - now).unwrap_or(0))));
            }
            let mut asked = futures_util::stream::iter(due).map(|pull| self.pull(pull)).buffer_unordered(PULLS_AT_ONCE);
            while let Some(done) = asked.next().await {
                done?;
            }
        }
    }

    async fn pull(&self, pull: Pull) -> Result<(), StoreError> {
        let (origin, attempts, since) = (pull.origin.clone(), pull.attempts, pull.since);
        let may_be_gone = pull.number.is_none() && !self.inbound.has_heard(&origin);
        let outcome = self.ask(pull).await?;
        let now = self.handles.clock.now();
        self.database
            .write(move |tx| match outcome {
                Outcome::Done => rows::remove(tx, &origin),
                Outcome::Later(_) if may_be_gone && attempts + 1 >= ATTEMPTS_UNHEARD_MAX => rows::remove(tx, &origin),
                Outcome::Later(error) if now - since > milliseconds(PULL_HORIZON) => {
                    tracing::info!(server.name = %origin, "Gave up asking {origin} for what we may have lost: {error}");
                    rows::remove(tx, &origin)
                }
                Outcome::Later(error) => {
                    tracing::debug!(server.name = %origin, "{origin} is asked later for what we may have lost: {error}");
                    rows::postpone(tx, &origin, now + retry_after(attempts))
                }
            })
            .await
    }

    async fn ask(&self, pull: Pull) -> Result<Outcome, StoreError> {
        let origin = &pull.origin;
        match self.requests.software(origin).await {
            Ok(Some(name)) if name == SOFTWARE => {}
            Ok(_) => return Ok(Outcome::Done),
            Err(error) if error.is_unrecognized() => return Ok(Outcome::Done),
            Err(error) => return Ok(Outcome::Later(error)),
        }
        let mut after = match pull.number {
            Some(number) => DeliveredAfter::Number(number),
            None => DeliveredAfter::Transaction(pull.after_transaction),
        };
        for _ in 0..PAGES_MAX {
            let page = match self.requests.delivered_after(origin, &after).await {
                Ok(page) => page,
                Err(error) if error.is_unrecognized() => return Ok(Outcome::Done),
                Err(error) => return Ok(Outcome::Later(error)),
            };
            if !page.complete {
                tracing::info!(server.name = %origin, "{origin} no longer knows all that it sent us after our last contact");
            }
            let next = page.next;
            if !page.pdus.is_empty() || !page.edus.is_empty() {
                tracing::info!(server.name = %origin, "{origin} tells again {} PDUs and {} EDUs", page.pdus.len(), page.edus.len());
            }
            self.take(origin, TransactionBody { pdus: page.pdus, edus: page.edus }, next).await?;
            match (next, &after) {
                (None, _) => return Ok(Outcome::Done),
                (Some(next), DeliveredAfter::Number(before)) if next <= *before => return Ok(Outcome::Done),
                (Some(next), _) => after = DeliveredAfter::Number(next),
            }
        }
        Ok(Outcome::Done)
    }

    /// Takes a page as if it were a transaction, and remembers that in the same commit.
    async fn take(&self, origin: &ServerName, body: TransactionBody, next: Option<i64>) -> Result<(), StoreError> {
        let name = origin.clone();
        let progress = move |tx: &mut WriteTx<'_>| match next {
            Some(number) => rows::advance(tx, &name, number),
            None => Ok(()),
        };
        self.inbound.take_again(origin, body, progress).await
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The pause before the next attempt, in milliseconds.
fn retry_after(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 16)).unwrap_or(0);
    milliseconds(RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX))
}

#[cfg(test)]
mod tests;

//! One transaction of an origin at a time; who asks for one that is being processed gets the same answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use events::ServerName;
use handles::watch;
use serde_json::Value;
use tokio::sync::Notify;
use transport::ApiError;

/// Transactions of one origin that are processed or wait for their turn. A server that follows the specification has one.
pub(super) const PER_ORIGIN_MAX: usize = 5;

/// When an origin that sent too many may try again.
const RETRY_AFTER_MS: u64 = 1_000;

type Outcome = Option<Result<Value, ApiError>>;

/// Who is being served. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<BTreeMap<ServerName, Vec<Served>>>>);

/// A transaction of an origin; the first of them has the turn.
struct Served {
    id: String,
    answer: watch::Receiver<Outcome>,
    turn: Arc<Notify>,
}

/// How a transaction was received.
pub(super) enum Entry {
    /// It is new: whoever holds the turn processes it.
    First(Turn, Waiting),
    /// It is being processed.
    Joined(Waiting),
}

/// The right to process a transaction, once those before it are done. Given up when dropped.
pub(super) struct Turn {
    turns: Turns,
    origin: ServerName,
    id: String,
    mine: Arc<Notify>,
    answer: watch::Sender<Outcome>,
}

/// A wait for an answer.
pub(super) struct Waiting(watch::Receiver<Outcome>);

impl Turns {
    /// Enters a transaction. An origin that sends too many at once is told to wait.
    pub(super) fn enter(&self, origin: &ServerName, id: &str) -> Result<Entry, ApiError> {
        let mut origins = self.lock();
        let served = origins.entry(origin.clone()).or_default();
        if let Some(same) = served.iter().find(|served| served.id == id) {
            return Ok(Entry::Joined(Waiting(same.answer.clone())));
        }
        if served.len() >= PER_ORIGIN_MAX {
            tracing::info!(server.name = %origin, "{origin} sends more than {PER_ORIGIN_MAX} transactions at once");
            return Err(ApiError::new(
                429,
                "M_LIMIT_EXCEEDED",
                format!("{PER_ORIGIN_MAX} transactions of {origin} are being processed; send one at a time"),
            )
            .with("retry_after_ms", RETRY_AFTER_MS));
        }
        let (answer, wait) = watch::channel(None);
        let mine = Arc::new(Notify::new());
        if served.is_empty() {
            mine.notify_one();
        }
        served.push(Served { id: id.to_owned(), answer: wait.clone(), turn: Arc::clone(&mine) });
        let turn = Turn { turns: self.clone(), origin: origin.clone(), id: id.to_owned(), mine, answer };
        Ok(Entry::First(turn, Waiting(wait)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServerName, Vec<Served>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until the transactions that came before are done. Each of them ends in bounded time.
    pub(super) async fn wait(&self) {
        self.mine.notified().await;
    }

    /// Tells everybody who waits.
    pub(super) fn finish(self, answer: Result<Value, ApiError>) {
        self.answer.send_modify(|outcome| *outcome = Some(answer));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut origins = self.turns.lock();
        let Some(served) = origins.get_mut(&self.origin) else { return };
        served.retain(|served| served.id != self.id);
        match served.first() {
            // A notification that nobody waits for yet is kept, and a second one to the same is the same.
            Some(next) => next.turn.notify_one(),
            None => drop(origins.remove(&self.origin)),
        }
    }
}

impl Waiting {
    /// Waits for the answer.
    pub(super) async fn wait(mut self) -> Result<Value, ApiError> {
        match self.0.find(Clone::clone).await {
            Ok(answer) => answer,
            // The turn was dropped without an answer: the server is stopping.
            Err(watch::Closed) => {
                Err(ApiError::new(503, "M_UNKNOWN", "the server is stopping; send the transaction again"))
            }
        }
    }
}

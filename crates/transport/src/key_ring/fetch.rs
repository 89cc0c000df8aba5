//! Gets the keys of a server: one fetch for each server at a time, and not too often.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use events::{KeyId, Object, ServerName, Value, json};
use handles::{Timestamp, watch};
use persistence::StoreError;
use persistence::transactions::server_keys::{self as rows, StoredDocument};

use super::document::Document;
use super::{KeyRing, lacking};
use crate::client;
use crate::exchange::Request;

/// For one request for keys.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer. Notaries may send several documents.
const RESPONSE_BYTES_MAX: usize = 256 * 1024;
/// A server that answered is not asked again sooner, whatever keys are said to be its.
const REFETCH_MIN: Duration = Duration::from_secs(30);
/// After a failure; twice as long after each further one.
const RETRY_MIN: Duration = Duration::from_secs(5);
/// Somebody asks in the server's name, so it may well be up.
const RETRY_MAX_REQUEST: Duration = Duration::from_secs(30);
/// An event is patient.
const RETRY_MAX_EVENTS: Duration = Duration::from_secs(60 * 60);
/// Servers of which keys are being fetched.
const FLIGHTS_MAX: usize = 4096;
/// Servers of which keys are stored.
const STORED_SERVERS_MAX: u32 = 100_000;
/// One in so many writes removes what is too much.
const PRUNE_ONE_IN: u64 = 256;

/// What the keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A request that waits to be let in. Notaries help if the server itself cannot be reached.
    Request,
    /// Events. Notaries help also with keys that the server itself has forgotten.
    Events,
    /// Somebody asks us as a notary, or we ask a notary. No further notary is asked, or they would ask in circles.
    Notary,
}

/// How the last fetch of a server's keys ended.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    ended: Duration,
    failures: u32,
    /// Why the server itself did not answer. `None` if it did.
    pub(super) error: Option<String>,
}

/// A fetch under way. The channel closes when it ends.
pub(super) type Flight = watch::Receiver<()>;

impl KeyRing {
    /// Fetches the keys of `server` unless that was tried a moment ago, and waits until that is done or takes longer than
    /// `patience`.
    pub(super) async fn fetch(
        &self,
        server: &ServerName,
        wanted: BTreeMap<KeyId, Timestamp>,
        purpose: Purpose,
        patience: Duration,
    ) {
        let Some(mut flight) = self.join_flight(server, wanted, purpose) else { return };
        tokio::select! {
            biased;
            // Nothing is ever sent: the sender is dropped at the end.
            _ = flight.changed() => {}
            () = self.0.handles.clock.sleep(patience) => {}
        }
    }

    pub(super) fn is_in_flight(&self, server: &ServerName) -> bool {
        self.flights().contains_key(server)
    }

    /// Says whether `server` itself answered since the instant `began`.
    pub(super) fn answered_since(&self, server: &ServerName, began: Duration) -> bool {
        *server == self.0.server_name
            || self.0.attempts.get(server).is_some_and(|attempt| attempt.error.is_none() && attempt.ended >= began)
    }

    fn join_flight(&self, server: &ServerName, wanted: BTreeMap<KeyId, Timestamp>, purpose: Purpose) -> Option<Flight> {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(server) {
            return Some(flight.clone());
        }
        if *server == self.0.server_name || flights.len() >= FLIGHTS_MAX || !self.is_due(server, purpose) {
            return None;
        }
        let (end, flight) = watch::channel(());
        flights.insert(server.clone(), flight.clone());
        drop(flights);
        let landing = Landing { ring: self.clone(), server: server.clone(), end: Some(end) };
        let flight_task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(fly(landing, wanted, purpose));
        self.0.handles.tasks.spawn("fetch the keys of a server", flight_task);
        Some(flight)
    }

    fn is_due(&self, server: &ServerName, purpose: Purpose) -> bool {
        let Some(attempt) = self.0.attempts.get(server) else { return true };
        let pause_max = match purpose {
            Purpose::Request | Purpose::Notary => RETRY_MAX_REQUEST,
            Purpose::Events => RETRY_MAX_EVENTS,
        };
        let pause = match attempt.failures {
            0 => REFETCH_MIN,
            failures => RETRY_MIN.saturating_mul(1 << (failures - 1).min(31)).min(pause_max),
        };
        self.0.handles.clock.monotonic() >= attempt.ended.saturating_add(pause)
    }

    /// Asks `server` itself.
    async fn fetch_directly(&self, server: &ServerName) -> Result<Document, String> {
        let answer = self.ask(server, http::Method::GET, "/_matrix/key/v2/server", None).await?;
        Document::parse(server, answer).map_err(|error| error.to_string())
    }

    /// Sends a request that needs no signature and returns the object that answers it. Errors are in words.
    pub(super) async fn ask(
        &self,
        server: &ServerName,
        method: http::Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Object, String> {
        let request = Request {
            destination: server.clone(),
            method,
            path_and_query: path.to_owned(),
            authorization: None,
            body,
            timeout: REQUEST_TIMEOUT,
            response_bytes_max: RESPONSE_BYTES_MAX,
        };
        // The semaphore is never closed.
        let turn = self.0.requests.acquire().await;
        let response = self.0.client.exchange().send(request).await.map_err(|error| error.to_string())?;
        drop(turn);
        if response.status != 200 {
            return Err(format!("{server} answered {path} with status {}", response.status));
        }
        let value: Value = serde_json::from_slice(&response.body).map_err(|error| format!("{path}: {error}"))?;
        client::expect_object(server, value).map_err(|error| error.to_string())
    }

    /// Keeps what `document` says.
    async fn keep(&self, server: &ServerName, document: Document) -> Result<(), StoreError> {
        let now = self.0.handles.clock.now();
        let keys = Arc::new(self.known(server).await.with(&document, now));
        let prune = self.0.handles.random.below(PRUNE_ONE_IN) == 0;
        let row = StoredDocument {
            document: json::canonical(&document.object),
            valid_until: document.valid_until,
            fetched: now,
        };
        let (owned_server, stored_keys) = (server.clone(), keys.to_rows());
        self.0
            .database
            .write(move |tx| {
                rows::replace_keys(tx, &owned_server, &stored_keys)?;
                let newer = rows::document(tx, &owned_server)?.is_none_or(|old| old.valid_until <= row.valid_until);
                if newer {
                    rows::put_document(tx, &owned_server, &row)?;
                }
                if prune { rows::prune(tx, STORED_SERVERS_MAX) } else { Ok(()) }
            })
            .await?;
        self.0.cache.insert(server.clone(), keys);
        Ok(())
    }

    async fn keep_or_log(&self, server: &ServerName, document: Document) {
        if let Err(error) = self.keep(server, document).await {
            tracing::error!(server.name = %server, "the keys of {server} cannot be stored: {error}");
        }
    }

    fn flights(&self) -> MutexGuard<'_, BTreeMap<ServerName, Flight>> {
        self.0.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a flight, also when its task is stopped or panics.
struct Landing {
    ring: KeyRing,
    server: ServerName,
    end: Option<watch::Sender<()>>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.ring.flights().remove(&self.server);
        drop(self.end.take());
    }
}

async fn fly(landing: Landing, wanted: BTreeMap<KeyId, Timestamp>, purpose: Purpose) {
    let (ring, server) = (&landing.ring, &landing.server);
    let error = match ring.fetch_directly(server).await {
        Ok(document) => {
            ring.keep_or_log(server, document).await;
            None
        }
        Err(error) => Some(error),
    };
    if let Some(error) = &error {
        tracing::debug!(server.name = %server, "{server} did not give its keys: {error}");
    }
    let still_wanted = lacking(Some(&ring.known(server).await), &wanted);
    let ask_notaries = match purpose {
        Purpose::Request => error.is_some(),
        Purpose::Events => !still_wanted.is_empty(),
        Purpose::Notary => false,
    };
    if ask_notaries {
        for document in ring.fetch_from_notaries(server, still_wanted).await {
            ring.keep_or_log(server, document).await;
        }
    }
    let failures = ring.0.attempts.get(server).map_or(0, |attempt| attempt.failures);
    let failures = if error.is_some() { failures.saturating_add(1) } else { 0 };
    let ended = ring.0.handles.clock.monotonic();
    ring.0.attempts.insert(server.clone(), Attempt { ended, failures, error });
}

//! Tries events again whose signatures could not be checked, until the keys are there or the horizon has passed.
//!
//! A key that cannot be had is no bad signature. Until it is there, such an event is in a table of its own, and nothing but this
//! task reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use events::Pdu;
use persistence::transactions::rooms as room_rows;
use persistence::transactions::unverified::{self as rows, Unverified};
use persistence::{RoomNumber, StoreError};
use tokio::sync::Notify;

use crate::due::milliseconds;
use crate::graph::Graph;
use crate::intake::{References, Refusal};
use crate::limits::{STAGED_HORIZON, STAGED_RETRY_FIRST, UNVERIFIED_BATCH_MAX};
use crate::receive::retry_after;
use crate::waiting::stage;

/// Wakes the task that tries such events again.
#[derive(Default)]
pub(crate) struct Verifier(Notify);

/// What became of an event that waited.
enum Outcome {
    Checked(Pdu),
    /// Its signature is wrong, or its horizon has passed.
    GivenUp,
    Postponed(i64),
}

impl Graph {
    /// There are new events that wait for keys.
    pub(crate) fn wake_verifier(&self) {
        self.verifier().0.notify_one();
    }

    /// Starts the task that tries such events again.
    pub(crate) fn start_verifier(&self) {
        let graph = self.clone();
        self.handles().tasks.spawn("unverified events", async move {
            loop {
                let pause = match graph.verify_due().await {
                    Ok(pause) => pause,
                    Err(error) => {
                        tracing::error!("events wait for keys, since the database failed: {error}");
                        Some(STAGED_RETRY_FIRST)
                    }
                };
                graph.rest(pause).await;
            }
        });
    }

    /// Waits for news, or until the pause is over.
    async fn rest(&self, pause: Option<Duration>) {
        let news = self.verifier().0.notified();
        match pause {
            None => news.await,
            Some(pause) => tokio::select! {
                biased;
                () = news => {}
                () = self.handles().clock.sleep(pause) => {}
            },
        }
    }

    /// Tries what is due. Returns when more is; `None` if nothing waits.
    async fn verify_due(&self) -> Result<Option<Duration>, StoreError> {
        loop {
            let now = self.handles().clock.now();
            let due = self.database().read(move |tx| rows::due(tx, now, UNVERIFIED_BATCH_MAX)).await?;
            if due.is_empty() {
                let next = self.database().read(rows::next_due).await?;
                return Ok(next.map(|next| Duration::from_millis(u64::try_from(next - now).unwrap_or(0))));
            }
            let mut by_room: BTreeMap<RoomNumber, Vec<Unverified>> = BTreeMap::new();
            for row in due {
                by_room.entry(row.room).or_default().push(row);
            }
            for (room, rows) in by_room {
                self.verify_again(room, rows).await?;
            }
        }
    }

    async fn verify_again(&self, room: RoomNumber, waiting: Vec<Unverified>) -> Result<(), StoreError> {
        let row = self.database().read(move |tx| room_rows::by_number(tx, room)).await?;
        let objects = waiting.iter().map(|waiting| waiting.object.clone()).collect();
        let checked = self.check_events(&row.room_id, row.version, objects, References::Limited).await;
        let now = self.handles().clock.now();
        let outcomes: Vec<(Unverified, Outcome)> = waiting
            .into_iter()
            .zip(checked)
            .map(|(waiting, checked)| {
                let outcome = outcome_of(&waiting, checked, now);
                (waiting, outcome)
            })
            .collect();
        let graph = self.clone();
        self.database()
            .write(move |tx| {
                for (waiting, outcome) in outcomes {
                    match outcome {
                        Outcome::Checked(pdu) => {
                            rows::remove(tx, waiting.number)?;
                            stage(tx, &graph, &waiting.origin, &[(room, pdu)], now)?;
                        }
                        Outcome::GivenUp => rows::remove(tx, waiting.number)?,
                        Outcome::Postponed(until) => rows::postpone(tx, waiting.number, until)?,
                    }
                }
                Ok(())
            })
            .await
    }
}

fn outcome_of(waiting: &Unverified, checked: Result<Pdu, Refusal>, now: i64) -> Outcome {
    let horizon = milliseconds(STAGED_HORIZON);
    let origin = &waiting.origin;
    match checked {
        Ok(pdu) => Outcome::Checked(pdu),
        Err(Refusal::NoKeys { .. }) if now - waiting.received <= horizon => {
            Outcome::Postponed(now + retry_after(waiting.attempts + 1))
        }
        Err(Refusal::NoKeys { server, event }) => {
            let id = event.event_id();
            tracing::warn!(event.id = %id, server.name = %origin, "Gave up on {id} from {origin}: the keys of {server} cannot be had");
            Outcome::GivenUp
        }
        Err(refusal) => {
            tracing::info!(server.name = %origin, "Dropped an event from {origin} that had waited for keys: {refusal}");
            Outcome::GivenUp
        }
    }
}

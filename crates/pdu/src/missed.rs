//! Fetches in the background what happened in rooms while we were in them and did not hear.
//!
//! A gap that an outage left is remembered in the transaction that goes on behind it. One task fills the gaps, one after the
//! other, so that nobody is hurt by what we missed. It asks those who built on the gap, then others in the room, again and again
//! until the horizon; a restart changes nothing. What lies behind a gap from before we came stays there until somebody reads back.

use std::time::Duration;

use persistence::StoreError;
use persistence::transactions::missed::{self as rows, Missed};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, graph as graph_rows};
use tokio::sync::Notify;

use crate::backfill::builders;
use crate::due::{milliseconds, rest, until};
use crate::fetch::Effort;
use crate::graph::Graph;
use crate::limits::{BACKFILL_TIME_MAX, MISSED_HORIZON, STAGED_RETRY_FIRST};
use crate::receive::retry_after;

/// Wakes the task that fills gaps.
#[derive(Default)]
pub(crate) struct Filler(Notify);

impl Graph {
    /// There is a new gap.
    pub(crate) fn wake_filler(&self) {
        self.filler().0.notify_one();
    }

    /// Starts the task that fills gaps.
    pub(crate) fn start_filler(&self) {
        let graph = self.clone();
        self.handles().tasks.spawn("missed history", async move {
            loop {
                let pause = graph.fill_due().await.unwrap_or_else(|error| {
                    tracing::error!("what was missed is not fetched for now, since the database failed: {error}");
                    Some(STAGED_RETRY_FIRST)
                });
                rest(&*graph.handles().clock, &graph.filler().0, pause).await;
            }
        });
    }

    /// Fills what is due. Returns when more is; `None` if no gap is remembered.
    async fn fill_due(&self) -> Result<Option<Duration>, StoreError> {
        loop {
            let now = self.handles().clock.now();
            let (due, next) =
                self.database().read(move |tx| Ok::<_, StoreError>((rows::due(tx, now)?, rows::next_due(tx)?))).await?;
            let Some(missed) = due else {
                return Ok(next.map(|next| until(next, now)));
            };
            self.fill(missed).await?;
        }
    }

    /// Asks for the event and what lies before it. Placing it forgets the gap, and remembers what is still missed.
    async fn fill(&self, missed: Missed) -> Result<(), StoreError> {
        let us = self.server_name().clone();
        let (row, id, servers, is_wanted) = self
            .database()
            .read(move |tx| {
                let row = room_rows::by_number(tx, missed.room)?;
                let is_placed = graph_rows::place(tx, missed.event)?.is_some();
                let is_ours = !room_rows::members_of_server(tx, missed.room, "join", &us)?.is_empty();
                let builders = builders(tx, &row, missed.event)?;
                Ok::<_, StoreError>((row, event_rows::id(tx, missed.event)?, builders, is_ours && !is_placed))
            })
            .await?;
        if !is_wanted {
            return self.forget_missed(missed).await;
        }
        let effort = Effort::new(self.handles(), BACKFILL_TIME_MAX);
        for server in self.servers_to_ask(&row, servers).await? {
            let placed = self.backfill_from(&row, &server, std::slice::from_ref(&id), &effort).await?;
            if placed > 0 {
                tracing::info!(server.name = %server, room.id = %row.room_id, "Fetched {placed} missed events from {server}");
                return self.forget_missed(missed).await;
            }
        }
        self.try_again(missed, &row).await
    }

    async fn try_again(&self, missed: Missed, row: &RoomRow) -> Result<(), StoreError> {
        let now = self.handles().clock.now();
        if now - missed.since > milliseconds(MISSED_HORIZON) {
            tracing::warn!(room.id = %row.room_id, "Gave up on what was missed in {}: no server gives it", row.room_id);
            return self.forget_missed(missed).await;
        }
        let until = now + retry_after(missed.attempts);
        self.database().write(move |tx| rows::postpone(tx, &missed, until)).await
    }

    async fn forget_missed(&self, missed: Missed) -> Result<(), StoreError> {
        self.database().write(move |tx| rows::take(tx, missed.room, missed.event).map(drop)).await
    }
}

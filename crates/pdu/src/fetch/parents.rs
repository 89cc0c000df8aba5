//! Fetches the parents of events, and theirs, down to what we have.

use std::collections::BTreeSet;

use events::{EventId, Pdu, ServerName};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph as graph_rows;
use persistence::transactions::rooms::RoomRow;
use persistence::{RoomNumber, StoreError};

use super::{Effort, reachable};
use crate::graph::Graph;
use crate::intake::{References, is_placed};
use crate::limits::{FETCHED_EVENTS_MAX, MISSING_EVENTS_MAX, MISSING_EVENTS_ROUNDS_MAX, UNLISTED_PARENTS_MAX};
use crate::surroundings::{has_state, is_history};

impl Graph {
    pub(super) async fn fetch_missing_prev_events(
        &self,
        room: &RoomRow,
        servers: &[ServerName],
        batch: Vec<Pdu>,
        effort: &Effort,
    ) -> Result<Vec<Pdu>, StoreError> {
        let mut batch = batch;
        let mut servers = servers.iter();
        let mut server = servers.next();
        for _ in 0..MISSING_EVENTS_ROUNDS_MAX {
            let missing = self.missing_prev_events(room.number, &batch).await?;
            if missing.is_empty() {
                break;
            }
            // History has its own ways: from here it would come as news, and take the room back to where it was.
            let missing = self.without_history(room.number, missing).await?;
            if missing.is_empty() || batch.len() > FETCHED_EVENTS_MAX {
                break;
            }
            let Some(asked) = server else { break };
            let latest = batch.iter().filter(|pdu| pdu.prev_events().iter().any(|id| missing.contains(id)));
            let latest: Vec<EventId> = latest.map(|pdu| pdu.event_id().clone()).take(MISSING_EVENTS_MAX).collect();
            let earliest = self.forward_extremities(room.number).await?;
            let Some(found) = effort.within(self.ask_for_missing(room, asked, &earliest, &latest)).await else { break };
            let found = self.news_of(room.number, found).await?;
            // Whatever is not an ancestor was not asked for.
            let found = reachable(found, missing, Pdu::prev_events);
            if found.is_empty() {
                server = servers.next();
            }
            batch.extend(found);
        }
        Ok(batch)
    }

    /// Those of `ids` on which nothing builds that we have.
    async fn without_history(&self, room: RoomNumber, ids: BTreeSet<EventId>) -> Result<BTreeSet<EventId>, StoreError> {
        self.database()
            .read(move |tx| {
                let mut others = BTreeSet::new();
                for id in ids {
                    if !is_history(tx, room, &id)? {
                        others.insert(id);
                    }
                }
                Ok(others)
            })
            .await
    }

    /// Those of `found` that are neither in the graph nor before what is. Other servers walk back by other bounds than ours, and so
    /// tell us what we have, and what was before we came.
    async fn news_of(&self, room: RoomNumber, found: Vec<Pdu>) -> Result<Vec<Pdu>, StoreError> {
        self.database()
            .read(move |tx| {
                let mut news = Vec::new();
                for pdu in found {
                    if !is_placed(tx, room, pdu.event_id())? && !is_history(tx, room, pdu.event_id())? {
                        news.push(pdu);
                    }
                }
                Ok(news)
            })
            .await
    }

    /// Asks for parents one by one that no list of missing events has: rejected events, which a server builds on that did not know all
    /// members of the room. Takes them only if they lead to what we have, in a few steps. Returns what is missing then, too.
    pub(super) async fn fetch_unlisted_parents(
        &self,
        room: &RoomRow,
        servers: &[ServerName],
        batch: Vec<Pdu>,
        effort: &Effort,
    ) -> Result<(Vec<Pdu>, BTreeSet<EventId>), StoreError> {
        let lacking = self.missing_prev_events(room.number, &batch).await?;
        if lacking.is_empty() {
            return Ok((batch, lacking));
        }
        let mut walked = batch.clone();
        let mut missing = lacking.clone();
        for _ in 0..UNLISTED_PARENTS_MAX {
            let Some(id) = self.without_history(room.number, missing).await?.into_iter().next() else { break };
            let mut found = None;
            for server in servers {
                if found.is_none() {
                    found = effort.within(self.fetch_event(room, server, &id)).await.flatten();
                }
            }
            let Some(found) = found else { break };
            walked.push(found);
            missing = self.missing_prev_events(room.number, &walked).await?;
            if missing.is_empty() {
                return Ok((walked, missing));
            }
        }
        Ok((batch, lacking))
    }

    async fn ask_for_missing(
        &self,
        room: &RoomRow,
        server: &ServerName,
        earliest: &[EventId],
        latest: &[EventId],
    ) -> Vec<Pdu> {
        match self.requests().missing_events(server, &room.room_id, earliest, latest, MISSING_EVENTS_MAX).await {
            Ok(raw) => self.check_answer(server, &room.room_id, room.version, raw, References::Limited).await,
            Err(error) => {
                tracing::info!(server.name = %server, room.id = %room.room_id, "No missing events: {error}");
                Vec::new()
            }
        }
    }

    async fn forward_extremities(&self, room: RoomNumber) -> Result<Vec<EventId>, StoreError> {
        self.database()
            .read(move |tx| {
                let heads = graph_rows::extremities(tx, room)?;
                heads.into_iter().take(MISSING_EVENTS_MAX).map(|event| event_rows::id(tx, event)).collect()
            })
            .await
    }

    /// Returns the parents of `batch` that have no state in the graph and are not in it.
    pub(crate) async fn missing_prev_events(
        &self,
        room: RoomNumber,
        batch: &[Pdu],
    ) -> Result<BTreeSet<EventId>, StoreError> {
        let inside: BTreeSet<&EventId> = batch.iter().map(Pdu::event_id).collect();
        let named = batch.iter().flat_map(Pdu::prev_events).filter(|id| !inside.contains(id)).cloned();
        let named: BTreeSet<EventId> = named.collect();
        self.database()
            .read(move |tx| {
                let mut missing = BTreeSet::new();
                for id in named {
                    if !has_state(tx, room, &id)? {
                        missing.insert(id);
                    }
                }
                Ok(missing)
            })
            .await
    }
}

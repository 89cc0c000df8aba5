//! Fetches the parents of events, and theirs, down to what we have.

use std::collections::BTreeSet;

use events::{EventId, Pdu, ServerName};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph as graph_rows;
use persistence::transactions::rooms::RoomRow;
use persistence::{RoomNumber, StoreError};

use super::{Adopted, Effort, reachable};
use crate::graph::Graph;
use crate::intake::References;
use crate::limits::{
    FETCHED_EVENTS_MAX, MISSING_EVENTS_MAX, MISSING_EVENTS_ROUNDS_MAX, TOLD_EVENTS_MAX, UNLISTED_PARENTS_MAX,
};
use crate::outliers::in_order_of_parents;
use crate::sorting::missing_prev_events;
use crate::surroundings::is_history;
use crate::waiting::is_placed;

/// Parents of `latest` that are in `batch`: of a fork that is wider than a list we would else be told the same part again and again.
fn already_told(batch: &[Pdu], latest: &[&Pdu]) -> BTreeSet<EventId> {
    let inside: BTreeSet<&EventId> = batch.iter().map(Pdu::event_id).collect();
    let told = latest.iter().flat_map(|pdu| pdu.prev_events()).filter(|id| inside.contains(id));
    told.take(TOLD_EVENTS_MAX).cloned().collect()
}

/// A batch with what was found of what lies before it.
pub(super) struct Walked {
    pub(super) batch: Vec<Pdu>,
    /// There may be more: the walk ended since it had become long.
    pub(super) is_cut: bool,
}

impl Graph {
    pub(super) async fn fetch_missing_prev_events(
        &self,
        room: &RoomRow,
        servers: &[ServerName],
        batch: Vec<Pdu>,
        effort: &Effort,
    ) -> Result<Walked, StoreError> {
        let mut batch = batch;
        let mut servers = servers.iter();
        let mut server = servers.next();
        let mut before_us = BTreeSet::new();
        for _ in 0..MISSING_EVENTS_ROUNDS_MAX {
            let missing = self.missing_prev_events(room.number, &batch).await?;
            if missing.is_empty() {
                return Ok(Walked { batch, is_cut: false });
            }
            // History has its own ways: from here it would come as news, and take the room back to where it was.
            let mut missing = self.without_history(room.number, missing).await?;
            missing.retain(|id| !before_us.contains(id));
            if batch.len() > FETCHED_EVENTS_MAX {
                break;
            }
            let Some(asked) = server.filter(|_| !missing.is_empty()) else {
                return Ok(Walked { batch, is_cut: false });
            };
            let latest = batch.iter().filter(|pdu| pdu.prev_events().iter().any(|id| missing.contains(id)));
            let latest: Vec<&Pdu> = latest.take(MISSING_EVENTS_MAX).collect();
            let mut earliest = self.forward_extremities(room.number).await?;
            earliest.extend(already_told(&batch, &latest));
            let latest: Vec<EventId> = latest.into_iter().map(|pdu| pdu.event_id().clone()).collect();
            let Some(found) = effort.within(self.ask_for_missing(room, asked, &earliest, &latest)).await else { break };
            let entered_at = self.depth_of_entry(room).await?;
            let (found, history) = self.news_of(room.number, entered_at, &batch, found).await?;
            before_us.extend(history);
            // Whatever is not an ancestor was not asked for.
            let found = reachable(found, missing, Pdu::prev_events);
            if found.is_empty() {
                server = servers.next();
            }
            batch.extend(found);
        }
        Ok(Walked { batch, is_cut: true })
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

    /// Whether one of `ids` has its place.
    async fn has_one_placed(&self, room: RoomNumber, ids: BTreeSet<EventId>) -> Result<bool, StoreError> {
        self.database()
            .read(move |tx| {
                for id in ids {
                    if is_placed(tx, room, &id)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }

    /// Those of `found` that are neither in the graph nor before what is. Other servers walk back by other bounds than ours, and so
    /// tell us what we have, and what was before we came: what builds on nothing that we have, nor on what of `others` does, and lies no
    /// deeper than our entry; the ids of those are returned, too.
    async fn news_of(
        &self,
        room: RoomNumber,
        entered_at: Option<i64>,
        others: &[Pdu],
        found: Vec<Pdu>,
    ) -> Result<(Vec<Pdu>, Vec<EventId>), StoreError> {
        let found_ids: BTreeSet<EventId> = found.iter().map(|pdu| pdu.event_id().clone()).collect();
        let others = others.iter().filter(|pdu| !found_ids.contains(pdu.event_id())).cloned();
        // By what they cite, whatever depth they claim: a depth of nothing would make all that follows history.
        let all = in_order_of_parents(others.chain(found).collect());
        self.database()
            .read(move |tx| {
                let (mut news, mut history, mut after_entry) = (Vec::new(), Vec::new(), BTreeSet::new());
                for pdu in all {
                    let id = pdu.event_id();
                    if is_placed(tx, room, id)? || is_history(tx, room, id)? {
                        continue;
                    }
                    let mut builds_on_ours = false;
                    for parent in pdu.prev_events() {
                        builds_on_ours |= after_entry.contains(parent) || is_placed(tx, room, parent)?;
                    }
                    if builds_on_ours {
                        after_entry.insert(id.clone());
                    }
                    if !found_ids.contains(id) {
                        continue;
                    }
                    if builds_on_ours || entered_at.is_none_or(|entered_at| pdu.depth() > entered_at) {
                        news.push(pdu);
                    } else {
                        history.push(id.clone());
                    }
                }
                Ok((news, history))
            })
            .await
    }

    /// Asks for parents one by one that no list of missing events has: rejected events, which a server builds on that did not know all
    /// members of the room. Takes them only if they lead to what we have, in a few steps, and none was before we came. Returns what
    /// is missing then, too.
    ///
    /// What has its place here lacks its state alone, since it was decided in a stay that ended before all was known: it is not judged
    /// again, and others have to tell that state.
    pub(super) async fn fetch_unlisted_parents(
        &self,
        room: &RoomRow,
        servers: &[ServerName],
        batch: Vec<Pdu>,
        effort: &Effort,
    ) -> Result<(Vec<Pdu>, BTreeSet<EventId>), StoreError> {
        let lacking = self.missing_prev_events(room.number, &batch).await?;
        let (mut walked, mut found) = (batch.clone(), Vec::new());
        let mut missing = lacking.clone();
        while !missing.is_empty() {
            let next = self.without_history(room.number, missing).await?.into_iter().next();
            let Some(id) = next.filter(|_| found.len() < UNLISTED_PARENTS_MAX) else { return Ok((batch, lacking)) };
            if self.has_one_placed(room.number, [id.clone()].into()).await? {
                return Ok((batch, lacking));
            }
            let mut parent = None;
            for server in servers {
                if parent.is_none() {
                    parent = effort.within(self.fetch_event(room, server, &id)).await.flatten();
                }
            }
            let Some(parent) = parent else { return Ok((batch, lacking)) };
            walked.push(parent.clone());
            found.push(parent);
            missing = self.missing_prev_events(room.number, &walked).await?;
        }
        let entered_at = self.depth_of_entry(room).await?;
        let (_, history) = self.news_of(room.number, entered_at, &batch, found).await?;
        if history.is_empty() { Ok((walked, missing)) } else { Ok((batch, lacking)) }
    }

    /// What was adopted may have been had too late to lead to what we have: it was lost on its way, or the keys to check it were. If it
    /// does now, returns it with `batch` and all between: older words of the same sender would else come after it, and where it lies no
    /// deeper than our entry it would be history.
    pub(super) async fn as_news(
        &self,
        room: &RoomRow,
        servers: &[ServerName],
        walked: &Walked,
        adopted: &[Adopted],
        effort: &Effort,
    ) -> Result<Option<Vec<Pdu>>, StoreError> {
        let entered_at = self.depth_of_entry(room).await?;
        let looks_old = |adopted: &Adopted| entered_at.is_some_and(|entered_at| adopted.pdu.depth() <= entered_at);
        // Whatever a long walk did not reach, another does not, either.
        if adopted.is_empty() || (walked.is_cut && !adopted.iter().any(looks_old)) {
            return Ok(None);
        }
        let ids: BTreeSet<EventId> = adopted.iter().map(|adopted| adopted.pdu.event_id().clone()).collect();
        if self.without_history(room.number, ids.clone()).await? != ids || self.has_one_placed(room.number, ids).await?
        {
            return Ok(None);
        }
        let mut together: Vec<Pdu> =
            walked.batch.iter().chain(adopted.iter().map(|adopted| &adopted.pdu)).cloned().collect();
        if !walked.is_cut {
            together = self.fetch_missing_prev_events(room, servers, together, effort).await?.batch;
        }
        let before = &walked.batch;
        let had: BTreeSet<&EventId> = before.iter().map(Pdu::event_id).collect();
        let (walked, missing) = self.fetch_unlisted_parents(room, servers, together, effort).await?;
        let found = walked.iter().filter(|pdu| !had.contains(pdu.event_id())).cloned().collect();
        let (_, history) = self.news_of(room.number, entered_at, before, found).await?;
        Ok((missing.is_empty() && history.is_empty()).then_some(walked))
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
        let batch = batch.to_vec();
        self.database().read(move |tx| missing_prev_events(tx, room, &batch)).await
    }
}

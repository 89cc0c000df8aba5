//! Fills the gaps behind which history lies, when somebody reads back that far.
//!
//! Who may read an event follows from the state at that event. So the state before the oldest events of what a peer gives is asked
//! for, too; those of the others follow from it. Where nobody can tell it, the events are placed without, and readers are shown
//! what the nearest later state allows.

use std::collections::{BTreeMap, BTreeSet};

use events::{EventId, Pdu, RoomId, ServerName};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph::{self as graph_rows, Direction};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::{EventNumber, ReadTx, StoreError};

use crate::fetch::{Effort, Outliers, StateBefore, Told, reachable};
use crate::graph::Graph;
use crate::intake::References;
use crate::limits::{
    BACKFILL_BATCHES_MAX, BACKFILL_EDGES_MAX, BACKFILL_EVENTS_MAX, BACKFILL_GAPS_MAX, BACKFILL_TIME_MAX,
    OLD_EVENTS_BATCHES_MAX,
};
use crate::outliers::in_order_of_parents;
use crate::past::{Behind, Past};
use crate::waiting::is_placed;

/// Whether an event from `told` is on the right side of `at`, and nearer than one from `found`.
fn is_nearer(told: i64, at: i64, direction: Direction, found: Option<i64>) -> bool {
    match direction {
        Direction::Forwards => told >= at && found.is_none_or(|found| told < found),
        Direction::Backwards => told <= at && found.is_none_or(|found| told > found),
    }
}

/// Events that are named as parents and have no place, and who may know them, best first.
struct Gaps {
    events: Vec<EventId>,
    servers: Vec<ServerName>,
}

/// The servers that built on an event: they had it.
pub(crate) fn builders(tx: &ReadTx<'_>, row: &RoomRow, event: EventNumber) -> Result<Vec<ServerName>, StoreError> {
    let mut servers = Vec::new();
    for child in graph_rows::children(tx, event)? {
        servers.extend(event_rows::load(tx, row.version, child)?.map(|child| child.pdu.sender().server()));
    }
    Ok(servers)
}

/// Whether something deeper than `depth` builds on what we do not have.
pub(crate) fn has_gap_above(tx: &ReadTx<'_>, row: &RoomRow, depth: i64) -> Result<bool, StoreError> {
    for (gap, _) in graph_rows::backward_extremities(tx, row.number, i64::MAX, BACKFILL_GAPS_MAX)? {
        for child in graph_rows::children(tx, gap)? {
            if event_rows::load(tx, row.version, child)?.is_some_and(|child| child.pdu.depth() > depth) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

impl Graph {
    /// Asks other servers for what lies before the gaps at or below `topological`. Returns how many events came.
    ///
    /// The room's turn is free while others are asked.
    pub async fn backfill(&self, room_id: &RoomId, topological: i64) -> Result<usize, StoreError> {
        let id = room_id.clone();
        let Some(row) = self.database().read(move |tx| room_rows::by_id(tx, &id)).await? else { return Ok(0) };
        let gaps = self.gaps(&row, topological).await?;
        if gaps.events.is_empty() {
            return Ok(0);
        }
        let effort = Effort::new(self.handles(), BACKFILL_TIME_MAX);
        for server in self.servers_to_ask(&row, gaps.servers).await? {
            let placed = self.backfill_from(&row, &server, &gaps.events, &effort).await?;
            if placed > 0 || effort.is_spent() {
                return Ok(placed);
            }
        }
        // Somebody else may have filled them meanwhile.
        let before: BTreeSet<EventId> = gaps.events.into_iter().collect();
        let now: BTreeSet<EventId> = self.gaps(&row, topological).await?.events.into_iter().collect();
        Ok(before.difference(&now).count())
    }

    /// Asks other servers for an event nearer to a time than the one from `found`, and fills the gaps down to it. Returns how many
    /// events came.
    pub async fn backfill_towards(
        &self,
        room_id: &RoomId,
        at: i64,
        direction: Direction,
        found: Option<i64>,
    ) -> Result<usize, StoreError> {
        let id = room_id.clone();
        let Some(row) = self.database().read(move |tx| room_rows::by_id(tx, &id)).await? else { return Ok(0) };
        let gaps = self.gaps(&row, i64::MAX).await?;
        if gaps.events.is_empty() {
            return Ok(0);
        }
        let effort = Effort::new(self.handles(), BACKFILL_TIME_MAX);
        for server in self.servers_to_ask(&row, gaps.servers).await? {
            match effort.within(self.requests().event_by_time(&server, room_id, at, direction)).await {
                Some(Ok(told)) if is_nearer(told.origin_server_ts, at, direction, found) => {
                    let came = self.backfill_down_to(&row, &told.event_id, &effort).await?;
                    if came > 0 {
                        return Ok(came);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::info!(server.name = %server, room.id = %room_id, "No event by its time: {error}");
                }
                None => break,
            }
        }
        Ok(0)
    }

    /// Fills the gaps from the newest on, until an event has its place. What lies between has its place then, too.
    async fn backfill_down_to(&self, row: &RoomRow, event: &EventId, effort: &Effort) -> Result<usize, StoreError> {
        let mut came = 0;
        for _ in 0..BACKFILL_BATCHES_MAX {
            let (number, id) = (row.number, event.clone());
            if effort.is_spent() || self.database().read(move |tx| is_placed(tx, number, &id)).await? {
                break;
            }
            match self.backfill(&row.room_id, i64::MAX).await? {
                0 => break,
                more => came += more,
            }
        }
        Ok(came)
    }

    /// Fills the gaps below which an event may lie that is not as deep as our entry: whether it is history shows by that.
    /// What lies too far below is not looked for.
    pub(crate) async fn backfill_to_depth(&self, row: &RoomRow, depth: i64) -> Result<(), StoreError> {
        for _ in 0..OLD_EVENTS_BATCHES_MAX {
            if !self.has_gap_above(row, depth).await? || self.backfill(&row.room_id, i64::MAX).await? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// See [`has_gap_above`].
    async fn has_gap_above(&self, row: &RoomRow, depth: i64) -> Result<bool, StoreError> {
        let row = row.clone();
        self.database().read(move |tx| has_gap_above(tx, &row, depth)).await
    }

    async fn gaps(&self, row: &RoomRow, topological: i64) -> Result<Gaps, StoreError> {
        let row = row.clone();
        self.database()
            .read(move |tx| {
                let mut gaps = Gaps { events: Vec::new(), servers: Vec::new() };
                for (event, _) in graph_rows::backward_extremities(tx, row.number, topological, BACKFILL_GAPS_MAX)? {
                    gaps.events.push(event_rows::id(tx, event)?);
                    gaps.servers.extend(builders(tx, &row, event)?);
                }
                Ok(gaps)
            })
            .await
    }

    /// Asks one server for `gaps` and what lies before them. Returns how many events came.
    pub(crate) async fn backfill_from(
        &self,
        row: &RoomRow,
        server: &ServerName,
        gaps: &[EventId],
        effort: &Effort,
    ) -> Result<usize, StoreError> {
        let asked = effort.within(self.requests().backfill(server, &row.room_id, gaps, BACKFILL_EVENTS_MAX)).await;
        let raw = match asked {
            None => return Ok(0),
            Some(Err(error)) => {
                tracing::info!(server.name = %server, room.id = %row.room_id, "No history: {error}");
                return Ok(0);
            }
            Some(Ok(raw)) => raw,
        };
        let pdus = self.check_answer(server, &row.room_id, row.version, raw, References::Unlimited).await;
        let pdus = in_order_of_parents(reachable(pdus, gaps.iter().cloned().collect(), Pdu::prev_events));
        if pdus.is_empty() {
            return Ok(0);
        }
        let mut outliers = Outliers::default();
        let given = self.states_before(row, server, &pdus, &mut outliers, effort).await?;
        self.fetch_auth_events(row, std::slice::from_ref(server), &pdus, &mut outliers, effort).await?;
        let mut turn = self.turn_of(row.number).await?;
        let Some(mut room) = turn.take() else { return Ok(0) };
        self.store_outliers(&mut room, outliers.into_pdus()).await?;
        let past = Past { pdus, given, given_by: server.clone(), room_for: Behind::Children };
        let placed = self.place_past(&mut room, past).await?;
        turn.put_back(room);
        Ok(placed)
    }

    /// Asks for the states before those events of a batch that build on something else.
    async fn states_before(
        &self,
        row: &RoomRow,
        server: &ServerName,
        pdus: &[Pdu],
        outliers: &mut Outliers,
        effort: &Effort,
    ) -> Result<BTreeMap<EventId, Vec<Told>>, StoreError> {
        let unknown = self.missing_prev_events(row.number, pdus).await?;
        let builds_on_unknown = |pdu: &&Pdu| pdu.prev_events().iter().any(|id| unknown.contains(id));
        let mut given = BTreeMap::new();
        for pdu in pdus.iter().filter(builds_on_unknown).take(BACKFILL_EDGES_MAX) {
            let before = self.fetch_state_before(row, server, pdu.event_id(), outliers, effort).await?;
            if let StateBefore::Whole { state, .. } = before {
                given.insert(pdu.event_id().clone(), vec![Told { by: server.clone(), state }]);
            }
        }
        Ok(given)
    }
}

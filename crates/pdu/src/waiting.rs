//! Writes checked PDUs into the tables where they wait, in the transaction that acknowledges them.

use std::collections::{BTreeMap, BTreeSet};

use defects::Defect;
use events::{EventId, ParsedPdu, Pdu, ServerName};
use persistence::transactions::{events as event_rows, graph as graph_rows, staging, unverified};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError, WriteTx};
use transaction::Staging;

use crate::at_once::AtOnce;
use crate::graph::Graph;
use crate::intake::Refusal;
use crate::limits::{STAGED_PER_ORIGIN_MAX, UNVERIFIED_MAX, UNVERIFIED_PER_ORIGIN_MAX};
use crate::outside::Withdrawal;
use crate::receive::retry_after;

/// How many more events of an origin may wait.
pub(crate) struct Space {
    staged: i64,
    unverified: i64,
}

impl Space {
    /// Looks how much more of `origin` may wait.
    pub(crate) fn of(tx: &ReadTx<'_>, origin: &ServerName) -> Result<Self, StoreError> {
        let unverified = unverified::count(tx)?.min(UNVERIFIED_MAX);
        let of_origin = unverified::count_of(tx, origin)?.min(UNVERIFIED_PER_ORIGIN_MAX);
        Ok(Self {
            staged: STAGED_PER_ORIGIN_MAX.saturating_sub(staging::count_of(tx, origin)?),
            unverified: (UNVERIFIED_MAX - unverified).min(UNVERIFIED_PER_ORIGIN_MAX - of_origin),
        })
    }
}

/// PDUs on their way into the staging tables.
pub(crate) struct StagedPdus {
    graph: Graph,
    origin: ServerName,
    checked: Vec<(RoomNumber, Pdu)>,
    /// Those of them that need not wait.
    at_once: Vec<AtOnce>,
    /// Those of which the keys could not be had.
    unverified: Vec<(RoomNumber, ParsedPdu)>,
    /// In rooms that nobody here is in.
    pub(crate) withdrawals: Vec<(RoomNumber, Withdrawal)>,
    now: i64,
}

impl StagedPdus {
    pub(crate) fn new(graph: &Graph, origin: &ServerName) -> Self {
        let now = graph.handles().clock.now();
        let (graph, origin) = (graph.clone(), origin.clone());
        let (checked, at_once) = (Vec::new(), Vec::new());
        Self { graph, origin, checked, at_once, unverified: Vec::new(), withdrawals: Vec::new(), now }
    }

    /// Judges what need not wait.
    pub(crate) async fn judge(&mut self) -> Result<(), StoreError> {
        let mut by_room: BTreeMap<RoomNumber, Vec<Pdu>> = BTreeMap::new();
        for (room, pdu) in &self.checked {
            by_room.entry(*room).or_default().push(pdu.clone());
        }
        for (room, pdus) in by_room {
            let queue = (room, self.origin.clone());
            let judged = self.graph.judge_at_once(&queue, pdus, &self.at_once).await?;
            self.at_once.extend(judged);
        }
        Ok(())
    }

    /// Takes what is good, and what may turn out to be good: a key that cannot be had is no bad signature.
    pub(crate) fn take(
        &mut self,
        room: RoomNumber,
        checked: Result<Pdu, Refusal>,
        space: &Space,
    ) -> Result<(), Refusal> {
        let is_full = |held: usize, space: i64| i64::try_from(held).is_ok_and(|held| held >= space);
        match checked {
            Ok(_) if is_full(self.checked.len(), space.staged) => Err(Refusal::TooManyWaiting(self.origin.clone())),
            Ok(pdu) => {
                self.checked.push((room, pdu));
                Ok(())
            }
            Err(Refusal::NoKeys { .. }) if is_full(self.unverified.len(), space.unverified) => {
                Err(Refusal::TooManyWaiting(self.origin.clone()))
            }
            Err(Refusal::NoKeys { event, .. }) => {
                self.unverified.push((room, *event));
                Ok(())
            }
            Err(
                refusal @ (Refusal::Format(_)
                | Refusal::TooManyReferences(..)
                | Refusal::Signature(_)
                | Refusal::OtherRoom(_)
                | Refusal::OtherEvent(_)
                | Refusal::DeniedByAcl(_)
                | Refusal::TooManyWaiting(_)),
            ) => Err(refusal),
        }
    }
}

impl Staging for StagedPdus {
    fn stage(self: Box<Self>, tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        let Self { graph, origin, mut checked, at_once, unverified, withdrawals, now } = *self;
        graph.apply_withdrawals(tx, withdrawals)?;
        for (room, pdu) in &unverified {
            if !is_placed(tx, *room, pdu.event_id())? {
                unverified::insert(tx, *room, &origin, pdu, now, now + retry_after(0))?;
            }
        }
        if !unverified.is_empty() {
            let graph = graph.clone();
            tx.after_commit(move || graph.wake_verifier());
        }
        for judged in at_once {
            let written = judged.write(&graph, tx)?;
            checked.retain(|(room, pdu)| !written.contains(&(*room, pdu.event_id().clone())));
        }
        stage(tx, &graph, &origin, &checked, now)
    }
}

/// Stages checked events, and has workers look at them.
pub(crate) fn stage(
    tx: &mut WriteTx<'_>,
    graph: &Graph,
    origin: &ServerName,
    checked: &[(RoomNumber, Pdu)],
    now: i64,
) -> Result<(), StoreError> {
    let mut rooms = BTreeSet::new();
    for (room, pdu) in checked {
        if !is_placed(tx, *room, pdu.event_id())? {
            staging::insert(tx, *room, origin, pdu, now)?;
            rooms.insert(*room);
        } else if !pdu.is_mangled() {
            // The copy that was judged may have been one whose content hash did not match. This one is whole.
            event_rows::store(tx, *room, pdu, false)?;
        }
    }
    let (graph, origin) = (graph.clone(), origin.clone());
    tx.after_commit(move || rooms.into_iter().for_each(|room| graph.wake_worker((room, origin.clone()))));
    Ok(())
}

/// Says whether the event has its place in the graph.
pub(crate) fn is_placed(tx: &ReadTx<'_>, room: RoomNumber, event_id: &EventId) -> Result<bool, StoreError> {
    match event_rows::number(tx, room, event_id)? {
        Some(number) => has_place(tx, number),
        None => Ok(false),
    }
}

/// Like [`is_placed`], of an event with a number.
pub(crate) fn has_place(tx: &ReadTx<'_>, event: EventNumber) -> Result<bool, StoreError> {
    if defects::is_on(Defect::NoDeduplication) {
        return Ok(false);
    }
    Ok(graph_rows::place(tx, event)?.is_some())
}

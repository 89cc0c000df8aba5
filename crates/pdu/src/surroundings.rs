//! Reads what judging events needs from the database.

use std::collections::BTreeSet;

use events::auth::{AuthEvent, Cited};
use events::{EventId, Pdu};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError};

use crate::graph::Graph;
use crate::judge::Surroundings;
use crate::limits::ANCESTORS_WALKED_MAX;
use crate::room::{Parent, Room};

impl Graph {
    /// Reads what judging `batch` needs from the database.
    pub(crate) async fn surroundings(&self, room: &mut Room, batch: &[Pdu]) -> Result<Surroundings, StoreError> {
        let inside: BTreeSet<EventId> = batch.iter().map(|pdu| pdu.event_id().clone()).collect();
        let prev = batch.iter().flat_map(Pdu::prev_events).filter(|id| !inside.contains(*id));
        let prev: BTreeSet<EventId> = prev.cloned().collect();
        let cited = batch.iter().flat_map(Pdu::auth_events).filter(|id| !inside.contains(*id));
        let cited: BTreeSet<EventId> = cited.cloned().collect();
        let now = self.handles().clock.now();
        self.with_room(room, move |room, tx| {
            let mut around = Surroundings { now, ..Surroundings::default() };
            // The events themselves too: they may be outliers, whose standing is known.
            room.bring_by_id(tx, cited.iter().chain(&inside))?;
            let others: Vec<EventId> = cited.into_iter().filter(|id| room.graph.index_of(id).is_none()).collect();
            for id in others {
                if let Some(event) = event_rows::number(tx, room.number, &id)?
                    && let Some(stored) = event_rows::load(tx, room.version, event)?
                {
                    around.cited.insert(id, Cited { event: AuthEvent::new(&stored.pdu), rejected: stored.rejected });
                }
            }
            for id in prev {
                if let Some(event) = event_rows::number(tx, room.number, &id)?
                    && let Some(place) = graph_rows::place(tx, event)?
                    && let Some(snapshot) = place.state_after
                {
                    let accepted_ancestors =
                        if place.outcome == Outcome::Accepted { Vec::new() } else { accepted_ancestors(tx, event)? };
                    let after = room.load_state(tx, snapshot)?;
                    around.parents.insert(id, Parent { topological: place.topological, after, accepted_ancestors });
                }
            }
            Ok(around)
        })
        .await
    }
}

/// Says whether the event has its place in the graph, with a state after it.
pub(crate) fn has_state(tx: &ReadTx<'_>, room: RoomNumber, id: &EventId) -> Result<bool, StoreError> {
    let Some(number) = event_rows::number(tx, room, id)? else { return Ok(false) };
    Ok(graph_rows::place(tx, number)?.is_some_and(|place| place.state_after.is_some()))
}

/// Returns the nearest accepted ancestors of an event that is not accepted.
fn accepted_ancestors(tx: &ReadTx<'_>, event: EventNumber) -> Result<Vec<EventNumber>, StoreError> {
    let mut accepted = Vec::new();
    let mut to_walk = vec![event];
    let mut walked = BTreeSet::new();
    while let Some(event) = to_walk.pop() {
        if walked.len() >= ANCESTORS_WALKED_MAX || !walked.insert(event) {
            continue;
        }
        for parent in graph_rows::prev_events(tx, event)? {
            match graph_rows::place(tx, parent)?.map(|place| place.outcome) {
                Some(Outcome::Accepted) => accepted.push(parent),
                Some(Outcome::SoftFailed | Outcome::Rejected) => to_walk.push(parent),
                None => {}
            }
        }
    }
    Ok(accepted)
}

//! Reads what judging events needs from the database.

use std::collections::{BTreeMap, BTreeSet};

use events::auth::{AuthEvent, Cited};
use events::{EventId, Pdu};
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::transactions::{events as event_rows, state as state_rows};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError};

use crate::graph::Graph;
use crate::judge::Surroundings;
use crate::limits::ANCESTORS_WALKED_MAX;
use crate::room::{Parent, Room, State};

impl Graph {
    /// Reads what judging `batch` needs from the database.
    pub(crate) async fn surroundings(&self, room: &mut Room, batch: &[Pdu]) -> Result<Surroundings, StoreError> {
        let inside: BTreeSet<EventId> = batch.iter().map(|pdu| pdu.event_id().clone()).collect();
        let prev: BTreeSet<EventId> =
            batch.iter().flat_map(Pdu::prev_events).filter(|id| !inside.contains(*id)).cloned().collect();
        let cited: BTreeSet<EventId> = batch
            .iter()
            .flat_map(Pdu::auth_events)
            .filter(|id| !inside.contains(*id) && room.graph.index_of(id).is_none())
            .cloned()
            .collect();
        let (number, version) = (room.number, room.version);
        let (places, cited) = self
            .database()
            .read(move |tx| {
                let mut places = Vec::new();
                for id in prev {
                    if let Some(event) = event_rows::number(tx, number, &id)?
                        && let Some(place) = graph_rows::place(tx, event)?
                    {
                        let ancestors = if place.outcome == Outcome::Accepted {
                            Vec::new()
                        } else {
                            accepted_ancestors(tx, event)?
                        };
                        places.push((id, place, ancestors));
                    }
                }
                let mut others = BTreeMap::new();
                for id in cited {
                    if let Some(event) = event_rows::number(tx, number, &id)?
                        && let Some(stored) = event_rows::load(tx, version, event)?
                    {
                        others.insert(id, Cited { event: AuthEvent::new(&stored.pdu), rejected: stored.rejected });
                    }
                }
                Ok::<_, StoreError>((places, others))
            })
            .await?;
        let mut around = Surroundings { cited, now: self.handles().clock.now(), ..Surroundings::default() };
        for (id, place, accepted_ancestors) in places {
            let Some(snapshot) = place.state_after else { continue };
            let after = match room.known_state(snapshot) {
                Some(state) => state,
                None => self.load_state(room, snapshot).await?,
            };
            let parent = Parent { topological: place.topological, after, accepted_ancestors };
            around.parents.insert(id, parent);
        }
        Ok(around)
    }

    async fn load_state(
        &self,
        room: &mut Room,
        snapshot: persistence::SnapshotNumber,
    ) -> Result<std::sync::Arc<State>, StoreError> {
        let map = self.database().read(move |tx| state_rows::load(tx, snapshot)).await?;
        room.translate_state(snapshot, &map)
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

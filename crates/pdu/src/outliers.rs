//! Outliers: state events of a room's past that we store for the permission they give, without a place in the graph.

use std::collections::{BTreeMap, BTreeSet};

use events::auth::{AuthEvent, Cited, Rejection, check_auth_events};
use events::auth_graph::Standing;
use events::{EventId, Pdu};
use persistence::transactions::events as event_rows;
use persistence::{EventNumber, StoreError};

use crate::graph::Graph;
use crate::limits::OUTLIERS_CHUNK;
use crate::room::Room;
use crate::verdict::{Step, Verdict};

/// An outlier that was judged by the events that it cites.
struct JudgedOutlier {
    pdu: Pdu,
    rejection: Option<Rejection>,
}

impl Graph {
    /// Judges checked state events by the events that they cite, stores them and adds them to the room in memory.
    ///
    /// Events that cite something that is neither known nor among `pdus` are left out, and so are those that cite them.
    pub(crate) async fn store_outliers(&self, room: &mut Room, pdus: Vec<Pdu>) -> Result<(), StoreError> {
        let named: BTreeSet<EventId> =
            pdus.iter().flat_map(|pdu| pdu.auth_events().iter().chain([pdu.event_id()])).cloned().collect();
        self.with_room(room, move |room, tx| room.bring_by_id(tx, &named)).await?;
        let new =
            pdus.into_iter().filter(|pdu| pdu.state_key().is_some() && room.graph.index_of(pdu.event_id()).is_none());
        let judged: Vec<JudgedOutlier> =
            in_order_of_citation(new.collect()).into_iter().filter_map(|pdu| judge_outlier(room, pdu)).collect();
        let now = self.handles().clock.now();
        for chunk in judged.chunks(OUTLIERS_CHUNK) {
            let number = room.number;
            let rows: Vec<(Pdu, bool, String)> = chunk.iter().map(|outlier| outlier.row(now)).collect();
            let numbers: Vec<EventNumber> = self
                .database()
                .write(move |tx| {
                    let mut numbers = Vec::with_capacity(rows.len());
                    for (pdu, rejected, verdict) in rows {
                        let event = event_rows::store(tx, number, &pdu, rejected)?;
                        event_rows::store_verdict(tx, number, event, &verdict)?;
                        numbers.push(event);
                    }
                    Ok::<_, StoreError>(numbers)
                })
                .await?;
            for (outlier, number) in chunk.iter().zip(numbers) {
                if let Some(index) = room.graph.index_of(outlier.pdu.event_id()) {
                    room.set_number(index, number);
                }
            }
        }
        Ok(())
    }
}

impl JudgedOutlier {
    fn row(&self, now: i64) -> (Pdu, bool, String) {
        let verdict = Verdict {
            step: if self.rejection.is_some() { Step::AuthEvents } else { Step::Passed },
            rejection: self.rejection.clone(),
            origin: None,
            decided_at: now,
            resolved_from: Vec::new(),
        };
        let verdict = serde_json::to_string(&verdict).expect("a verdict is plain data");
        (self.pdu.clone(), self.rejection.is_some(), verdict)
    }
}

fn judge_outlier(room: &mut Room, pdu: Pdu) -> Option<JudgedOutlier> {
    let event = AuthEvent::new(&pdu);
    let mut cited = Vec::new();
    for id in event.auth_events() {
        let Some(index) = room.graph.index_of(id) else {
            tracing::info!(room.id = %room.room_id, event.id = %pdu.event_id(), "Left out {}: it cites {id}, which is not known", pdu.event_id());
            return None;
        };
        let rejected = room.graph.standing(index) == Standing::Rejected;
        cited.push(Cited { event: room.graph.event(index).clone(), rejected });
    }
    let create = room.graph.index_of(&room.room_id.create_event()).map(|index| room.graph.event(index).clone());
    let rejection = check_auth_events(&event, &cited, create.as_ref()).err();
    let standing = if rejection.is_some() { Standing::Rejected } else { Standing::Accepted };
    if let Err(error) = room.graph.append(event, standing) {
        tracing::info!(room.id = %room.room_id, event.id = %pdu.event_id(), "Left out an outlier: {error}");
        return None;
    }
    Some(JudgedOutlier { pdu, rejection })
}

/// Orders events so that each comes after those that it cites, as far as they are among them; drops doubles and cycles.
pub(crate) fn in_order_of_citation(pdus: Vec<Pdu>) -> Vec<Pdu> {
    in_order_of(pdus, |pdu| {
        // From room version 12 on the create event is not cited: everything depends on it all the same.
        let create = Some(pdu.room_id().create_event()).filter(|create| create != pdu.event_id());
        pdu.auth_events().iter().cloned().chain(create).collect()
    })
}

/// Orders events so that each comes after its parents, as far as they are among them; drops doubles and cycles.
pub(crate) fn in_order_of_parents(pdus: Vec<Pdu>) -> Vec<Pdu> {
    in_order_of(pdus, |pdu| pdu.prev_events().to_vec())
}

/// Kahn's algorithm. Among those that are free, the order of the list is kept.
fn in_order_of(pdus: Vec<Pdu>, references: impl Fn(&Pdu) -> Vec<EventId>) -> Vec<Pdu> {
    let mut seen = BTreeSet::new();
    let pdus: Vec<Pdu> = pdus.into_iter().filter(|pdu| seen.insert(pdu.event_id().clone())).collect();
    let position: BTreeMap<EventId, usize> =
        pdus.iter().enumerate().map(|(index, pdu)| (pdu.event_id().clone(), index)).collect();
    let mut waits_for = vec![0_usize; pdus.len()];
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); pdus.len()];
    for (index, pdu) in pdus.iter().enumerate() {
        let named: BTreeSet<usize> = references(pdu).iter().filter_map(|id| position.get(id).copied()).collect();
        waits_for[index] = named.len();
        for other in named {
            dependents[other].push(index);
        }
    }
    let mut free: BTreeSet<usize> = (0..pdus.len()).filter(|index| waits_for[*index] == 0).collect();
    let mut ordered = Vec::with_capacity(pdus.len());
    while let Some(index) = free.pop_first() {
        ordered.push(pdus[index].clone());
        for dependent in &dependents[index] {
            waits_for[*dependent] -= 1;
            if waits_for[*dependent] == 0 {
                free.insert(*dependent);
            }
        }
    }
    ordered
}

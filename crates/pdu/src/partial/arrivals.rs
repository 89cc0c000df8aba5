//! Fetches the events that a server named as the state of a partial room, checks and judges them.

use std::collections::{BTreeMap, BTreeSet};

use events::{EventId, ServerName};
use persistence::transactions::events as event_rows;
use persistence::transactions::partial as rows;
use persistence::transactions::rooms::RoomRow;
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError};
use serde_json::value::RawValue;
use transaction::RequestError;
use transaction::requests::RoomStateIds;

use super::complete::{Incomplete, Wanted};
use super::keys::LackingKeys;
use crate::graph::Graph;
use crate::limits::{
    CHECKED_EVENTS_CHUNK, JOIN_EVENTS_MAX, LOOKED_UP_AT_ONCE, SINGLE_EVENTS_AT_ONCE, SINGLE_EVENTS_MAX,
    SPOILT_STATE_ATTEMPTS,
};
use crate::room::Room;

/// Events on their way.
struct Arrivals {
    wanted: usize,
    lacking: BTreeSet<EventId>,
    lacking_keys: LackingKeys,
    /// Those that such a key would be needed for.
    without_keys: BTreeSet<EventId>,
}

impl Graph {
    /// Fetches and stores those of the named events that are not here. Returns the keys that could not be had for that.
    ///
    /// What is not given, or is no good, is to be given by another server: signatures are not part of an event's id, so that one server
    /// can spoil what others have. Only what nobody gives well is left out, as in any state.
    pub(super) async fn fetch_named(
        &self,
        wanted: &Wanted,
        server: &ServerName,
        named: &RoomStateIds,
    ) -> Result<LackingKeys, Incomplete> {
        let ids: BTreeSet<EventId> = named.pdu_ids.iter().chain(&named.auth_chain_ids).cloned().collect();
        let mut arrivals = Arrivals {
            wanted: ids.len(),
            lacking: ids,
            lacking_keys: LackingKeys::default(),
            without_keys: BTreeSet::new(),
        };
        self.drop_stored(wanted.row.number, &mut arrivals).await?;
        self.note_arrivals(wanted, &arrivals).await?;
        if arrivals.lacking.len() > SINGLE_EVENTS_MAX {
            // Checked and stored as it arrives: what is here when it breaks off is not asked for again.
            let failed = |error: RequestError| Incomplete::Failed(error.to_string());
            let mut given = self.requests().state(server, &wanted.row.room_id, &wanted.join).await.map_err(failed)?;
            let mut count = 0;
            loop {
                let chunk = given.next(CHECKED_EVENTS_CHUNK).await.map_err(failed)?;
                if chunk.is_empty() {
                    break;
                }
                count += chunk.len();
                if count > 2 * JOIN_EVENTS_MAX {
                    return Err(Incomplete::Failed("it gives more than it named".to_owned()));
                }
                self.store_given(wanted, server, chunk, &mut arrivals).await?;
            }
            if count < arrivals.wanted {
                return Err(Incomplete::Failed(format!("it gave {count} events of {} that it named", arrivals.wanted)));
            }
        } else {
            let lacking: Vec<EventId> = arrivals.lacking.iter().cloned().collect();
            for ids in lacking.chunks(SINGLE_EVENTS_AT_ONCE) {
                let asked = ids.iter().map(|id| self.requests().event(server, id));
                let answers = futures_util::future::join_all(asked).await;
                let given: Vec<Box<RawValue>> =
                    answers.into_iter().filter_map(|answer| answer.ok().flatten()).collect();
                if given.len() < ids.len() {
                    let lacking = ids.len() - given.len();
                    return Err(Incomplete::Failed(format!("{lacking} events that it named were not given")));
                }
                self.store_given(wanted, server, given, &mut arrivals).await?;
            }
        }
        let spoilt = arrivals.lacking.difference(&arrivals.without_keys).count();
        if spoilt > 0 && wanted.partial.attempts < SPOILT_STATE_ATTEMPTS {
            return Err(Incomplete::Failed(format!("{spoilt} events that it named are no good as it gave them")));
        }
        Ok(arrivals.lacking_keys)
    }

    /// Checks events that were asked for, and stores the good ones. They give no permission before they are judged.
    async fn store_given(
        &self,
        wanted: &Wanted,
        server: &ServerName,
        raw: Vec<Box<RawValue>>,
        arrivals: &mut Arrivals,
    ) -> Result<(), StoreError> {
        let (number, version) = (wanted.row.number, wanted.row.version);
        let mut parsed = self.parse_answer(server, &wanted.row.room_id, version, raw).await;
        parsed.retain(|event| arrivals.lacking.contains(event.event_id()));
        let given = self.with_keys(version, parsed).await;
        arrivals.lacking_keys.extend(given.lacking_keys());
        arrivals.without_keys.extend(given.without_keys());
        let checked = self.verified(server, &wanted.row.room_id, given).await;
        let good: BTreeSet<EventId> = checked.iter().map(|pdu| pdu.event_id().clone()).collect();
        let join = wanted.partial.event;
        self.database()
            .write(move |tx| {
                // The room may have been left, or purged, meanwhile: then nothing of it is to be stored.
                if rows::pending(tx, number)?.is_some_and(|partial| partial.event == join) {
                    checked.iter().try_for_each(|pdu| event_rows::store(tx, number, pdu, false).map(drop))?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        good.iter().for_each(|id| _ = arrivals.lacking.remove(id));
        self.note_arrivals(wanted, arrivals).await
    }

    async fn note_arrivals(&self, wanted: &Wanted, arrivals: &Arrivals) -> Result<(), StoreError> {
        let (room, all, lacking) = (wanted.row.number, arrivals.wanted, arrivals.lacking.len());
        self.database().write(move |tx| rows::note_progress(tx, room, all, lacking)).await
    }

    async fn drop_stored(&self, room: RoomNumber, arrivals: &mut Arrivals) -> Result<(), StoreError> {
        let ids: Vec<EventId> = std::mem::take(&mut arrivals.lacking).into_iter().collect();
        for chunk in ids.chunks(LOOKED_UP_AT_ONCE) {
            let chunk = chunk.to_vec();
            let lacking = self.database().read(move |tx| {
                let is_lacking = |id: &EventId| is_stored(tx, room, id).map(|stored| !stored);
                chunk
                    .into_iter()
                    .filter_map(|id| is_lacking(&id).map(|lacks| lacks.then_some(id)).transpose())
                    .collect()
            });
            let lacking: Result<Vec<EventId>, StoreError> = lacking.await;
            arrivals.lacking.extend(lacking?);
        }
        Ok(())
    }

    /// Judges the named events by what they cite, those first that others cite.
    ///
    /// Beside the room's turn, on a graph of its own: nobody sees outliers, and the room goes on meanwhile.
    pub(super) async fn judge_named(&self, row: &RoomRow, named: &RoomStateIds) -> Result<(), StoreError> {
        let number = row.number;
        let mut citing = BTreeMap::new();
        for ids in [&named.auth_chain_ids, &named.pdu_ids] {
            for chunk in ids.chunks(LOOKED_UP_AT_ONCE) {
                let chunk = chunk.to_vec();
                citing.extend(self.database().read(move |tx| unjudged(tx, number, &chunk)).await?);
            }
        }
        let mut room = Room::empty(number, row.room_id.clone(), row.version, row.turn);
        for chunk in in_order_of_citation(&citing).chunks(CHECKED_EVENTS_CHUNK) {
            let (chunk, version) = (chunk.to_vec(), row.version);
            let pdus = self
                .database()
                .read(move |tx| {
                    let mut pdus = Vec::new();
                    for event in chunk {
                        pdus.extend(event_rows::load(tx, version, event)?.map(|stored| stored.pdu));
                    }
                    Ok::<_, StoreError>(pdus)
                })
                .await?;
            self.store_outliers(&mut room, pdus).await?;
        }
        Ok(())
    }
}

fn is_stored(tx: &ReadTx<'_>, room: RoomNumber, id: &EventId) -> Result<bool, StoreError> {
    match event_rows::number(tx, room, id)? {
        Some(event) => Ok(event_rows::condition(tx, event)?.is_some()),
        None => Ok(false),
    }
}

/// Those of the events that are stored and not judged, with what they cite.
fn unjudged(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    ids: &[EventId],
) -> Result<Vec<(EventNumber, Vec<EventNumber>)>, StoreError> {
    let mut unjudged = Vec::new();
    for id in ids {
        if let Some(event) = event_rows::number(tx, room, id)?
            && event_rows::verdict(tx, event)?.is_none()
            && event_rows::condition(tx, event)?.is_some()
        {
            unjudged.push((event, event_rows::auth_events(tx, event)?));
        }
    }
    Ok(unjudged)
}

/// Orders events so that each comes after those that it cites, as far as they are among them.
fn in_order_of_citation(citing: &BTreeMap<EventNumber, Vec<EventNumber>>) -> Vec<EventNumber> {
    let mut seen = BTreeSet::new();
    let mut ordered = Vec::with_capacity(citing.len());
    for root in citing.keys() {
        let mut pending = vec![(*root, false)];
        while let Some((event, cited_done)) = pending.pop() {
            if cited_done {
                ordered.push(event);
            } else if let Some(cited) = citing.get(&event)
                && seen.insert(event)
            {
                pending.push((event, true));
                pending.extend(cited.iter().map(|cited| (*cited, false)));
            }
        }
    }
    ordered
}

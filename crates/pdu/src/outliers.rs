//! Outliers: state events of a room's past that we store for the permission they give, without a place in the graph.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use events::auth::{AuthEvent, Cited, Rejection, check_auth_events};
use events::auth_graph::{Standing, StateMap};
use events::{EventId, ParsedPdu, Pdu, RoomId};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph::Outcome;
use persistence::transactions::state::intern_key;
use persistence::{EventNumber, RoomNumber, StateKeyNumber, StoreError, WriteTx};

use crate::graph::Graph;
use crate::limits::OUTLIERS_CHUNK;
use crate::redaction::apply_redactions;
use crate::room::Room;
use crate::verdict::{Step, Verdict};

/// An outlier that was judged by the events that it cites.
struct JudgedOutlier {
    pdu: Pdu,
    rejection: Option<Rejection>,
}

/// What an outlier is in the database.
struct Written {
    event: EventNumber,
    key: Option<StateKeyNumber>,
}

impl Graph {
    /// Judges checked state events by the events that they cite, stores them and adds them to the room in memory.
    ///
    /// Events that cite something that is neither known nor among `pdus` are left out, and so are those that cite them.
    /// Written in chunks: nobody sees outliers, so nothing is half done if we stop in between.
    pub(crate) async fn store_outliers(&self, room: &mut Room, pdus: Vec<Pdu>) -> Result<(), StoreError> {
        let named: BTreeSet<EventId> =
            pdus.iter().flat_map(|pdu| pdu.auth_events().iter().chain([pdu.event_id()])).cloned().collect();
        self.with_room(room, move |room, tx| room.bring_by_id(tx, &named)).await?;
        let new =
            pdus.into_iter().filter(|pdu| pdu.state_key().is_some() && room.graph.index_of(pdu.event_id()).is_none());
        let mut judged = in_order_of_citation(new.collect())
            .into_iter()
            .filter_map(|pdu| judge_outlier(room, pdu))
            .collect::<Vec<_>>()
            .into_iter()
            .peekable();
        let now = self.handles().clock.now();
        while judged.peek().is_some() {
            let chunk: Vec<JudgedOutlier> = judged.by_ref().take(OUTLIERS_CHUNK).collect();
            let number = room.number;
            let ids: Vec<EventId> = chunk.iter().map(|outlier| outlier.pdu.event_id().clone()).collect();
            let written: Vec<Written> = self
                .database()
                .write(move |tx| chunk.iter().map(|outlier| outlier.write(tx, number, now)).collect::<Result<_, _>>())
                .await?;
            for (id, written) in ids.iter().zip(written) {
                let Some(index) = room.graph.index_of(id) else { continue };
                room.set_number(index, written.event);
                if let Some(key) = written.key {
                    room.set_key_number(index, key);
                }
            }
        }
        Ok(())
    }
}

impl JudgedOutlier {
    fn write(&self, tx: &mut WriteTx<'_>, room: RoomNumber, now: i64) -> Result<Written, StoreError> {
        let verdict = Verdict {
            step: if self.rejection.is_some() { Step::AuthEvents } else { Step::Passed },
            rejection: self.rejection.clone(),
            origin: None,
            decided_at: now,
            resolved_from: Vec::new(),
            state_told_by: None,
            provisional: false,
        };
        let verdict = serde_json::to_string(&verdict).expect("a verdict is plain data");
        if let Some(event) = event_rows::number(tx, room, self.pdu.event_id())?
            && event_rows::verdict(tx, event)?.is_some()
        {
            // Somebody else was faster.
            return Ok(Written { event, key: None });
        }
        let event = event_rows::store(tx, room, &self.pdu, self.rejection.is_some())?;
        event_rows::store_verdict(tx, room, event, &verdict)?;
        // A state that names it can then be stored with few writes.
        let key = self.pdu.state_key().map(|state_key| intern_key(tx, self.pdu.event_type(), state_key)).transpose()?;
        // A redaction may have come first. The outlier itself is no redaction: those are no state events.
        apply_redactions(tx, room, event, &self.pdu, Outcome::Rejected)?;
        Ok(Written { event, key })
    }
}

fn judge_outlier(room: &mut Room, pdu: Pdu) -> Option<JudgedOutlier> {
    let event = AuthEvent::new(&pdu);
    let rejection = match judge_by_citations(room, &event, &BTreeMap::new()) {
        Ok(judged) => judged.err(),
        Err(cited) => {
            tracing::info!(room.id = %room.room_id, event.id = %pdu.event_id(), "Left out {}: it cites {cited}, which is not known", pdu.event_id());
            return None;
        }
    };
    let standing = if rejection.is_some() { Standing::Rejected } else { Standing::Accepted };
    if let Err(error) = room.graph.append(event, standing) {
        tracing::info!(room.id = %room.room_id, event.id = %pdu.event_id(), "Left out an outlier: {error}");
        return None;
    }
    Some(JudgedOutlier { pdu, rejection })
}

/// Step 4 of S2S API, "Checks performed on receipt of a PDU", by the room's auth graph and `others`, cited events that are no
/// state events. Fails with the id of a cited event of which nothing is known.
pub(crate) fn judge_by_citations(
    room: &Room,
    event: &AuthEvent,
    others: &BTreeMap<EventId, Cited>,
) -> Result<Result<(), Rejection>, EventId> {
    let mut cited = Vec::new();
    for id in event.auth_events() {
        match (room.graph.index_of(id), others.get(id)) {
            (Some(index), _) => {
                let rejected = room.graph.standing(index) == Standing::Rejected;
                cited.push(Cited { event: room.graph.event(index).clone(), rejected });
            }
            (None, Some(other)) => cited.push(other.clone()),
            (None, None) => return Err(id.clone()),
        }
    }
    let create = room.graph.index_of(&room.room_id.create_event());
    let create = create.filter(|index| room.graph.standing(*index) == Standing::Accepted);
    Ok(check_auth_events(event, &cited, create.map(|index| room.graph.event(index))))
}

/// Orders events so that each comes after those that it cites, as far as they are among them; drops doubles and cycles.
pub(crate) fn in_order_of_citation(pdus: Vec<Pdu>) -> Vec<Pdu> {
    in_order_of(pdus, Pdu::event_id, |pdu| citations(pdu.event_id(), pdu.room_id(), pdu.auth_events()))
}

/// As [`in_order_of_citation`], for events whose signatures have not been looked at.
pub(crate) fn parsed_in_order_of_citation(events: Vec<ParsedPdu>) -> Vec<ParsedPdu> {
    in_order_of(events, ParsedPdu::event_id, |event| citations(event.event_id(), event.room_id(), event.auth_events()))
}

fn citations(event: &EventId, room: &RoomId, cited: &[EventId]) -> Vec<EventId> {
    // From room version 12 on the create event is not cited: everything depends on it all the same.
    let create = Some(room.create_event()).filter(|create| create != event);
    cited.iter().cloned().chain(create).collect()
}

/// Orders events so that each comes after its parents and those that it cites, as far as they are among them; drops doubles
/// and cycles.
pub(crate) fn in_order_of_parents(pdus: Vec<Pdu>) -> Vec<Pdu> {
    in_order_of(pdus, Pdu::event_id, |pdu| pdu.prev_events().iter().chain(pdu.auth_events()).cloned().collect())
}

/// The state that state events make, by the room's auth graph.
///
/// Rejected events are left out: they change nothing. `None` if two events claim the same place, or one is of no state known
/// here, or there is no create event: no server has such a state.
pub(crate) fn state_of<'a>(room: &Room, ids: impl IntoIterator<Item = &'a EventId>) -> Option<StateMap> {
    let mut map = StateMap::default();
    for id in ids {
        let index = room.graph.index_of(id)?;
        let key = room.graph.state_key_of(index);
        if room.graph.standing(index) == Standing::Rejected {
            continue;
        }
        if map.get(key).is_some_and(|other| other != index) {
            return None;
        }
        map.insert(key, index);
    }
    let create = room.graph.state_key_index("m.room.create", "")?;
    map.get(create).map(|_| map)
}

/// Kahn's algorithm. Among those that are free, the order of the list is kept.
fn in_order_of<T>(events: Vec<T>, id: impl Fn(&T) -> &EventId, references: impl Fn(&T) -> Vec<EventId>) -> Vec<T> {
    let mut position: HashMap<EventId, usize> = HashMap::with_capacity(events.len());
    let mut once = Vec::with_capacity(events.len());
    for event in events {
        if let Entry::Vacant(vacant) = position.entry(id(&event).clone()) {
            vacant.insert(once.len());
            once.push(event);
        }
    }
    let events = once;
    let mut waits_for = vec![0_usize; events.len()];
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); events.len()];
    for (index, event) in events.iter().enumerate() {
        let named: BTreeSet<usize> = references(event).iter().filter_map(|id| position.get(id).copied()).collect();
        waits_for[index] = named.len();
        for other in named {
            dependents[other].push(index);
        }
    }
    let mut free: BTreeSet<usize> = (0..events.len()).filter(|index| waits_for[*index] == 0).collect();
    let mut unplaced: Vec<Option<T>> = events.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(unplaced.len());
    while let Some(index) = free.pop_first() {
        ordered.extend(unplaced[index].take());
        for dependent in &dependents[index] {
            waits_for[*dependent] -= 1;
            if waits_for[*dependent] == 0 {
                free.insert(*dependent);
            }
        }
    }
    ordered
}

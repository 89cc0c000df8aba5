//! Judges again what came into a room while its members were not all known, now that they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use defects::Defect;
use events::auth::{AuthEvent, Cited};
use events::auth_graph::StateMap;
use events::{EventId, Pdu};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{events as event_rows, partial as rows, rooms as room_rows, state as state_rows};
use persistence::{EventNumber, ReadTx, StoreError, WriteTx};

use crate::graph::Graph;
use crate::judge::{Advance, Again, Judged, Surroundings, judge_again};
use crate::partial::{LackingKeys, keys_pause};
use crate::redaction::{apply_redactions, withdraw_redaction};
use crate::room::{Room, State};
use crate::state_records::{Change, ParentState, StateRecord, changes, reference, state_records, write_states};
use crate::verdict::Verdict;

/// What was decided cannot be decided again.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplayError {
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An event as it stood.
struct Stood {
    pdu: Pdu,
    place: Place,
    verdict: Verdict,
}

/// An event as it stands now, ready to be written.
struct Rewrite {
    event: EventNumber,
    pdu: Pdu,
    was: Outcome,
    arrived: bool,
    outcome: Outcome,
    verdict: String,
    before: Option<ParentState>,
    after: ParentState,
}

impl Graph {
    /// Puts `whole` in the place of the state before our join, and judges that and everything since again. The room is to be dropped
    /// from memory afterwards.
    pub(super) async fn replay(
        &self,
        room: &mut Room,
        join: EventNumber,
        whole: StateMap,
        lacking: LackingKeys,
    ) -> Result<(), ReplayError> {
        let stood = self.with_room(room, move |room, tx| stood_since(tx, room, join)).await?;
        let pdus: Vec<Pdu> = stood.iter().map(|stood| stood.pdu.clone()).collect();
        let mut around = self.surroundings(room, &pdus).await?;
        // Some may cite others that are in no state, and are refused for that.
        for stood in stood.iter().filter(|stood| room.graph.index_of(stood.pdu.event_id()).is_none()) {
            let rejected = stood.place.outcome == Outcome::Rejected;
            let cited = Cited { event: AuthEvent::new(&stood.pdu), rejected };
            around.cited.insert(stood.pdu.event_id().clone(), cited);
        }
        around.covered.extend(history_beside(&stood, join));
        let whole = room.derive(whole, None);
        let mut given = self.given_states(room, &stood, &around).await?;
        given.insert(join, Arc::clone(&whole));
        let outcomes: Vec<(EventNumber, Outcome, bool)> =
            stood.iter().map(|s| (s.place.event, s.place.outcome, s.place.arrival.is_some())).collect();
        let events: Vec<Again> = stood.into_iter().map(|stood| stood.again(&mut given)).collect();
        let mut taken = room.take();
        let lacks_keys_of = (!lacking.is_empty()).then(|| lacking.servers().into_iter().collect());
        let (taken, advance) = self
            .handles()
            .compute
            .run(move || {
                // From here on states are whole.
                taken.partial = None;
                taken.lacks_keys_of = lacks_keys_of;
                let advance = judge_again(&mut taken, events, &around);
                (taken, advance)
            })
            .await;
        *room = taken;
        let advance = advance.map_err(|error| ReplayError::Failed(error.to_string()))?;
        // The join comes first. Were it refused, nobody here would be in the room, and nothing could be built on.
        if let Some(rejection) = advance.judged.first().and_then(|judged| judged.verdict.rejection.as_ref()) {
            return Err(ReplayError::Failed(format!("the state that it named does not allow our join: {rejection}")));
        }
        self.write_ahead(room, &whole).await?;
        self.rewrite(room, &outcomes, advance, lacking).await
    }

    /// The states before events of which the parents are not all known: a server told them, or they follow from nothing.
    async fn given_states(
        &self,
        room: &mut Room,
        stood: &[Stood],
        around: &Surroundings,
    ) -> Result<BTreeMap<EventNumber, Arc<State>>, StoreError> {
        let inside: BTreeSet<&EventId> = stood.iter().map(|stood| stood.pdu.event_id()).collect();
        let is_known = |id: &EventId| inside.contains(id) || around.parents.contains_key(id);
        let lacks_parents = |stood: &&Stood| !stood.pdu.prev_events().iter().all(is_known);
        let snapshots: Vec<_> = stood
            .iter()
            .filter(lacks_parents)
            .filter_map(|stood| Some((stood.place.event, stood.place.state_before?)))
            .collect();
        self.with_room(room, move |room, tx| {
            snapshots.into_iter().map(|(event, snapshot)| Ok((event, room.load_state(tx, snapshot)?))).collect()
        })
        .await
    }

    async fn rewrite(
        &self,
        room: &Room,
        stood: &[(EventNumber, Outcome, bool)],
        advance: Advance,
        lacking: LackingKeys,
    ) -> Result<(), ReplayError> {
        let states = state_records(room, &advance.new_states);
        let current = reference(&states, &advance.current);
        let empty = StateMap::default();
        let before = room.current.as_ref().map_or(&empty, |current| &current.map);
        let current_changes = changes(room, before, &advance.current.map);
        let heads: Vec<EventId> = advance.heads.iter().map(|head| head.event_id().clone()).collect();
        let old_heads: Vec<EventNumber> = room.heads.iter().map(|head| head.number).collect();
        let rewrites: Vec<Rewrite> = advance
            .judged
            .into_iter()
            .zip(stood)
            .map(|(judged, stood)| Rewrite::new(judged, *stood, &states))
            .collect();
        let (number, turn, graph) = (room.number, room.turn, self.clone());
        let (keys, retry_at) = (lacking.to_json(), self.handles().clock.now() + keys_pause(0));
        self.database()
            .write(move |tx| {
                let snapshots = write_states(tx, number, &states)?;
                if !room_rows::advance(tx, number, turn, current.resolve(&snapshots))? {
                    return Err(StoreError::Conflict("the room advanced meanwhile".to_owned()));
                }
                // Members become known before what they said arrives.
                graph.write_current(tx, number, &current_changes)?;
                for rewrite in &rewrites {
                    rewrite.write(tx, number, &snapshots)?;
                }
                let mut added = Vec::new();
                for id in &heads {
                    added.push(event_rows::intern(tx, number, id)?);
                }
                let removed: Vec<EventNumber> = old_heads.into_iter().filter(|head| !added.contains(head)).collect();
                graph_rows::set_extremities(tx, number, &removed, &added)?;
                if lacking.is_empty() {
                    rows::end(tx, number)?;
                } else {
                    rows::become_whole(tx, number, &keys, &lacking.servers(), 0, retry_at)?;
                }
                // Those that lacked members are of no event any more.
                state_rows::sweep_room(tx, number)?;
                Ok(())
            })
            .await?;
        Ok(())
    }

    fn write_current(
        &self,
        tx: &mut WriteTx<'_>,
        room: persistence::RoomNumber,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        let position = streams::next(tx, Stream::Events)?;
        self.write_current_state(tx, room, changes, position)?;
        self.wake_users(tx, room, changes, std::iter::empty())
    }
}

impl Stood {
    fn again(self, given: &mut BTreeMap<EventNumber, Arc<State>>) -> Again {
        Again {
            given: given.remove(&self.place.event),
            has_arrived: self.place.arrival.is_some(),
            topological: self.place.topological,
            origin: self.verdict.origin,
            pdu: self.pdu,
        }
    }
}

impl Rewrite {
    fn new(judged: Judged, stood: (EventNumber, Outcome, bool), states: &[StateRecord]) -> Self {
        let (event, was, arrived) = stood;
        Self {
            event,
            was,
            arrived,
            outcome: judged.verdict.outcome(),
            verdict: serde_json::to_string(&judged.verdict).expect("a verdict is plain data"),
            before: judged.before.as_ref().map(|before| reference(states, before)),
            after: reference(states, &judged.after),
            pdu: judged.pdu,
        }
    }

    fn write(
        &self,
        tx: &mut WriteTx<'_>,
        room: persistence::RoomNumber,
        snapshots: &[persistence::SnapshotNumber],
    ) -> Result<(), StoreError> {
        let before = self.before.as_ref().and_then(|before| before.resolve(snapshots));
        graph_rows::set_states(tx, self.event, before, self.after.resolve(snapshots))?;
        event_rows::store_verdict(tx, room, self.event, &self.verdict)?;
        if self.was == self.outcome || defects::is_on(Defect::ProvisionalIsFinal) {
            return Ok(());
        }
        tracing::info!(event.id = %self.pdu.event_id(), "{} was {:?} while members were unknown, and is {:?}", self.pdu.event_id(), self.was, self.outcome);
        graph_rows::set_outcome(tx, self.event, self.outcome)?;
        event_rows::set_rejected(tx, self.event, self.outcome == Outcome::Rejected)?;
        if self.was == Outcome::Accepted {
            return withdraw_redaction(tx, room, self.event, &self.pdu);
        }
        if self.outcome == Outcome::Accepted {
            if self.arrived {
                // Nobody has seen it: it arrives now.
                let arrival = streams::next(tx, Stream::Events)?;
                graph_rows::set_arrival(tx, self.event, arrival)?;
            }
            apply_redactions(tx, room, self.event, &self.pdu, self.outcome)?;
        }
        Ok(())
    }
}

/// What was fetched as history and is no deeper than our join: whoever let us in knew where the room went on from there, so it is no
/// extremity now either.
fn history_beside(stood: &[Stood], join: EventNumber) -> impl Iterator<Item = EventId> {
    let entered_at = stood.iter().find(|stood| stood.place.event == join).map(|stood| stood.pdu.depth());
    let is_beside = move |stood: &&Stood| {
        stood.place.arrival.is_none() && entered_at.is_some_and(|entered_at| stood.pdu.depth() <= entered_at)
    };
    stood.iter().filter(is_beside).map(|stood| stood.pdu.event_id().clone())
}

/// The events from our join on that have a state, in an order in which they may have come: by arrival, each after its parents.
fn stood_since(tx: &ReadTx<'_>, room: &Room, join: EventNumber) -> Result<Vec<Stood>, StoreError> {
    let missing = |event: EventNumber| StoreError::Inconsistent(format!("event {} of a room has no place", event.0));
    let start = graph_rows::place(tx, join)?.ok_or_else(|| missing(join))?;
    let mut places = graph_rows::placed_after(tx, room.number, &start)?;
    places.retain(|place| place.state_after.is_some() && place.event != join);
    places.push(start);
    // What was fetched as history has no arrival: it goes before what builds on it, or last.
    places.sort_by_key(|place| (place.event != join, place.arrival.is_none(), place.arrival, place.topological));
    let all: BTreeMap<EventNumber, Place> = places.iter().map(|place| (place.event, *place)).collect();
    let mut seen = BTreeSet::new();
    let mut ordered = Vec::new();
    for place in &places {
        let mut pending = vec![(place.event, false)];
        while let Some((event, parents_done)) = pending.pop() {
            let Some(place) = all.get(&event) else { continue };
            if parents_done {
                ordered.push(*place);
            } else if seen.insert(event) {
                pending.push((event, true));
                if event != join {
                    pending.extend(graph_rows::prev_events(tx, event)?.into_iter().map(|parent| (parent, false)));
                }
            }
        }
    }
    let mut stood = Vec::new();
    for place in ordered {
        let Some(stored) = event_rows::load(tx, room.version, place.event)? else { continue };
        let verdict = Verdict::read(tx, place.event)?.ok_or_else(|| missing(place.event))?;
        stood.push(Stood { pdu: stored.pdu, place, verdict });
    }
    Ok(stood)
}

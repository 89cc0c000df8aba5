//! The newest events of a room, in the order of their arrival.

use std::collections::BTreeSet;

use events::Value;
use persistence::transactions::graph::{self as graph_rows, Place};
use persistence::transactions::{events as event_rows, history as history_rows};
use persistence::{EventNumber, Position, StoreError};
use serde_json::json;

use super::RoomSync;
use crate::limits::{LOOK_STEP, TIMELINE_LOOK_MAX};
use crate::reading::state::Entries;
use crate::reading::{HistoryPoint, format};

/// Timeline events of one room when the client does not say.
const TIMELINE_DEFAULT: usize = 10;
/// Timeline events of one room at most.
const TIMELINE_MAX: usize = 100;

/// The timeline of one room.
pub(super) struct Timeline {
    pub(super) events: Vec<Value>,
    /// Something is missing between what the client has and the first of the events.
    pub(super) limited: bool,
    pub(super) prev_batch: HistoryPoint,
    pub(super) senders: BTreeSet<String>,
    pub(super) numbers: BTreeSet<EventNumber>,
    /// The first of the events.
    pub(super) first: Option<Place>,
    /// Memberships that the events set: who, by which event.
    pub(super) memberships: Vec<(String, EventNumber)>,
    /// The last event for each entry of the state that the events set.
    pub(super) sets: Entries,
}

impl Timeline {
    /// Without events, at a position.
    pub(super) fn empty(at: Position) -> Self {
        Self {
            events: Vec::new(),
            limited: false,
            prev_batch: HistoryPoint::Arrival(at),
            senders: BTreeSet::new(),
            numbers: BTreeSet::new(),
            first: None,
            memberships: Vec::new(),
            sets: Entries::new(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "events": self.events, "limited": self.limited, "prev_batch": self.prev_batch.to_string() })
    }
}

impl RoomSync<'_, '_> {
    /// The newest events that arrived after `from` and up to `to`, oldest first, as many as the client wants.
    pub(super) fn timeline(&self, from: Position, to: Position) -> Result<Timeline, StoreError> {
        let filter = &self.filter().room.timeline;
        let mut timeline = Timeline::empty(to);
        if !filter.allows_room(&self.room.room_id) {
            return Ok(timeline);
        }
        let limit = filter.events.limit.and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(TIMELINE_DEFAULT).min(TIMELINE_MAX);
        let (mut below, mut looked_at) = (to, 0);
        'walk: loop {
            let places = graph_rows::arrivals(self.tx, self.room.number, from, below, LOOK_STEP)?;
            for place in &places {
                let arrival = place.arrival.unwrap_or_default();
                if looked_at >= TIMELINE_LOOK_MAX {
                    timeline.limited = true;
                    timeline.prev_batch = HistoryPoint::Arrival(arrival);
                    break 'walk;
                }
                looked_at += 1;
                let is_full = timeline.events.len() >= limit;
                match self.add(&mut timeline, place, is_full)? {
                    Shown::Hidden => continue,
                    Shown::Unwanted => {}
                    Shown::Beyond => {
                        timeline.limited = true;
                        break 'walk;
                    }
                    Shown::Added => timeline.prev_batch = HistoryPoint::Arrival(Position(arrival.0 - 1)),
                }
                // What is missing in the graph is missing in the timeline: the client is to ask for it.
                if history_rows::lacks_parent(self.tx, place.event)? {
                    timeline.limited = true;
                    timeline.prev_batch = HistoryPoint::Arrival(Position(arrival.0 - 1));
                    break 'walk;
                }
            }
            match places.last().and_then(|last| last.arrival) {
                Some(last) if places.len() >= usize::try_from(LOOK_STEP).unwrap_or(usize::MAX) => {
                    below = Position(last.0 - 1);
                }
                Some(_) | None => break,
            }
        }
        timeline.events.reverse();
        Ok(timeline)
    }

    fn add(&self, timeline: &mut Timeline, place: &Place, is_full: bool) -> Result<Shown, StoreError> {
        let Some(stored) = event_rows::load(self.tx, self.room.version, place.event)? else { return Ok(Shown::Hidden) };
        if !self.sight.may_see(&stored, place)? {
            return Ok(Shown::Hidden);
        }
        let pdu = stored.visible();
        if !self.filter().room.timeline.allows(pdu.event_type(), pdu.sender(), pdu.content())
            || self.ignored.hides(pdu.sender(), pdu.state_key().is_some())
        {
            return Ok(Shown::Unwanted);
        }
        if is_full {
            return Ok(Shown::Beyond);
        }
        let event = format::with_history(&self.sight, self.viewer(), &stored, place, self.request.now)?;
        timeline.events.push(format::for_sync(self.filter(), &stored, event));
        timeline.senders.insert(pdu.sender().to_string());
        timeline.numbers.insert(place.event);
        timeline.first = Some(*place);
        if let Some(state_key) = pdu.state_key() {
            // The newest events come first.
            timeline.sets.entry((pdu.event_type().to_owned(), state_key.to_owned())).or_insert(place.event);
        }
        if let Some(user) = pdu.state_key().filter(|_| pdu.event_type() == "m.room.member") {
            timeline.memberships.push((user.to_owned(), place.event));
        }
        Ok(Shown::Added)
    }
}

/// What became of an event on the way back.
enum Shown {
    /// The user may not see it.
    Hidden,
    /// The client does not want it.
    Unwanted,
    /// It would be one too many.
    Beyond,
    /// It is in the timeline.
    Added,
}

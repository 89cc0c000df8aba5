//! The section of a room that the user has left, was removed from, or did not want to enter.

use events::Value;
use persistence::transactions::{events as event_rows, graph as graph_rows, news};
use persistence::{EventNumber, Position, StoreError};
use serde_json::json;

use super::RoomSync;
use super::state::{Extent, up_to};
use super::timeline::Timeline;
use crate::reading::state::Entries;
use crate::reading::{Stay, format};

impl RoomSync<'_, '_> {
    pub(super) fn left(&self) -> Result<Value, StoreError> {
        let since = self.since_events();
        let end = match self.sight.stay()? {
            // Somebody who left before has been told what happened until then.
            Some(Stay::Left(end)) => end.arrival.filter(|end| *end > since).map(|arrival| (arrival, end)),
            Some(Stay::Joined) | None => None,
        };
        let (mut timeline, state) = match end {
            Some((left_at, end)) => {
                let changes = match self.request.since {
                    Some(_) => news::state_changes(self.tx, self.room.number, since, self.standing.position)?,
                    None => Vec::new(),
                };
                let changes = up_to(&changes, left_at.max(step_of(&changes, end.event)));
                let known = self.was_in_since(changes, Some(end.event))?;
                let mut timeline = self.timeline(if known { since } else { Position(0) }, left_at)?;
                timeline.limited |= !known && self.request.since.is_some();
                let extent = if known && !self.request.full_state {
                    Extent::Changes(changes)
                } else {
                    Extent::Whole(end.state_after)
                };
                let state = self.state(&extent, &timeline, &[], Entries::new())?;
                (timeline, state)
            }
            None => (Timeline::empty(self.to.events), Vec::new()),
        };
        self.add_own_membership(&mut timeline)?;
        let mut section = json!({
            "timeline": timeline.to_json(),
            "account_data": { "events": self.room_account_data(false)? },
        });
        self.put_state(&mut section, state);
        Ok(section)
    }

    /// A user is told how they came to be out, also if they were never in: a refused invite has no place in a history that we
    /// do not have.
    fn add_own_membership(&self, timeline: &mut Timeline) -> Result<(), StoreError> {
        let event = self.standing.event;
        let Some(stored) = event_rows::load(self.tx, self.room.version, event)? else { return Ok(()) };
        let pdu = stored.visible();
        let tells = matches!(stored.pdu.membership(), Some("leave" | "ban"));
        let filter = &self.filter().room.timeline;
        if !tells
            || timeline.numbers.contains(&event)
            || !filter.allows_room(&self.room.room_id)
            || !filter.allows(pdu.event_type(), pdu.sender(), pdu.content())
            || filter.events.limit == Some(0)
        {
            return Ok(());
        }
        let client = match graph_rows::place(self.tx, event)? {
            Some(place) => format::with_history(&self.sight, self.viewer(), &stored, &place, self.request.now)?,
            None => format::plain(&self.sight, self.viewer(), &stored, self.request.now)?,
        };
        timeline.events.push(format::for_sync(self.filter(), &stored, client));
        timeline.numbers.insert(event);
        Ok(())
    }
}

/// The position under which the change by `event` is recorded: that of the last event of its step.
fn step_of(changes: &[news::StateChange], event: EventNumber) -> Position {
    let change = changes.iter().find(|change| change.event == Some(event));
    change.map(|change| change.position).unwrap_or_default()
}

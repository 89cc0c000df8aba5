//! The event nearest to a time. C-S API, `GET /rooms/{roomId}/timestamp_to_event`.

use events::{EventId, RoomId};
use persistence::StoreError;
use persistence::transactions::events as event_rows;
use persistence::transactions::graph::Direction;
use persistence::transactions::history::{self as history_rows, TimePoint};

use super::{Sight, Viewer, not_in_room, readable};
use crate::ignored::Ignored;
use crate::limits::{LOOK_STEP, TIMES_LOOK_MAX};
use crate::{Messaging, MessagingError};

/// An event, and when its sender says to have sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedEvent {
    /// The event.
    pub event_id: EventId,
    /// In milliseconds since 1970.
    pub origin_server_ts: i64,
}

impl Messaging {
    /// Returns the event nearest to a time, at it or on that side of it, that the user may see. Where history is missing, other
    /// servers are asked for one that is nearer, and for what lies before it.
    pub async fn event_by_time(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        at: i64,
        direction: Direction,
    ) -> Result<TimedEvent, MessagingError> {
        let found = self.nearest(viewer, room_id, at, direction).await?;
        let time = found.as_ref().map(|found| found.origin_server_ts);
        let found = match time {
            Some(time) if time == at => found,
            _ if self.graph().backfill_towards(room_id, at, direction, time).await? == 0 => found,
            _ => self.nearest(viewer, room_id, at, direction).await?,
        };
        let side = match direction {
            Direction::Forwards => "at or after",
            Direction::Backwards => "at or before",
        };
        found.ok_or_else(|| MessagingError::NotFound(format!("there is no event {side} {at} for you to see")))
    }

    async fn nearest(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        at: i64,
        direction: Direction,
    ) -> Result<Option<TimedEvent>, MessagingError> {
        let (viewer, id) = (viewer.clone(), room_id.clone());
        let found = self.database().read(move |tx| {
            let Some(room) = readable(tx, &viewer, &id)? else { return Ok(None) };
            let (sight, ignored) = (Sight::new(tx, &viewer.user, &room), Ignored::read(tx, &viewer.user)?);
            let mut from = TimePoint::start(at, direction);
            let mut looked = 0;
            while looked < TIMES_LOOK_MAX {
                let places = history_rows::by_time(tx, room.number, from, direction, LOOK_STEP)?;
                for place in &places {
                    let Some(stored) = event_rows::load(tx, room.version, place.event)? else { continue };
                    let time = stored.pdu.origin_server_ts();
                    from = TimePoint { at: time, event: place.event.0 };
                    let is_hidden = ignored.hides(stored.pdu.sender(), stored.pdu.state_key().is_some());
                    if !is_hidden && sight.may_see(&stored, place)? {
                        let event_id = stored.pdu.event_id().clone();
                        return Ok(Some(Some(TimedEvent { event_id, origin_server_ts: time })));
                    }
                }
                if places.len() < LOOK_STEP as usize {
                    break;
                }
                looked += places.len();
            }
            Ok::<_, StoreError>(Some(None))
        });
        found.await?.ok_or_else(|| not_in_room(room_id))
    }
}

//! Reading rooms as a user: who may see what, and what they get.
//!
//! [`Sight`] is the one gate for users. [`format`] writes events for clients, [`history`] pages through a room and shows what
//! surrounds an event, [`by_time`] finds an event, [`state`] answers about the state and the members, [`HistoryPoint`] is the token that clients hold.

pub mod by_time;
pub mod format;
pub mod history;
mod point;
mod sight;
pub mod state;

pub use point::HistoryPoint;
pub use sight::{Sight, Stay};

use events::{EventId, RoomId, UserId, Value};
use persistence::transactions::events::{self as event_rows, StoredEvent};
use persistence::transactions::graph::{self as graph_rows, Place};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::{ReadTx, StoreError};

use crate::{Messaging, MessagingError};

/// Who reads: a user on one of their devices.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Who.
    pub user: UserId,
    /// On which device: it is told the transaction ids of its own events.
    pub device: String,
}

impl Messaging {
    /// Returns one event, if the user may see it.
    pub async fn event(&self, viewer: &Viewer, room_id: &RoomId, event_id: &EventId) -> Result<Value, MessagingError> {
        let (viewer, id, wanted) = (viewer.clone(), room_id.clone(), event_id.clone());
        let now = self.handles().clock.now();
        let found = self
            .database()
            .read(move |tx| {
                let Some(room) = room_rows::by_id(tx, &id)? else { return Ok(None) };
                let sight = Sight::new(tx, &viewer.user, &room);
                let Some((stored, place)) = visible(&sight, &wanted)? else { return Ok(None) };
                format::with_history(&sight, &viewer, &stored, &place, now).map(Some)
            })
            .await?;
        found.ok_or_else(|| not_there(event_id))
    }

    /// Returns the rooms that a user is joined to.
    pub async fn joined_rooms(&self, user: &UserId) -> Result<Vec<RoomId>, MessagingError> {
        let who = user.clone();
        let standings = self.database().read(move |tx| room_rows::standings(tx, &who)).await?;
        Ok(standings.into_iter().filter(|one| one.membership == "join").map(|one| one.room_id).collect())
    }
}

/// Returns a room of which the viewer may read something.
fn readable(tx: &ReadTx<'_>, viewer: &Viewer, room_id: &RoomId) -> Result<Option<RoomRow>, StoreError> {
    let Some(room) = room_rows::by_id(tx, room_id)? else { return Ok(None) };
    Ok(Sight::new(tx, &viewer.user, &room).may_read_room()?.then_some(room))
}

/// Returns an event that the viewer may see.
fn visible(sight: &Sight<'_, '_>, event_id: &EventId) -> Result<Option<(StoredEvent, Place)>, StoreError> {
    let (tx, room) = (sight.tx(), sight.room());
    let Some(number) = event_rows::number(tx, room.number, event_id)? else { return Ok(None) };
    let Some(place) = graph_rows::place(tx, number)? else { return Ok(None) };
    let Some(stored) = event_rows::load(tx, room.version, number)? else { return Ok(None) };
    Ok(sight.may_see(&stored, &place)?.then_some((stored, place)))
}

fn not_there(event_id: &EventId) -> MessagingError {
    MessagingError::NotFound(format!("the event {event_id} is not there, or not for you to see"))
}

fn not_in_room(room_id: &RoomId) -> MessagingError {
    MessagingError::Forbidden(format!("you are not in the room {room_id}"))
}

//! Stays in a room that ended before all of it was known. What was decided then is never decided again: nothing may rest on it.

use events::auth::Rejection;
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::transactions::{events as event_rows, partial as rows, rooms as room_rows};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError, WriteTx};

use crate::gates::{Presence, presence};
use crate::graph::Graph;
use crate::verdict::{Step, Verdict};

impl Graph {
    /// Ends what is still tried for a room, if we are not in it any more, as `is_over` says. What we were told then may be lacking, and
    /// is not what others are judged by.
    pub(crate) async fn end_undecided_stay(
        &self,
        room: RoomNumber,
        is_over: fn(Presence) -> bool,
    ) -> Result<(), StoreError> {
        let us = self.server_name().clone();
        let is_over = move |tx: &ReadTx<'_>| {
            let is_pending = rows::pending(tx, room)?.is_some();
            Ok::<_, StoreError>(is_pending && is_over(presence(tx, &room_rows::by_number(tx, room)?, &us)?))
        };
        if !self.database().read(is_over.clone()).await? {
            return Ok(());
        }
        let mut turn = self.turn_of(room).await?;
        // What is in memory is of that stay.
        turn.take();
        // Somebody may have come again while we waited for the turn: then this is of the new stay.
        self.database().write(move |tx| if is_over(tx)? { end_undecided(tx, room) } else { Ok(()) }).await
    }
}

/// Ends what is still tried for a room, whoever is in it.
pub(crate) fn end_undecided(tx: &mut WriteTx<'_>, room: RoomNumber) -> Result<(), StoreError> {
    let Some(pending) = rows::pending(tx, room)? else { return Ok(()) };
    forgive_rejections(tx, room, pending.event)?;
    graph_rows::forget_states_since(tx, room, pending.event)?;
    rows::end(tx, room)
}

/// That a state which lacked something did not allow an event says nothing of the event. If the state names it with which we come
/// again, it counts there, as one does that we had not known.
fn forgive_rejections(tx: &mut WriteTx<'_>, room: RoomNumber, join: EventNumber) -> Result<(), StoreError> {
    let Some(start) = graph_rows::place(tx, join)? else { return Ok(()) };
    let mut places = graph_rows::placed_after(tx, room, &start)?;
    places.retain(|place| place.outcome == Outcome::Rejected);
    places.sort_by_key(|place| place.topological);
    for place in places {
        let verdict = Verdict::read(tx, place.event)?.filter(|verdict| verdict.provisional);
        let is_forgiven = match verdict.map(|verdict| (verdict.step, verdict.rejection)) {
            Some((Step::AuthEvents, Some(Rejection::AuthEventRejected { .. }))) => !cites_rejected(tx, place.event)?,
            Some((step, _)) => step == Step::StateBefore,
            None => false,
        };
        if is_forgiven {
            event_rows::set_rejected(tx, place.event, false)?;
        }
    }
    Ok(())
}

fn cites_rejected(tx: &ReadTx<'_>, event: EventNumber) -> Result<bool, StoreError> {
    for cited in event_rows::auth_events(tx, event)? {
        if event_rows::is_rejected(tx, cited)? {
            return Ok(true);
        }
    }
    Ok(false)
}

//! What lies before our entry into a room, and comes late.
//!
//! Whoever sends it may have taken us for a member already, or have had it wait while we left and came again. Others may have built on
//! it since, and the room may have gone on from there before we came: as an extremity it would take the room back to where it was. Or
//! it forks the room there. Which of the two our own history tells, once the gap below our entry is filled.

use events::Pdu;
use persistence::transactions::events as event_rows;
use persistence::transactions::graph as graph_rows;
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::staging;
use persistence::{Position, ReadTx, StoreError};

use crate::backfill::has_gap_above;
use crate::due::milliseconds;
use crate::graph::Graph;
use crate::limits::{BACKFILL_EVENTS_MAX, OLD_EVENTS_BATCHES_MAX, OLD_EVENTS_PATIENCE};
use crate::room::Room;
use crate::surroundings::is_history;

/// The join by which another server let us in, the last time.
struct Entry {
    depth: i64,
    /// `None` if it has no place yet.
    arrival: Option<Position>,
}

impl Graph {
    /// Returns down to which depth the gap below our entry is to be [filled](Graph::backfill_to_depth) before `staged` are judged:
    /// some build on an earlier stay of ours and are not as deep as that entry.
    pub(crate) async fn depth_in_doubt(&self, room: &RoomRow, staged: &[Pdu]) -> Result<Option<i64>, StoreError> {
        let (row, staged) = (room.clone(), staged.to_vec());
        self.database()
            .read(move |tx| {
                let Some(entry) = entry(tx, &row)? else { return Ok(None) };
                let mut lowest: Option<i64> = None;
                for pdu in &staged {
                    if is_of_earlier_stay(tx, &row, &entry, pdu)? {
                        lowest = Some(lowest.unwrap_or(i64::MAX).min(pdu.depth()));
                    }
                }
                Ok(lowest)
            })
            .await
    }

    /// Those of staged events that are not history from before our entry. A server may send such, if it took us for a member already,
    /// or goes on with a backup: it stays where it is until somebody reads back. As news it would come after what builds on it, and
    /// take the room back to where it was. Whether it is history, or somebody forked the room there, our own history tells. As long as
    /// nobody gives us that, the event waits; after [`OLD_EVENTS_PATIENCE`] it counts as a fork.
    pub(crate) async fn without_what_was_before_us(
        &self,
        room: &RoomRow,
        staged: Vec<Pdu>,
    ) -> Result<Vec<Pdu>, StoreError> {
        if staged.is_empty() {
            return Ok(staged);
        }
        let Some(entered_at) = self.depth_of_entry(room).await? else { return Ok(staged) };
        let number = room.number;
        for pdu in staged.iter().filter(|pdu| is_near_before(entered_at, pdu)) {
            let id = pdu.event_id().clone();
            if !self.database().read(move |tx| is_history(tx, number, &id)).await? {
                self.backfill_to_depth(room, pdu.depth()).await?;
            }
        }
        let (row, unsure_since) = (room.clone(), self.handles().clock.now() - milliseconds(OLD_EVENTS_PATIENCE));
        let (history, others): (Vec<Pdu>, Vec<Pdu>) = self
            .database()
            .read(move |tx| {
                let (mut history, mut others) = (Vec::new(), Vec::new());
                for pdu in staged {
                    if pdu.depth() < entered_at && is_history(tx, number, pdu.event_id())? {
                        history.push(pdu);
                    } else if !is_near_before(entered_at, &pdu) || !is_unsure(tx, &row, &pdu, unsure_since)? {
                        others.push(pdu);
                    }
                }
                Ok::<_, StoreError>((history, others))
            })
            .await?;
        if !history.is_empty() {
            self.database()
                .write(move |tx| {
                    for pdu in history {
                        tracing::info!(event.id = %pdu.event_id(), "Left {} to history: it was before we came", pdu.event_id());
                        staging::remove(tx, number, pdu.event_id())?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await?;
        }
        Ok(others)
    }

    /// The depth of the join by which another server let us in. What does not build on it, and is no deeper, was there before us or
    /// happened meanwhile. That a server may lie about depths makes its own events history, and no others.
    pub(crate) async fn depth_of_entry(&self, room: &RoomRow) -> Result<Option<i64>, StoreError> {
        let room = room.clone();
        self.database().read(move |tx| Ok(entry(tx, &room)?.map(|entry| entry.depth))).await
    }
}

/// Whether one of `pdus` builds on an earlier stay of ours and is not as deep as our entry: see [`Graph::depth_in_doubt`].
pub(crate) fn are_of_earlier_stay(
    tx: &ReadTx<'_>,
    room: &Room,
    row: &RoomRow,
    pdus: &[Pdu],
) -> Result<bool, StoreError> {
    // Most are deeper than all that we have, and nothing need be read.
    let is_low = |pdu: &&Pdu| room.heads.iter().any(|head| pdu.depth() < head.depth);
    let low: Vec<&Pdu> = pdus.iter().filter(is_low).collect();
    if low.is_empty() {
        return Ok(false);
    }
    let Some(entry) = entry(tx, row)? else { return Ok(false) };
    for pdu in low {
        if is_of_earlier_stay(tx, row, &entry, pdu)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn entry(tx: &ReadTx<'_>, room: &RoomRow) -> Result<Option<Entry>, StoreError> {
    let Some(join) = room_rows::entered_by(tx, room.number)? else { return Ok(None) };
    let arrival = graph_rows::place(tx, join)?.and_then(|place| place.arrival);
    let depth = event_rows::load(tx, room.version, join)?.map(|stored| stored.pdu.depth());
    Ok(depth.map(|depth| Entry { depth, arrival }))
}

/// Whether all that an event builds on is of before our entry: it was here when we came again, or is not as deep as the entry.
fn is_of_earlier_stay(tx: &ReadTx<'_>, room: &RoomRow, entry: &Entry, pdu: &Pdu) -> Result<bool, StoreError> {
    let Some(entered) = entry.arrival else { return Ok(false) };
    if !is_near_before(entry.depth, pdu) || is_history(tx, room.number, pdu.event_id())? {
        return Ok(false);
    }
    for parent in pdu.prev_events() {
        let Some(number) = event_rows::number(tx, room.number, parent)? else { return Ok(false) };
        let Some(place) = graph_rows::place(tx, number)? else { return Ok(false) };
        if place.arrival.is_some_and(|arrival| arrival >= entered) {
            let depth = event_rows::load(tx, room.version, number)?.map(|stored| stored.pdu.depth());
            if depth.is_none_or(|depth| depth >= entry.depth) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Whether our history does not reach down to a staged event, which came after `since`.
fn is_unsure(tx: &ReadTx<'_>, room: &RoomRow, pdu: &Pdu, since: i64) -> Result<bool, StoreError> {
    let staged = staging::find(tx, room.number, room.version, pdu.event_id())?;
    Ok(staged.is_some_and(|staged| staged.received > since) && has_gap_above(tx, room, pdu.depth())?)
}

/// Whether an event may lie before our entry, and no farther below than we look.
fn is_near_before(entered_at: i64, pdu: &Pdu) -> bool {
    let reach = i64::try_from(OLD_EVENTS_BATCHES_MAX * BACKFILL_EVENTS_MAX).unwrap_or(i64::MAX);
    pdu.depth() < entered_at && entered_at - pdu.depth() <= reach
}

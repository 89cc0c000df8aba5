//! The event graph of a room: places, edges, forward extremities.

use crate::numbers::{EventNumber, Position, RoomNumber, SnapshotNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::{FromValue, Row, ToValue, ValueRef};

#[cfg(test)]
mod tests;

/// What became of an event in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It counts.
    Accepted,
    /// It counts, but nobody is shown it and nothing of ours builds on it.
    SoftFailed,
    /// It changes nothing.
    Rejected,
}

impl ToValue for Outcome {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(match self {
            Self::Accepted => 0,
            Self::SoftFailed => 1,
            Self::Rejected => 2,
        })
    }
}

impl FromValue for Outcome {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match i64::from_value(value)? {
            0 => Some(Self::Accepted),
            1 => Some(Self::SoftFailed),
            2 => Some(Self::Rejected),
            _ => None,
        }
    }
}

/// An event's place in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The event.
    pub event: EventNumber,
    /// Its position in the events stream; `None` for backfilled ones.
    pub arrival: Option<Position>,
    /// Consistent with the parents.
    pub topological: i64,
    /// The state before it; `None` if it is not known (backfilled).
    pub state_before: Option<SnapshotNumber>,
    /// The state after it.
    pub state_after: Option<SnapshotNumber>,
    /// What became of it.
    pub outcome: Outcome,
}

/// A direction of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From older to newer.
    Forwards,
    /// From newer to older.
    Backwards,
}

/// A point between events in the topological order: after the event with this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopologicalPoint {
    /// The topological number.
    pub topological: i64,
    /// The event's number.
    pub event: i64,
}

impl TopologicalPoint {
    /// Before everything.
    pub const START: Self = Self { topological: i64::MIN, event: i64::MIN };
    /// After everything.
    pub const END: Self = Self { topological: i64::MAX, event: i64::MAX };

    /// The point directly after `place`.
    pub fn after(place: &Place) -> Self {
        Self { topological: place.topological, event: place.event.0 }
    }

    /// The point directly before `place`.
    pub fn before(place: &Place) -> Self {
        Self { topological: place.topological, event: place.event.0 - 1 }
    }
}

/// Returns an event's place, or `None` for an outlier or an unknown event.
pub fn place(tx: &ReadTx<'_>, event: EventNumber) -> Result<Option<Place>, StoreError> {
    tx.query_optional(
        "SELECT event, arrival, topological, state_before, state_after, outcome
           FROM graph
          WHERE event = ?1",
        &[&event],
        place_row,
    )
}

pub(super) fn place_row(row: &Row<'_>) -> Result<Place, StoreError> {
    Ok(Place {
        event: row.get(0)?,
        arrival: row.get(1)?,
        topological: row.get(2)?,
        state_before: row.get(3)?,
        state_after: row.get(4)?,
        outcome: row.get(5)?,
    })
}

/// Gives an event its place. `prev_events` are its parents, known or not.
pub fn insert(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    place: &Place,
    prev_events: &[EventNumber],
) -> Result<(), StoreError> {
    insert_unnamed(tx, room, place, prev_events, |_| false)?;
    tx.execute("DELETE FROM gaps WHERE room = ?1 AND prev = ?2", &[&room, &place.event])?;
    Ok(())
}

/// Like [`insert`], for an event that no other names, so that it closes no gap. A parent of which it is not known that it
/// `has_place` is looked up.
pub fn insert_unnamed(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    place: &Place,
    prev_events: &[EventNumber],
    has_place: impl Fn(EventNumber) -> bool,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO graph (event, room, arrival, topological, state_before, state_after, outcome)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            &place.event,
            &room,
            &place.arrival,
            &place.topological,
            &place.state_before,
            &place.state_after,
            &place.outcome,
        ],
    )?;
    for prev in prev_events {
        tx.execute(
            "INSERT INTO edges (event, prev, room) VALUES (?1, ?2, ?3) ON CONFLICT (event, prev) DO NOTHING",
            &[&place.event, prev, &room],
        )?;
        if has_place(*prev) {
            continue;
        }
        tx.execute(
            "INSERT INTO gaps (room, prev, event, topological)
             SELECT ?1, ?2, ?3, ?4
              WHERE NOT EXISTS (SELECT 1 FROM graph WHERE event = ?2)
             ON CONFLICT (room, prev, event) DO NOTHING",
            &[&room, prev, &place.event, &place.topological],
        )?;
    }
    Ok(())
}

/// Says which states an event stands between that was placed without them.
pub fn set_states(
    tx: &mut WriteTx<'_>,
    event: EventNumber,
    before: Option<SnapshotNumber>,
    after: Option<SnapshotNumber>,
) -> Result<(), StoreError> {
    tx.execute("UPDATE graph SET state_before = ?2, state_after = ?3 WHERE event = ?1", &[&event, &before, &after])?;
    Ok(())
}

/// Forgets which states follow `event` and what came after it, in the topological order or by arrival, but for the forward
/// extremities: nothing is to be built on them until they are known anew.
pub fn forget_states_since(tx: &mut WriteTx<'_>, room: RoomNumber, event: EventNumber) -> Result<(), StoreError> {
    let Some(place) = place(tx, event)? else { return Ok(()) };
    tx.execute(
        "UPDATE graph SET state_after = NULL
          WHERE room = ?1 AND topological >= ?2 AND event NOT IN (SELECT event FROM extremities WHERE room = ?1)",
        &[&room, &place.topological],
    )?;
    tx.execute(
        "UPDATE graph SET state_after = NULL
          WHERE room = ?1 AND arrival >= ?2 AND event NOT IN (SELECT event FROM extremities WHERE room = ?1)",
        &[&room, &place.arrival],
    )?;
    Ok(())
}

/// Forgets which state follows an event.
pub fn forget_state_after(tx: &mut WriteTx<'_>, event: EventNumber) -> Result<(), StoreError> {
    tx.execute("UPDATE graph SET state_after = NULL WHERE event = ?1", &[&event])?;
    Ok(())
}

/// Says what became of an event that was judged again.
pub fn set_outcome(tx: &mut WriteTx<'_>, event: EventNumber, outcome: Outcome) -> Result<(), StoreError> {
    tx.execute("UPDATE graph SET outcome = ?2 WHERE event = ?1", &[&event, &outcome])?;
    Ok(())
}

/// Lets an event that nobody was shown arrive now.
pub fn set_arrival(tx: &mut WriteTx<'_>, event: EventNumber, arrival: Position) -> Result<(), StoreError> {
    tx.execute("UPDATE graph SET arrival = ?2 WHERE event = ?1", &[&event, &arrival])?;
    Ok(())
}

/// Returns the events of a room that came after `place`, in the topological order or by their arrival: what builds on older
/// history comes early in the one and late in the other.
pub fn placed_after(tx: &ReadTx<'_>, room: RoomNumber, place: &Place) -> Result<Vec<Place>, StoreError> {
    tx.query_all(
        "SELECT event, arrival, topological, state_before, state_after, outcome
           FROM graph
          WHERE room = ?1 AND topological > ?2
          UNION
         SELECT event, arrival, topological, state_before, state_after, outcome
           FROM graph
          WHERE room = ?1 AND arrival > ?3",
        &[&room, &place.topological, &place.arrival],
        place_row,
    )
}

/// Returns the parents of an event.
pub fn prev_events(tx: &ReadTx<'_>, event: EventNumber) -> Result<Vec<EventNumber>, StoreError> {
    tx.query_all("SELECT prev FROM edges WHERE event = ?1 ORDER BY prev", &[&event], |row| row.get(0))
}

/// Returns the events of the graph that name `event` as a parent.
pub fn children(tx: &ReadTx<'_>, event: EventNumber) -> Result<Vec<EventNumber>, StoreError> {
    tx.query_all("SELECT event FROM edges WHERE prev = ?1 ORDER BY event", &[&event], |row| row.get(0))
}

/// Returns the parents that events of the graph name but that have no place themselves: where backfill goes on.
/// With each, the least topological number among its children. Newest first.
pub fn backward_extremities(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    below: i64,
    limit: u32,
) -> Result<Vec<(EventNumber, i64)>, StoreError> {
    tx.query_all(
        "SELECT prev, MIN(topological)
           FROM gaps
          WHERE room = ?1 AND topological <= ?2
          GROUP BY prev
          ORDER BY MIN(topological) DESC, prev
          LIMIT ?3",
        &[&room, &below, &limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Returns the forward extremities.
pub fn extremities(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Vec<EventNumber>, StoreError> {
    tx.query_all("SELECT event FROM extremities WHERE room = ?1 ORDER BY event", &[&room], |row| row.get(0))
}

/// Sets the forward extremities.
pub fn set_extremities(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    removed: &[EventNumber],
    added: &[EventNumber],
) -> Result<(), StoreError> {
    for event in removed {
        tx.execute("DELETE FROM extremities WHERE room = ?1 AND event = ?2", &[&room, event])?;
    }
    for event in added {
        tx.execute(
            "INSERT INTO extremities (room, event) VALUES (?1, ?2) ON CONFLICT (room, event) DO NOTHING",
            &[&room, event],
        )?;
    }
    Ok(())
}

/// Returns up to `limit` accepted events that arrived after `from` and up to `to`, newest first.
pub fn arrivals(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    from: Position,
    to: Position,
    limit: u32,
) -> Result<Vec<Place>, StoreError> {
    tx.query_all(
        "SELECT event, arrival, topological, state_before, state_after, outcome
           FROM graph
          WHERE room = ?1 AND arrival > ?2 AND arrival <= ?3 AND outcome = 0
          ORDER BY arrival DESC
          LIMIT ?4",
        &[&room, &from, &to, &limit],
        place_row,
    )
}

/// Returns up to `limit` accepted events of all rooms that arrived after `from`, oldest first: the events stream.
pub fn stream(tx: &ReadTx<'_>, from: Position, limit: u32) -> Result<Vec<(RoomNumber, Place)>, StoreError> {
    tx.query_all(
        "SELECT event, arrival, topological, state_before, state_after, outcome, room
           FROM graph
          WHERE arrival > ?1 AND outcome = 0
          ORDER BY arrival
          LIMIT ?2",
        &[&from, &limit],
        |row| Ok((row.get(6)?, place_row(row)?)),
    )
}

//! Reading the history of a room, in topological order.

use super::graph::{Direction, Place, TopologicalPoint, place_row};
use crate::numbers::{EventNumber, Position, RoomNumber, SnapshotNumber};
use crate::tx::{ReadTx, StoreError};

/// A part of a room's history: between two points in topological order, and between two moments of arrival.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// Where it begins; what stands there is not part of it.
    pub after: TopologicalPoint,
    /// Where it ends.
    pub up_to: TopologicalPoint,
    /// Only what came after this moment.
    pub arrived_after: Moment,
    /// Only what had come at this moment.
    pub arrived_up_to: Moment,
}

/// A position in the events stream, as one room saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The position.
    pub position: Position,
    /// Where the room's history stood. Events of the past have not arrived: they belong before the moment if they stand here
    /// or lower.
    pub topological: i64,
}

impl Moment {
    /// Before everything.
    pub const START: Self = Self { position: Position(-1), topological: i64::MIN };
    /// After everything.
    pub const END: Self = Self { position: Position(i64::MAX), topological: i64::MAX };
}

/// Returns the moment of a position in a room.
pub fn moment(tx: &ReadTx<'_>, room: RoomNumber, position: Position) -> Result<Moment, StoreError> {
    let before = tx.query_optional(
        "SELECT topological FROM graph WHERE room = ?1 AND arrival <= ?2 ORDER BY arrival DESC LIMIT 1",
        &[&room, &position],
        |row| row.get(0),
    )?;
    let topological = match before {
        Some(topological) => Some(topological),
        None => tx.query_optional(
            "SELECT topological FROM graph WHERE room = ?1 AND arrival > ?2 ORDER BY arrival LIMIT 1",
            &[&room, &position],
            |row| row.get(0),
        )?,
    };
    Ok(Moment { position, topological: topological.unwrap_or(i64::MAX) })
}

/// Returns up to `limit` events of a stretch, whatever became of them, from the end that `direction` starts at.
pub fn page(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    stretch: &Stretch,
    direction: Direction,
    limit: u32,
) -> Result<Vec<Place>, StoreError> {
    let sql = match direction {
        Direction::Forwards => {
            "SELECT event, arrival, topological, state_before, state_after, outcome
               FROM graph
              WHERE room = ?1 AND (topological, event) > (?2, ?3) AND (topological, event) <= (?4, ?5)
                AND (arrival > ?6 OR (arrival IS NULL AND topological > ?7))
                AND (arrival <= ?8 OR (arrival IS NULL AND topological <= ?9))
              ORDER BY topological, event
              LIMIT ?10"
        }
        Direction::Backwards => {
            "SELECT event, arrival, topological, state_before, state_after, outcome
               FROM graph
              WHERE room = ?1 AND (topological, event) > (?2, ?3) AND (topological, event) <= (?4, ?5)
                AND (arrival > ?6 OR (arrival IS NULL AND topological > ?7))
                AND (arrival <= ?8 OR (arrival IS NULL AND topological <= ?9))
              ORDER BY topological DESC, event DESC
              LIMIT ?10"
        }
    };
    let Stretch { after, up_to, arrived_after, arrived_up_to } = stretch;
    tx.query_all(
        sql,
        &[
            &room,
            &after.topological,
            &after.event,
            &up_to.topological,
            &up_to.event,
            &arrived_after.position,
            &arrived_after.topological,
            &arrived_up_to.position,
            &arrived_up_to.topological,
            &limit,
        ],
        place_row,
    )
}

/// Says whether an event names a parent that has no place: there is a gap before it.
pub fn lacks_parent(tx: &ReadTx<'_>, event: EventNumber) -> Result<bool, StoreError> {
    let found = tx.query_optional(
        "SELECT 1
           FROM edges
          WHERE edges.event = ?1 AND NOT EXISTS (SELECT 1 FROM graph WHERE graph.event = edges.prev)
          LIMIT 1",
        &[&event],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Returns the state before the first event after `after` and up to `up_to` for which one is known.
pub fn nearest_state(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    after: TopologicalPoint,
    up_to: TopologicalPoint,
) -> Result<Option<SnapshotNumber>, StoreError> {
    tx.query_optional(
        "SELECT state_before
           FROM graph
          WHERE room = ?1 AND (topological, event) > (?2, ?3) AND (topological, event) <= (?4, ?5)
            AND state_before IS NOT NULL
          ORDER BY topological, event
          LIMIT 1",
        &[&room, &after.topological, &after.event, &up_to.topological, &up_to.event],
        |row| row.get(0),
    )
}

/// Returns the last accepted event at or before a point in topological order.
pub fn last_before(tx: &ReadTx<'_>, room: RoomNumber, point: TopologicalPoint) -> Result<Option<Place>, StoreError> {
    tx.query_optional(
        "SELECT event, arrival, topological, state_before, state_after, outcome
           FROM graph
          WHERE room = ?1 AND (topological, event) <= (?2, ?3) AND outcome = 0
          ORDER BY topological DESC, event DESC
          LIMIT 1",
        &[&room, &point.topological, &point.event],
        place_row,
    )
}

/// A point in the order of the times that senders gave: at the event of this number among those of the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimePoint {
    /// Milliseconds since 1970.
    pub at: i64,
    /// The event's number.
    pub event: i64,
}

impl TimePoint {
    /// Where a search for the events from a time on begins: before all events of that time, or behind them.
    pub fn start(at: i64, direction: Direction) -> Self {
        let event = match direction {
            Direction::Forwards => i64::MIN,
            Direction::Backwards => i64::MAX,
        };
        Self { at, event }
    }
}

/// Returns up to `limit` accepted events of a room behind `from` in the direction, the nearest first.
pub fn by_time(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    from: TimePoint,
    direction: Direction,
    limit: u32,
) -> Result<Vec<Place>, StoreError> {
    let sql = match direction {
        Direction::Forwards => {
            "SELECT graph.event, graph.arrival, graph.topological, graph.state_before, graph.state_after, graph.outcome
               FROM bodies
               JOIN graph ON graph.event = bodies.event
              WHERE bodies.room = ?1 AND (bodies.origin_server_ts, bodies.event) > (?2, ?3) AND graph.outcome = 0
              ORDER BY bodies.origin_server_ts, bodies.event
              LIMIT ?4"
        }
        Direction::Backwards => {
            "SELECT graph.event, graph.arrival, graph.topological, graph.state_before, graph.state_after, graph.outcome
               FROM bodies
               JOIN graph ON graph.event = bodies.event
              WHERE bodies.room = ?1 AND (bodies.origin_server_ts, bodies.event) < (?2, ?3) AND graph.outcome = 0
              ORDER BY bodies.origin_server_ts DESC, bodies.event DESC
              LIMIT ?4"
        }
    };
    tx.query_all(sql, &[&room, &from.at, &from.event, &limit], place_row)
}

//! What each server knows of a room, and where they differ.

use std::collections::{BTreeMap, BTreeSet};

use events::{EventId, RoomId, ServerName};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::{
    events as event_rows, outbound, partial, rooms as room_rows, staging, state as state_rows,
};
use persistence::{Database, EventNumber, Position, ReadTx, RoomNumber, SnapshotNumber, StoreError};

use crate::deeds::Acknowledged;

/// What a server knows of a room.
pub(crate) struct View {
    server: ServerName,
    events: BTreeMap<EventId, Seen>,
    /// The ids of the current state.
    current: BTreeSet<EventId>,
    /// What it has not done yet.
    unfinished: Vec<String>,
}

/// An event, as a server knows it.
struct Seen {
    rejected: bool,
    has_verdict: bool,
    /// The ids of the state before it, if it is known.
    before: Option<BTreeSet<EventId>>,
}

impl View {
    /// Reads what a server has stored.
    pub(crate) async fn read(server: &ServerName, database: &Database, room: &RoomId) -> Result<Self, StoreError> {
        let (server, room) = (server.clone(), room.clone());
        database
            .read(move |tx| {
                let row = room_rows::by_id(tx, &room)?
                    .ok_or_else(|| StoreError::Inconsistent("the room is not there".to_owned()))?;
                let mut ids = Ids::default();
                let mut events = BTreeMap::new();
                for place in graph_rows::placed_after(tx, row.number, &EARLIEST)? {
                    let seen = Seen {
                        rejected: place.outcome == Outcome::Rejected,
                        has_verdict: event_rows::verdict(tx, place.event)?.is_some(),
                        before: place.state_before.map(|state| ids.of_state(tx, state)).transpose()?,
                    };
                    events.insert(ids.of(tx, place.event)?, seen);
                }
                let current = match row.state {
                    Some(state) => ids.of_state(tx, state)?,
                    None => BTreeSet::new(),
                };
                let unfinished = unfinished(tx, row.number)?;
                Ok(Self { server, events, current, unfinished })
            })
            .await
    }

    /// How many events it has in the room.
    pub(crate) fn size(&self) -> usize {
        self.events.len()
    }
}

/// Before the first event of a room.
pub(crate) const EARLIEST: Place = Place {
    event: EventNumber(0),
    arrival: Some(Position(0)),
    topological: i64::MIN,
    state_before: None,
    state_after: None,
    outcome: Outcome::Accepted,
};

/// Ids that were looked up.
#[derive(Default)]
struct Ids {
    known: BTreeMap<EventNumber, EventId>,
    states: BTreeMap<SnapshotNumber, BTreeSet<EventId>>,
}

impl Ids {
    fn of(&mut self, tx: &ReadTx<'_>, event: EventNumber) -> Result<EventId, StoreError> {
        if let Some(id) = self.known.get(&event) {
            return Ok(id.clone());
        }
        let id = event_rows::id(tx, event)?;
        self.known.insert(event, id.clone());
        Ok(id)
    }

    fn of_state(&mut self, tx: &ReadTx<'_>, state: SnapshotNumber) -> Result<BTreeSet<EventId>, StoreError> {
        if let Some(ids) = self.states.get(&state) {
            return Ok(ids.clone());
        }
        let entries = state_rows::load(tx, state)?;
        let ids = entries.iter().map(|(_, event)| self.of(tx, event)).collect::<Result<BTreeSet<_>, _>>()?;
        self.states.insert(state, ids.clone());
        Ok(ids)
    }
}

fn unfinished(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Vec<String>, StoreError> {
    let mut unfinished = Vec::new();
    for known in outbound::known_destinations(tx, i64::MAX, "", 1_000)? {
        if known.waiting {
            unfinished.push(format!("has not sent everything to {}", known.destination));
        }
    }
    for (_, origin) in staging::queues(tx)? {
        unfinished.push(format!("has not decided about everything of {origin}"));
    }
    if partial::find(tx, room)?.is_some() {
        unfinished.push("does not know all members".to_owned());
    }
    Ok(unfinished)
}

/// Says where servers differ, or have lost what they acknowledged. `restored` says how often each went on with a backup.
pub(crate) fn between(views: &[View], acknowledged: &[Acknowledged], restored: &[usize]) -> Vec<String> {
    let mut problems = Vec::new();
    for view in views {
        problems.extend(view.unfinished.iter().map(|unfinished| format!("{} {unfinished}", view.server)));
        let unexplained = view.events.iter().filter(|(_, seen)| !seen.has_verdict);
        problems.extend(unexplained.map(|(id, _)| format!("{} does not say why {id} is what it is", view.server)));
    }
    for Acknowledged { user, event, restored: then } in acknowledged {
        let lacking: Vec<&str> =
            views.iter().filter(|view| !view.events.contains_key(event)).map(|view| view.server.as_str()).collect();
        // A server that went on with a backup may have lost what only it held.
        let may_be_lost = lacking.len() == views.len() && *then < restored[user.server];
        if !lacking.is_empty() && !may_be_lost {
            problems.push(format!("{event} was acknowledged to {user}, and is not known to {}", lacking.join(", ")));
        }
    }
    if let [first, others @ ..] = views {
        for other in others {
            differences(first, other, &mut problems);
        }
    }
    problems
}

fn differences(one: &View, other: &View, problems: &mut Vec<String>) {
    let (a, b) = (&one.server, &other.server);
    for (id, seen) in &one.events {
        let Some(there) = other.events.get(id) else { continue };
        if seen.rejected != there.rejected {
            let (rejects, accepts) = if seen.rejected { (a, b) } else { (b, a) };
            problems.push(format!("{rejects} rejects {id}, and {accepts} does not"));
        }
        if let (Some(here), Some(there)) = (&seen.before, &there.before)
            && here != there
        {
            let differing: Vec<&str> = here.symmetric_difference(there).map(EventId::as_str).collect();
            problems.push(format!("{a} and {b} have other states before {id}: {}", differing.join(", ")));
        }
    }
    if one.current != other.current {
        let differing: Vec<&str> = one.current.symmetric_difference(&other.current).map(EventId::as_str).collect();
        problems.push(format!("{a} and {b} have other current states: {}", differing.join(", ")));
    }
}

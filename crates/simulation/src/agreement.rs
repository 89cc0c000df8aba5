//! What each server knows of a room, and where they differ.

use std::collections::{BTreeMap, BTreeSet};

use events::{EventId, RoomId, ServerName, UserId};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::{
    events as event_rows, outbound, partial, receipts, rooms as room_rows, staging, state as state_rows,
};
use persistence::{Database, EventNumber, Position, ReadTx, RoomNumber, SnapshotNumber, StoreError};

use crate::deeds::{Acknowledged, user_id};
use crate::soft_failure;

/// What a server knows of a room.
pub(crate) struct View {
    server: ServerName,
    events: BTreeMap<EventId, Seen>,
    /// The ids of the current state.
    current: BTreeSet<EventId>,
    /// The servers that have a user in the room.
    joined: BTreeSet<ServerName>,
    /// The users who are in the room.
    members: BTreeSet<UserId>,
    /// The users who have left it, or were removed, and by what event.
    gone: BTreeMap<UserId, EventId>,
    /// How far its users and others have read.
    read: BTreeMap<UserId, EventId>,
    /// What it has not done yet.
    unfinished: Vec<String>,
    /// What it should have soft-failed.
    let_through: Vec<String>,
}

/// An event, as a server knows it.
struct Seen {
    outcome: Outcome,
    has_arrived: bool,
    /// All of the state that it was judged by is known, or it is told to nobody.
    is_decided: bool,
    /// It is said why it is what it is.
    has_verdict: bool,
    /// It joins extremities, and nothing that was accepted builds on it yet.
    is_untold: bool,
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
                let places = graph_rows::placed_after(tx, row.number, &EARLIEST)?;
                for place in &places {
                    let seen = Seen {
                        outcome: place.outcome,
                        has_arrived: place.arrival.is_some(),
                        is_decided: place.state_after.is_some(),
                        has_verdict: event_rows::verdict(tx, place.event)?.is_some(),
                        is_untold: is_untold(tx, place.event)?,
                        before: place.state_before.map(|state| ids.of_state(tx, state)).transpose()?,
                    };
                    events.insert(ids.of(tx, place.event)?, seen);
                }
                let current = match row.state {
                    Some(state) => ids.of_state(tx, state)?,
                    None => BTreeSet::new(),
                };
                let members = room_rows::members(tx, row.number, "join")?.into_iter().map(|(user, _)| user).collect();
                let mut gone = BTreeMap::new();
                for membership in ["leave", "ban"] {
                    for (user, event) in room_rows::members(tx, row.number, membership)? {
                        gone.insert(user, ids.of(tx, event)?);
                    }
                }
                let joined = room_rows::servers(tx, row.number)?.into_iter().collect();
                let receipts = receipts::between(tx, row.number, Position(0), Position(i64::MAX))?;
                let read = receipts.into_iter().map(|receipt| (receipt.user, receipt.event_id)).collect();
                let unfinished = unfinished(tx, row.number)?;
                let let_through = soft_failure::let_through(tx, &row, &places)?;
                Ok(Self { server, events, current, joined, members, gone, read, unfinished, let_through })
            })
            .await
    }

    /// Whether it says that `other` has a user in the room.
    pub(crate) fn has_joined(&self, other: &ServerName) -> bool {
        self.joined.contains(other)
    }

    /// Whether it takes `user` for a member.
    pub(crate) fn has_member(&self, user: &UserId) -> bool {
        self.members.contains(user)
    }

    /// Whether users of its own are in the room by what it knows, while by what `other` does all of them have left, or were removed.
    pub(crate) fn is_out_by(&self, other: &Self) -> bool {
        let mut own = self.members.iter().filter(|user| user.server() == self.server).peekable();
        own.peek().is_some() && own.all(|user| other.gone.contains_key(user))
    }

    /// Whether it has an event by which `user` left, or was removed.
    pub(crate) fn has_seen_off(&self, user: &UserId) -> bool {
        self.gone.contains_key(user)
    }

    /// Whether its current state has an event that `other` soft-failed, and does not take for part of it by what came later.
    pub(crate) fn has_what_was_soft_failed_by(&self, other: &Self) -> bool {
        let is_soft_failed = |id| other.events.get(id).is_some_and(|seen| seen.outcome == Outcome::SoftFailed);
        self.current.difference(&other.current).any(is_soft_failed)
    }

    /// Whether it is what `server` knows.
    pub(crate) fn is_of(&self, server: &ServerName) -> bool {
        self.server == *server
    }

    /// The ids of the current state.
    pub(crate) fn current(&self) -> &BTreeSet<EventId> {
        &self.current
    }

    /// What it has accepted as news.
    pub(crate) fn arrived(&self) -> impl Iterator<Item = &EventId> {
        let arrived = |seen: &Seen| seen.has_arrived && seen.outcome == Outcome::Accepted;
        self.events.iter().filter(move |(_, seen)| arrived(seen)).map(|(id, _)| id)
    }

    /// Whether it has sent everything, and decided about everything that it was sent.
    pub(crate) fn is_quiet(&self) -> bool {
        self.unfinished.is_empty()
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

/// Whether an event joins extremities, of which nobody is told before something builds on it.
fn is_untold(tx: &ReadTx<'_>, event: EventNumber) -> Result<bool, StoreError> {
    if event_rows::event_type(tx, event)?.is_none_or(|event_type| event_type != pdu::DUMMY_EVENT_TYPE) {
        return Ok(false);
    }
    for child in graph_rows::children(tx, event)? {
        if graph_rows::place(tx, child)?.is_some_and(|child| child.outcome == Outcome::Accepted) {
            return Ok(false);
        }
    }
    Ok(true)
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
    for extremity in graph_rows::extremities(tx, room)? {
        for child in graph_rows::children(tx, extremity)? {
            if graph_rows::place(tx, child)?.is_some_and(|child| child.outcome == Outcome::Accepted) {
                let (id, child) = (event_rows::id(tx, extremity)?, event_rows::id(tx, child)?);
                unfinished.push(format!("takes {id} for an extremity, and {child} builds on it"));
            }
        }
    }
    Ok(unfinished)
}

/// Says where servers differ, or have lost what they acknowledged to their users. The first `residents` of them are in the room from
/// the beginning to the end, by events that are among `joins`. `restored` says how often each server went on with a backup.
pub(crate) fn between(
    views: &[View],
    residents: usize,
    joins: &BTreeSet<EventId>,
    acknowledged: &[Acknowledged],
    restored: &[usize],
) -> Vec<String> {
    let mut problems = Vec::new();
    for view in views {
        problems.extend(view.unfinished.iter().map(|unfinished| format!("{} {unfinished}", view.server)));
        let unexplained = view.events.iter().filter(|(_, seen)| !seen.has_verdict);
        problems.extend(unexplained.map(|(id, _)| format!("{} does not say why {id} is what it is", view.server)));
    }
    // What a guest took for news may be what it decided again when all members were known, long after.
    for view in &views[..residents] {
        problems.extend(view.let_through.iter().map(|let_through| format!("{} {let_through}", view.server)));
    }
    for Acknowledged { user, event, restored: then, .. } in acknowledged {
        let lacking: Vec<&str> = lacking(&views[..residents], event).collect();
        // A server that went on with a backup may have lost what only it held, or only it took for good: nobody builds on an event that
        // soft-failed ("should not be added to the server's list of forward extremities", S2S API, "Soft failure"), so that no gap leads to it.
        let is_heard = |view: &View| view.events.get(event).is_some_and(|seen| seen.outcome != Outcome::SoftFailed);
        let may_be_lost = *then < restored[user.server] && !views[..residents].iter().any(is_heard);
        if !lacking.is_empty() && !may_be_lost {
            problems.push(format!("{event} was acknowledged to {user}, and is not known to {}", lacking.join(", ")));
        }
    }
    // Of what happened when all of them were in the room each resident knows all. But of an event that only joins extremities nobody
    // is told before something builds on it (`pdu`, `extremities.rs`, as in Synapse). Whoever lacks it knows all that it joins, which
    // is looked into here, and lacks nothing to resolve the same current state; it is asked for as any other missing event then
    // (S2S API, "Backfilling and retrieving missing events"). The last words of more servers than may be extremities are joined by
    // each of them, and nothing is said after.
    let common = |seen: &Seen| !seen.is_untold && seen.before.as_ref().is_some_and(|before| joins.is_subset(before));
    for view in &views[..residents] {
        for (event, _) in view.events.iter().filter(|(_, seen)| common(seen) && seen.outcome == Outcome::Accepted) {
            let lacking: Vec<&str> = lacking(&views[..residents], event).collect();
            if !lacking.is_empty() {
                problems.push(format!("{event} is known to {}, and not to {}", view.server, lacking.join(", ")));
            }
        }
    }
    if let [first, others @ ..] = views {
        for other in others {
            differences(first, other, &mut problems);
        }
    }
    problems
}

/// Which servers do not know that users have read what they said last. A receipt is repeated by nobody: it must not be lost.
pub(crate) fn unread(views: &[View], farewells: &[&Acknowledged]) -> Vec<String> {
    let mut problems = Vec::new();
    for Acknowledged { user, event, .. } in farewells {
        for view in views.iter().filter(|view| view.read.get(&user_id(*user)) != Some(event)) {
            let read = view.read.get(&user_id(*user)).map_or("nothing", EventId::as_str);
            problems.push(format!("{} takes {user} to have read {read}, and not {event}", view.server));
        }
    }
    problems
}

/// The servers that do not know an event.
fn lacking<'a>(views: &'a [View], event: &EventId) -> impl Iterator<Item = &'a str> {
    views.iter().filter(move |view| !view.events.contains_key(event)).map(|view| view.server.as_str())
}

fn differences(one: &View, other: &View, problems: &mut Vec<String>) {
    let (a, b) = (&one.server, &other.server);
    for (id, seen) in &one.events {
        let Some(there) = other.events.get(id) else { continue };
        // Of history its state is not known; and what was decided when not all members were known, or not all keys could be had, is
        // never decided again if that stay ended before. Who asks for the state before such an event is told that it "could not be
        // found" (S2S API, `GET /state_ids`), and nothing is judged by it.
        if !seen.is_decided || !there.is_decided {
            continue;
        }
        // Soft failure depends on what was known when an event came.
        let rejected = |seen: &Seen| seen.outcome == Outcome::Rejected;
        if rejected(seen) != rejected(there) {
            let (rejects, accepts) = if rejected(seen) { (a, b) } else { (b, a) };
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

//! The gate of reading: which server may see which event, and how much of it. Nothing else decides that.

use events::{Pdu, ServerName, UserId, Value};
use persistence::transactions::events::StoredEvent;
use persistence::transactions::graph::{self as graph_rows, Place, TopologicalPoint};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, history, state as state_rows};
use persistence::{EventNumber, ReadTx, SnapshotNumber, StoreError};

/// How much of an event may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All of it.
    Full,
    /// What is left of it after a redaction: the graph stays whole, the content stays private.
    Redacted,
    /// Nothing, not even that it is here.
    Denied,
}

/// Says whether `server` may read about the room at all: it has, by the current state, a user in it.
///
/// A server that has left may not: S2S API, `GET /state_ids`, wants the requesting host to be in the room, and Synapse asks for
/// that on every endpoint.
pub(crate) fn may_read_room(tx: &ReadTx<'_>, room: &RoomRow, server: &ServerName) -> Result<bool, StoreError> {
    room_rows::is_server_joined(tx, room.number, server)
}

/// How a server stands to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It has a user in the room, by the current state.
    Joined,
    /// By the state after one of several forward extremities only: as we resolve the forks, they lost their membership.
    ByOneFork,
    /// By none of them.
    Absent,
}

/// Says whether `server` may be in the room. What others make of the forks may be another thing than what we do, since they know more
/// of them, or less: who does not listen any more never gets to know that.
pub(crate) fn presence(tx: &ReadTx<'_>, room: &RoomRow, server: &ServerName) -> Result<Presence, StoreError> {
    if room_rows::is_server_joined(tx, room.number, server)? {
        return Ok(Presence::Joined);
    }
    let Some(current) = room.state else { return Ok(Presence::Absent) };
    let heads = graph_rows::extremities(tx, room.number)?;
    if heads.len() < 2 {
        return Ok(Presence::Absent);
    }
    for head in heads {
        let Some(after) = graph_rows::place(tx, head)?.and_then(|place| place.state_after) else { continue };
        for (key, event, _) in state_rows::difference(tx, after, current)? {
            if let Some(event) = event
                && is_join_of(tx, state_rows::key_text(tx, key)?, event, server)?
            {
                return Ok(Presence::ByOneFork);
            }
        }
    }
    Ok(Presence::Absent)
}

/// Says whether `server` may be in the room: see [`presence`].
pub(crate) fn may_be_in_room(tx: &ReadTx<'_>, room: &RoomRow, server: &ServerName) -> Result<bool, StoreError> {
    Ok(presence(tx, room, server)? != Presence::Absent)
}

/// Whether an entry of a state lets a user of `server` be in the room.
fn is_join_of(
    tx: &ReadTx<'_>,
    (event_type, state_key): (String, String),
    event: EventNumber,
    server: &ServerName,
) -> Result<bool, StoreError> {
    let is_theirs =
        event_type == "m.room.member" && UserId::parse(&state_key).is_ok_and(|user| user.server() == *server);
    Ok(is_theirs && event_rows::membership(tx, event)?.as_deref() == Some("join"))
}

/// Says how much of an event `server` may see. C-S API, "History visibility", seen from a server: what any of its users may see.
///
/// The caller has asked [`may_read_room`], and has found the event in this room.
pub(crate) fn may_see(
    tx: &ReadTx<'_>,
    event: &StoredEvent,
    server: &ServerName,
    room: &RoomRow,
) -> Result<Sight, StoreError> {
    let Some(place) = graph_rows::place(tx, event.number)? else {
        // An outlier. Nothing that walks the graph finds it. State events give permission to what the server sees, and whoever is
        // given a state by its ids asks for them one by one, as Synapse does; everything else is not for others to know.
        let gives_permission = event.pdu.state_key().is_some() && !event.rejected && has_verdict(tx, event)?;
        return Ok(if gives_permission { Sight::Full } else { Sight::Denied });
    };
    let concerns = event.pdu.event_type() == "m.room.history_visibility" || is_member_of(&event.pdu, server);
    for snapshot in states_around(tx, room, &place, concerns)? {
        if allows(tx, room, snapshot, server)? {
            return Ok(Sight::Full);
        }
    }
    Ok(Sight::Redacted)
}

/// An invite that came from outside has no verdict: its target alone knows it.
fn has_verdict(tx: &ReadTx<'_>, event: &StoredEvent) -> Result<bool, StoreError> {
    Ok(event_rows::verdict(tx, event.number)?.is_some())
}

fn is_member_of(pdu: &Pdu, server: &ServerName) -> bool {
    let target = pdu.state_key().filter(|_| pdu.membership().is_some()).and_then(|user| UserId::parse(user).ok());
    target.is_some_and(|user| user.server() == *server)
}

/// The states that decide about an event: that at the event; for changes of the visibility and of the server's own members, the
/// one before, too. Where neither is known, the nearest later one: it may be stricter or less strict than what held at
/// the event, but it is what the room said when it was last heard.
fn states_around(
    tx: &ReadTx<'_>,
    room: &RoomRow,
    place: &Place,
    both_sides: bool,
) -> Result<Vec<SnapshotNumber>, StoreError> {
    let mut states: Vec<SnapshotNumber> = place.state_after.into_iter().collect();
    if both_sides || states.is_empty() {
        states.extend(place.state_before);
    }
    if states.is_empty() {
        states.extend(history::nearest_state(tx, room.number, TopologicalPoint::after(place), TopologicalPoint::END)?);
    }
    Ok(states)
}

fn allows(tx: &ReadTx<'_>, room: &RoomRow, snapshot: SnapshotNumber, server: &ServerName) -> Result<bool, StoreError> {
    let visibility = history_visibility(tx, room, snapshot)?;
    let needs = match visibility.as_str() {
        "invited" => &["join", "invite"][..],
        "joined" => &["join"][..],
        // `world_readable`, `shared`, and whatever else: the default is `shared`.
        _ => return Ok(true),
    };
    has_member(tx, room, snapshot, server, needs)
}

/// Returns the history visibility of a state; `shared` by default.
fn history_visibility(tx: &ReadTx<'_>, room: &RoomRow, snapshot: SnapshotNumber) -> Result<String, StoreError> {
    let shared = || "shared".to_owned();
    let Some(key) = state_rows::key_number(tx, "m.room.history_visibility", "")? else { return Ok(shared()) };
    let Some(event) = state_rows::entry(tx, snapshot, key)? else { return Ok(shared()) };
    let visibility = event_rows::load(tx, room.version, event)?.and_then(|stored| {
        stored.visible().content().get("history_visibility").and_then(Value::as_str).map(str::to_owned)
    });
    Ok(visibility.unwrap_or_else(shared))
}

/// Says whether a user of `server` had one of the memberships in a state.
fn has_member(
    tx: &ReadTx<'_>,
    room: &RoomRow,
    snapshot: SnapshotNumber,
    server: &ServerName,
    memberships: &[&str],
) -> Result<bool, StoreError> {
    // Few users of one server were ever in the room; each is one look into the snapshot.
    for user in users_of(tx, room, server)? {
        if let Some(key) = state_rows::key_number(tx, "m.room.member", user.as_str())?
            && let Some(event) = state_rows::entry(tx, snapshot, key)?
            && let Some(membership) = event_rows::membership(tx, event)?
            && memberships.contains(&membership.as_str())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn users_of(tx: &ReadTx<'_>, room: &RoomRow, server: &ServerName) -> Result<Vec<UserId>, StoreError> {
    let mut users = Vec::new();
    for membership in ["join", "leave", "invite", "ban", "knock"] {
        users.extend(room_rows::members_of_server(tx, room.number, membership, server)?);
    }
    Ok(users)
}

/// Returns the event as `sight` shows it.
pub(crate) fn show(stored: &StoredEvent, sight: Sight) -> Option<Pdu> {
    match sight {
        Sight::Full => Some(stored.visible()),
        Sight::Redacted => Some(stored.pdu.redacted()),
        Sight::Denied => None,
    }
}

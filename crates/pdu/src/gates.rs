//! The gate of reading: which server may see which event, and how much of it. Nothing else decides that.

use events::{Pdu, ServerName, UserId};
use persistence::transactions::graph::Place;
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, state as state_rows};
use persistence::{ReadTx, SnapshotNumber, StoreError};

/// How much of an event may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// All of it.
    Full,
    /// What is left of it after a redaction: the graph stays whole, the content stays private.
    Redacted,
}

/// Says whether `server` may read about the room at all: it has, or had by the current state, a user in it.
pub(crate) fn may_read_room(tx: &ReadTx<'_>, room: &RoomRow, server: &ServerName) -> Result<bool, StoreError> {
    room_rows::is_server_joined(tx, room.number, server)
}

/// Says how much of an event `server` may see. C-S API, "History visibility", seen from a server: what any of its users may see.
///
/// The caller has asked [`may_read_room`].
pub fn may_see(tx: &ReadTx<'_>, place: &Place, server: &ServerName, room: &RoomRow) -> Result<Sight, StoreError> {
    // History from before we came has no state of its own: nothing says who was there.
    let Some(snapshot) = place.state_after.or(place.state_before) else { return Ok(Sight::Redacted) };
    let visibility = history_visibility(tx, room, snapshot)?;
    let needs = match visibility.as_str() {
        "invited" => &["join", "invite"][..],
        "joined" => &["join"][..],
        // `world_readable`, `shared`, and whatever else: the default is `shared`.
        _ => return Ok(Sight::Full),
    };
    if has_member(tx, room, snapshot, server, needs)? { Ok(Sight::Full) } else { Ok(Sight::Redacted) }
}

/// Returns the history visibility of a state; `shared` by default.
pub(crate) fn history_visibility(
    tx: &ReadTx<'_>,
    room: &RoomRow,
    snapshot: SnapshotNumber,
) -> Result<String, StoreError> {
    let Some(key) = state_rows::key_number(tx, "m.room.history_visibility", "")? else {
        return Ok("shared".to_owned());
    };
    let Some(event) = state_rows::entry(tx, snapshot, key)? else { return Ok("shared".to_owned()) };
    let visibility = event_rows::load(tx, room.version, event)?.and_then(|stored| {
        stored.visible().content().get("history_visibility").and_then(events::Value::as_str).map(str::to_owned)
    });
    Ok(visibility.unwrap_or_else(|| "shared".to_owned()))
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
pub(crate) fn show(stored: &event_rows::StoredEvent, sight: Sight) -> Pdu {
    match sight {
        Sight::Full => stored.visible(),
        Sight::Redacted => stored.pdu.redacted(),
    }
}

//! What a server has stored of a room, for people to read.

use events::RoomId;
use persistence::transactions::graph::{self as graph_rows, Place};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, state as state_rows};
use persistence::{Database, EventNumber, ReadTx, SnapshotNumber, StoreError};

use crate::agreement::EARLIEST;

/// Characters of a content that are shown.
const CONTENT_CHARS_MAX: usize = 80;

/// Lines that say what is stored: the current state, and every event with its place and the decision about it.
pub(crate) async fn of(database: &Database, room: &RoomId) -> Result<Vec<String>, StoreError> {
    let room = room.clone();
    database
        .read(move |tx| {
            let Some(row) = room_rows::by_id(tx, &room)? else { return Ok(vec!["does not know the room".to_owned()]) };
            let mut lines = vec!["has this current state:".to_owned()];
            for (_, _, event) in room_rows::current_state(tx, row.number)? {
                lines.push(format!("  {}", described(tx, &row, event)?));
            }
            lines.push("has these forward extremities:".to_owned());
            for event in graph_rows::extremities(tx, row.number)? {
                lines.push(format!("  {}", described(tx, &row, event)?));
            }
            lines.push("has these events:".to_owned());
            let mut places = graph_rows::placed_after(tx, row.number, &EARLIEST)?;
            places.sort_by_key(|place| (place.topological, place.event));
            for place in places {
                lines.push(format!("  {}", placed(tx, &row, &place)?));
            }
            Ok(lines)
        })
        .await
}

fn placed(tx: &ReadTx<'_>, row: &RoomRow, place: &Place) -> Result<String, StoreError> {
    let size = |state: Option<SnapshotNumber>| match state {
        Some(state) => state_rows::load(tx, state).map(|map| map.len().to_string()),
        None => Ok("no".to_owned()),
    };
    let arrival = place.arrival.map_or_else(|| "as history".to_owned(), |arrival| format!("as number {}", arrival.0));
    let verdict = event_rows::verdict(tx, place.event)?.unwrap_or_else(|| "no verdict".to_owned());
    Ok(format!(
        "{} {:?} {arrival}, {} entries before it and {} after; {}; {verdict}",
        place.topological,
        place.outcome,
        size(place.state_before)?,
        size(place.state_after)?,
        described(tx, row, place.event)?
    ))
}

fn described(tx: &ReadTx<'_>, row: &RoomRow, event: EventNumber) -> Result<String, StoreError> {
    let id = event_rows::id(tx, event)?;
    let Some(stored) = event_rows::load(tx, row.version, event)? else { return Ok(format!("{id} (not stored)")) };
    let pdu = stored.visible();
    let content = serde_json::Value::Object(pdu.content().clone()).to_string();
    let content: String = content.chars().take(CONTENT_CHARS_MAX).collect();
    let state_key = pdu.state_key().map(|key| format!(" {key:?}")).unwrap_or_default();
    let (event_type, sender, time) = (pdu.event_type(), pdu.sender(), pdu.origin_server_ts());
    let (after, by) = (pdu.prev_events(), pdu.auth_events());
    Ok(format!("{id} {event_type}{state_key} of {sender} at {time} {content} after {after:?} by {by:?}"))
}

//! Reading rooms as a user: who may see what, and what they get. The one gate for users is [`may_see`].

use events::{EventId, Object, Pdu, RoomId, UserId, Value};
use persistence::transactions::events::{self as event_rows, StoredEvent};
use persistence::transactions::graph::{self as graph_rows, Direction, Outcome, Place, TopologicalPoint};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::state as state_rows;
use persistence::{ReadTx, SnapshotNumber, StoreError};
use serde_json::json;

use crate::{Messaging, MessagingError};

/// Who reads: a user on one of their devices.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Who.
    pub user: UserId,
    /// On which device: it is told the transaction ids of its own events.
    pub device: String,
}

/// A page of a room's history.
#[derive(Debug, Clone)]
pub struct Page {
    /// The events that the user may see, in the order asked for.
    pub chunk: Vec<Value>,
    /// Where the page began.
    pub start: TopologicalPoint,
    /// Where the next page begins; `None` if there is nothing more.
    pub end: Option<TopologicalPoint>,
}

/// Events looked at for one page. A page is counted by position, so that hidden events cannot end it early.
const PAGE_EVENTS_MAX: u32 = 1_000;
/// Rounds of asking other servers for one page.
const BACKFILL_ROUNDS_MAX: usize = 3;

/// Says whether a user may read anything of the room: they are in it, or were.
pub fn may_read_room(tx: &ReadTx<'_>, user: &UserId, room: &RoomRow) -> Result<bool, StoreError> {
    if let Some(standing) = room_rows::standing_in(tx, user, room.number)? {
        let was_there = matches!(standing.membership.as_str(), "join" | "leave" | "ban");
        if was_there && !standing.forgotten {
            return Ok(true);
        }
    }
    Ok(current_visibility(tx, room)? == "world_readable")
}

fn current_visibility(tx: &ReadTx<'_>, room: &RoomRow) -> Result<String, StoreError> {
    match room.state {
        Some(snapshot) => visibility_in(tx, room, snapshot),
        None => Ok("shared".to_owned()),
    }
}

/// Says whether a user may see an event. C-S API, "History visibility".
pub fn may_see(
    tx: &ReadTx<'_>,
    user: &UserId,
    room: &RoomRow,
    event: &StoredEvent,
    place: &Place,
) -> Result<bool, StoreError> {
    // What joins extremities is the servers' business; Synapse shows it to no user either.
    if place.outcome != Outcome::Accepted || event.pdu.event_type() == pdu::DUMMY_EVENT_TYPE {
        return Ok(false);
    }
    let Some(before) = state_around(tx, room, place)? else { return Ok(event.pdu.event_type() == "m.room.create") };
    if allows(tx, user, room, before, place)? {
        return Ok(true);
    }
    // For changes of the visibility and of the user's own membership, either side of the event counts.
    let concerns =
        event.pdu.event_type() == "m.room.history_visibility" || event.pdu.is_state("m.room.member", user.as_str());
    match place.state_after.filter(|_| concerns) {
        Some(after) => allows(tx, user, room, after, place),
        None => Ok(false),
    }
}

/// The state before an event; for one of the history before we came, the nearest state that follows.
fn state_around(tx: &ReadTx<'_>, room: &RoomRow, place: &Place) -> Result<Option<SnapshotNumber>, StoreError> {
    match place.state_before {
        Some(state) => Ok(Some(state)),
        None => graph_rows::nearest_state_after(tx, room.number, TopologicalPoint::after(place)),
    }
}

fn allows(
    tx: &ReadTx<'_>,
    user: &UserId,
    room: &RoomRow,
    state: SnapshotNumber,
    place: &Place,
) -> Result<bool, StoreError> {
    let visibility = visibility_in(tx, room, state)?;
    let membership = membership_in(tx, user, state)?;
    if visibility == "world_readable" || membership.as_deref() == Some("join") {
        return Ok(true);
    }
    match visibility.as_str() {
        "invited" => Ok(membership.as_deref() == Some("invite") && was_joined_after(tx, user, room, place)?),
        "joined" => Ok(false),
        // `shared`, and whatever else.
        _ => was_joined_after(tx, user, room, place),
    }
}

/// Says whether the user is in the room, or left it after the event.
fn was_joined_after(tx: &ReadTx<'_>, user: &UserId, room: &RoomRow, place: &Place) -> Result<bool, StoreError> {
    let Some(standing) = room_rows::standing_in(tx, user, room.number)? else { return Ok(false) };
    match standing.membership.as_str() {
        "join" => Ok(true),
        "leave" | "ban" => {
            let left = graph_rows::place(tx, standing.event)?;
            Ok(left.is_some_and(|left| place.topological <= left.topological))
        }
        _ => Ok(false),
    }
}

fn visibility_in(tx: &ReadTx<'_>, room: &RoomRow, state: SnapshotNumber) -> Result<String, StoreError> {
    let event = entry(tx, state, "m.room.history_visibility", "")?;
    let stored = event.map(|event| event_rows::load(tx, room.version, event)).transpose()?.flatten();
    let value = stored.and_then(|stored| {
        stored.visible().content().get("history_visibility").and_then(Value::as_str).map(str::to_owned)
    });
    Ok(value.unwrap_or_else(|| "shared".to_owned()))
}

fn membership_in(tx: &ReadTx<'_>, user: &UserId, state: SnapshotNumber) -> Result<Option<String>, StoreError> {
    match entry(tx, state, "m.room.member", user.as_str())? {
        Some(event) => event_rows::membership(tx, event),
        None => Ok(None),
    }
}

fn entry(
    tx: &ReadTx<'_>,
    state: SnapshotNumber,
    event_type: &str,
    state_key: &str,
) -> Result<Option<persistence::EventNumber>, StoreError> {
    match state_rows::key_number(tx, event_type, state_key)? {
        Some(key) => state_rows::entry(tx, state, key),
        None => Ok(None),
    }
}

/// Returns an event as clients get it. C-S API, "Room event format".
pub fn client_event(
    tx: &ReadTx<'_>,
    viewer: &Viewer,
    room: &RoomRow,
    stored: &StoredEvent,
    now: i64,
) -> Result<Value, StoreError> {
    let pdu = stored.visible();
    let mut unsigned = Object::from_iter([("age".to_owned(), json!((now - pdu.origin_server_ts()).max(0)))]);
    if *pdu.sender() == viewer.user
        && let Some(transaction) = room_rows::transaction_of_event(tx, &viewer.user, &viewer.device, pdu.event_id())?
    {
        unsigned.insert("transaction_id".to_owned(), json!(transaction));
    }
    if let Some(redaction) = stored.redacted_by
        && let Some(because) = event_rows::load(tx, room.version, redaction)?
    {
        unsigned.insert("redacted_because".to_owned(), format(&because.visible()));
    }
    if let (Some(state_key), Some(place)) = (pdu.state_key(), graph_rows::place(tx, stored.number)?)
        && let Some(before) = place.state_before
        && let Some(replaced) = entry(tx, before, pdu.event_type(), state_key)?
        && let Some(replaced) = event_rows::load(tx, room.version, replaced)?
    {
        unsigned.insert("prev_content".to_owned(), Value::Object(replaced.visible().content().clone()));
        unsigned.insert("replaces_state".to_owned(), json!(replaced.pdu.event_id()));
    }
    let mut event = format(&pdu);
    event["unsigned"] = Value::Object(unsigned);
    Ok(event)
}

/// The event without what depends on who reads. Redactions name their target in both places that clients look at.
fn format(pdu: &Pdu) -> Value {
    let mut event = json!({
        "event_id": pdu.event_id(),
        "room_id": pdu.room_id(),
        "type": pdu.event_type(),
        "sender": pdu.sender(),
        "origin_server_ts": pdu.origin_server_ts(),
        "content": pdu.content(),
    });
    if let Some(state_key) = pdu.state_key() {
        event["state_key"] = json!(state_key);
    }
    if let Some(target) = pdu.redacts() {
        event["redacts"] = json!(target);
        event["content"]["redacts"] = json!(target);
    }
    event
}

impl Messaging {
    /// Returns one event, if the user may see it.
    pub async fn event(&self, viewer: &Viewer, room_id: &RoomId, event_id: &EventId) -> Result<Value, MessagingError> {
        let (viewer, id, event_id, now) =
            (viewer.clone(), room_id.clone(), event_id.clone(), self.handles().clock.now());
        let wanted = event_id.clone();
        let found = self
            .database()
            .read(move |tx| {
                let Some(room) = room_rows::by_id(tx, &id)? else { return Ok(None) };
                let Some((stored, _)) = visible(tx, &viewer, &room, &event_id)? else { return Ok(None) };
                client_event(tx, &viewer, &room, &stored, now).map(Some)
            })
            .await?;
        found.ok_or_else(|| MessagingError::NotFound(format!("the event {wanted} is not there, or not for you to see")))
    }

    /// Returns the state of a room: the current one for who is in it, that at their leave for who has left.
    pub async fn room_state(&self, viewer: &Viewer, room_id: &RoomId) -> Result<Vec<Value>, MessagingError> {
        let (viewer, id, now) = (viewer.clone(), room_id.clone(), self.handles().clock.now());
        let state = self
            .database()
            .read(move |tx| {
                let Some(room) = readable(tx, &viewer, &id)? else { return Ok(None) };
                let mut state = Vec::new();
                for event in state_for(tx, &viewer.user, &room)? {
                    if let Some(stored) = event_rows::load(tx, room.version, event)? {
                        state.push(client_event(tx, &viewer, &room, &stored, now)?);
                    }
                }
                Ok::<_, StoreError>(Some(state))
            })
            .await?;
        state.ok_or_else(|| MessagingError::Forbidden(format!("you are not in the room {room_id}")))
    }

    /// Returns one state event of [`Messaging::room_state`].
    pub async fn room_state_event(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        event_type: &str,
        state_key: &str,
    ) -> Result<Value, MessagingError> {
        let state = self.room_state(viewer, room_id).await?;
        let wanted = |event: &Value| event["type"] == event_type && event["state_key"] == state_key;
        let missing =
            || MessagingError::NotFound(format!("the room has no state event {event_type} with key {state_key:?}"));
        state.into_iter().find(wanted).ok_or_else(missing)
    }

    /// Returns a page of history, from a point on in a direction. Reaching a gap backwards, asks other servers.
    pub async fn history(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        from: Option<TopologicalPoint>,
        direction: Direction,
        limit: usize,
    ) -> Result<Page, MessagingError> {
        let start = from.unwrap_or(match direction {
            Direction::Forwards => TopologicalPoint::START,
            Direction::Backwards => TopologicalPoint::END,
        });
        for round in 0.. {
            let page = self.page(viewer, room_id, start, direction, limit).await?;
            let exhausted = page.end.is_none() && page.chunk.len() < limit;
            if direction == Direction::Forwards || !exhausted || round >= BACKFILL_ROUNDS_MAX {
                return Ok(page);
            }
            if self.graph().backfill(room_id, start.topological).await? == 0 {
                return Ok(page);
            }
        }
        Err(MessagingError::Internal("a page has no end".to_owned()))
    }

    async fn page(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        start: TopologicalPoint,
        direction: Direction,
        limit: usize,
    ) -> Result<Page, MessagingError> {
        let (viewer, id, now) = (viewer.clone(), room_id.clone(), self.handles().clock.now());
        let page = self
            .database()
            .read(move |tx| {
                let Some(room) = readable(tx, &viewer, &id)? else { return Ok(None) };
                let (after, up_to) = match direction {
                    Direction::Forwards => (start, TopologicalPoint::END),
                    Direction::Backwards => (TopologicalPoint::START, start),
                };
                let places = graph_rows::page(tx, room.number, after, up_to, direction, PAGE_EVENTS_MAX)?;
                let more = places.len() >= usize::try_from(PAGE_EVENTS_MAX).unwrap_or(usize::MAX);
                let mut page = Page { chunk: Vec::new(), start, end: None };
                for (index, place) in places.iter().enumerate() {
                    if let Some(stored) = event_rows::load(tx, room.version, place.event)?
                        && may_see(tx, &viewer.user, &room, &stored, place)?
                    {
                        page.chunk.push(client_event(tx, &viewer, &room, &stored, now)?);
                    }
                    let is_last = index + 1 == places.len();
                    if page.chunk.len() >= limit || (is_last && more) {
                        page.end = Some(match direction {
                            Direction::Forwards => TopologicalPoint::after(place),
                            Direction::Backwards => TopologicalPoint::before(place),
                        });
                        break;
                    }
                }
                Ok::<_, StoreError>(Some(page))
            })
            .await?;
        page.ok_or_else(|| MessagingError::Forbidden(format!("you are not in the room {room_id}")))
    }

    /// Returns where an event stands, if the user may see it.
    pub async fn point_of(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        event_id: &EventId,
    ) -> Result<(TopologicalPoint, TopologicalPoint), MessagingError> {
        let (viewer, id, wanted) = (viewer.clone(), room_id.clone(), event_id.clone());
        let place = self
            .database()
            .read(move |tx| {
                let Some(room) = room_rows::by_id(tx, &id)? else { return Ok(None) };
                Ok::<_, StoreError>(visible(tx, &viewer, &room, &wanted)?.map(|(_, place)| place))
            })
            .await?;
        let missing = || MessagingError::NotFound(format!("the event {event_id} is not there, or not for you to see"));
        place.map(|place| (TopologicalPoint::before(&place), TopologicalPoint::after(&place))).ok_or_else(missing)
    }

    /// Returns the rooms that a user is joined to.
    pub async fn joined_rooms(&self, user: &UserId) -> Result<Vec<RoomId>, MessagingError> {
        let who = user.clone();
        let standings = self.database().read(move |tx| room_rows::standings(tx, &who)).await?;
        Ok(standings.into_iter().filter(|one| one.membership == "join").map(|one| one.room_id).collect())
    }
}

/// Returns a room that the viewer may read.
fn readable(tx: &ReadTx<'_>, viewer: &Viewer, room_id: &RoomId) -> Result<Option<RoomRow>, StoreError> {
    let Some(room) = room_rows::by_id(tx, room_id)? else { return Ok(None) };
    Ok(may_read_room(tx, &viewer.user, &room)?.then_some(room))
}

fn visible(
    tx: &ReadTx<'_>,
    viewer: &Viewer,
    room: &RoomRow,
    event_id: &EventId,
) -> Result<Option<(StoredEvent, Place)>, StoreError> {
    let Some(number) = event_rows::number(tx, room.number, event_id)? else { return Ok(None) };
    let Some(place) = graph_rows::place(tx, number)? else { return Ok(None) };
    let Some(stored) = event_rows::load(tx, room.version, number)? else { return Ok(None) };
    Ok(may_see(tx, &viewer.user, room, &stored, &place)?.then_some((stored, place)))
}

/// The events of the state that a user may read.
pub(crate) fn state_for(
    tx: &ReadTx<'_>,
    user: &UserId,
    room: &RoomRow,
) -> Result<Vec<persistence::EventNumber>, StoreError> {
    if let Some(standing) = room_rows::standing_in(tx, user, room.number)?
        && matches!(standing.membership.as_str(), "leave" | "ban")
        && let Some(place) = graph_rows::place(tx, standing.event)?
        && let Some(state) = place.state_after
    {
        return Ok(state_rows::load(tx, state)?.iter().map(|(_, event)| event).collect());
    }
    Ok(room_rows::current_state(tx, room.number)?.into_iter().map(|(_, _, event)| event).collect())
}

//! What is new for a user: the room part of `/sync`, computed on one snapshot of the database. C-S API, "Syncing".

use std::collections::{BTreeMap, BTreeSet};

use events::{Object, RoomId, UserId, Value};
use persistence::transactions::graph::{self as graph_rows, Place};
use persistence::transactions::receipts as receipt_rows;
use persistence::transactions::rooms::{self as room_rows, RoomRow, Standing};
use persistence::transactions::streams::Stream;
use persistence::transactions::{events as event_rows, streams};
use persistence::{EventNumber, Position, ReadTx, StoreError};
use serde_json::json;

use crate::reading::{Viewer, client_event, may_see, state_for};

/// What a client asks of the rooms in a sync.
#[derive(Debug, Clone)]
pub struct RoomFilter {
    /// Timeline events of one room.
    pub timeline_limit: usize,
    /// Only the members that the timeline needs.
    pub lazy_load_members: bool,
    /// Rooms that the user has left are shown in a first sync too.
    pub include_leave: bool,
    /// The whole state, even if only little is new.
    pub full_state: bool,
}

/// Since when: positions of the streams that rooms depend on. `None` for a first sync.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    /// Of the events stream.
    pub events: Position,
    /// Of the receipts stream.
    pub receipts: Position,
    /// Of who is typing.
    pub typing: i64,
}

/// Who is typing, as it was when the sync was computed.
#[derive(Debug, Clone, Default)]
pub struct TypingNow {
    /// For each room in which that changed since, who types there.
    pub changed: BTreeMap<RoomId, Vec<UserId>>,
}

/// The rooms of a sync, as the specification's `rooms` but for account data and notification counts.
#[derive(Debug, Clone, Default)]
pub struct RoomUpdates {
    /// Rooms that the user is in.
    pub join: BTreeMap<RoomId, Value>,
    /// Rooms that the user is invited to.
    pub invite: BTreeMap<RoomId, Value>,
    /// Rooms that the user has knocked on.
    pub knock: BTreeMap<RoomId, Value>,
    /// Rooms that the user has left or was removed from.
    pub leave: BTreeMap<RoomId, Value>,
    /// Rooms that the user has come into since.
    pub newly_joined: BTreeSet<RoomId>,
}

/// The newest position of the events stream, and of the receipts.
pub fn newest(tx: &ReadTx<'_>) -> Result<(Position, Position), StoreError> {
    Ok((streams::current(tx, Stream::Events)?, streams::current(tx, Stream::Receipts)?))
}

/// Computes what is new in the rooms of a user.
pub fn rooms(
    tx: &ReadTx<'_>,
    viewer: &Viewer,
    filter: &RoomFilter,
    since: Option<Since>,
    typing: &TypingNow,
    now: i64,
) -> Result<RoomUpdates, StoreError> {
    let mut updates = RoomUpdates::default();
    let (to_events, to_receipts) = newest(tx)?;
    for standing in room_rows::standings(tx, &viewer.user)? {
        let is_new = since.is_none_or(|since| standing.position > since.events);
        let room = room_rows::by_number(tx, standing.room)?;
        let sync =
            RoomSync { tx, viewer, filter, since, now, to_events, to_receipts, room: &room, standing: &standing };
        match standing.membership.as_str() {
            "join" => {
                let entered = is_new && sync.was_outside()?;
                if let Some(section) = sync.joined(entered, typing)? {
                    updates.join.insert(standing.room_id.clone(), section);
                }
                if entered && since.is_some() {
                    updates.newly_joined.insert(standing.room_id.clone());
                }
            }
            "invite" if is_new => {
                let events = sync.stripped()?;
                updates.invite.insert(standing.room_id.clone(), json!({ "invite_state": { "events": events } }));
            }
            "knock" if is_new => {
                let events = sync.stripped()?;
                updates.knock.insert(standing.room_id.clone(), json!({ "knock_state": { "events": events } }));
            }
            "leave" | "ban" if is_new && !standing.forgotten && (since.is_some() || filter.include_leave) => {
                updates.leave.insert(standing.room_id.clone(), sync.left()?);
            }
            _ => {}
        }
    }
    Ok(updates)
}

/// One room of a sync.
struct RoomSync<'a, 'c> {
    tx: &'a ReadTx<'c>,
    viewer: &'a Viewer,
    filter: &'a RoomFilter,
    since: Option<Since>,
    now: i64,
    to_events: Position,
    to_receipts: Position,
    room: &'a RoomRow,
    standing: &'a Standing,
}

/// The timeline of one room.
struct Timeline {
    events: Vec<Value>,
    limited: bool,
    prev_batch: String,
    /// State keys that the timeline sets.
    sets: BTreeSet<(String, String)>,
    senders: BTreeSet<String>,
}

impl RoomSync<'_, '_> {
    fn since_events(&self) -> Position {
        self.since.map_or(Position(0), |since| since.events)
    }

    /// Says whether the user was not in the room at the time of `since`.
    fn was_outside(&self) -> Result<bool, StoreError> {
        let Some(since) = self.since else { return Ok(true) };
        let before = graph_rows::place(self.tx, self.standing.event)?.and_then(|place| place.state_before);
        // A changed profile is a new member event of somebody who was there.
        let Some(before) = before else { return Ok(true) };
        let key = persistence::transactions::state::key_number(self.tx, "m.room.member", self.viewer.user.as_str())?;
        let event = match key {
            Some(key) => persistence::transactions::state::entry(self.tx, before, key)?,
            None => None,
        };
        let Some(event) = event else { return Ok(true) };
        let was_joined = event_rows::membership(self.tx, event)?.as_deref() == Some("join");
        let joined_at = graph_rows::place(self.tx, event)?.and_then(|place| place.arrival);
        Ok(!was_joined || joined_at.is_some_and(|at| at > since.events))
    }

    fn joined(&self, entered: bool, typing: &TypingNow) -> Result<Option<Value>, StoreError> {
        let whole = self.since.is_none() || entered || self.filter.full_state;
        let from = if self.since.is_none() || entered { Position(0) } else { self.since_events() };
        let timeline = self.timeline(from, self.to_events)?;
        let state = if whole { self.whole_state(&timeline)? } else { self.changed_state(&timeline)? };
        let ephemeral = self.ephemeral(entered, typing)?;
        if !whole && timeline.events.is_empty() && state.is_empty() && ephemeral.is_empty() {
            return Ok(None);
        }
        let summary = if whole || timeline.sets.iter().any(|(event_type, _)| event_type == "m.room.member") {
            self.summary()?
        } else {
            json!({})
        };
        Ok(Some(json!({
            "timeline": {
                "events": timeline.events,
                "limited": timeline.limited,
                "prev_batch": timeline.prev_batch,
            },
            "state": { "events": state },
            "ephemeral": { "events": ephemeral },
            "account_data": { "events": [] },
            "summary": summary,
            "unread_notifications": { "notification_count": 0, "highlight_count": 0 },
        })))
    }

    /// The newest events that arrived after `from` and up to `to`, oldest first.
    fn timeline(&self, from: Position, to: Position) -> Result<Timeline, StoreError> {
        let limit = u32::try_from(self.filter.timeline_limit + 1).unwrap_or(u32::MAX);
        let mut places = graph_rows::arrivals(self.tx, self.room.number, from, to, limit)?;
        let limited = places.len() > self.filter.timeline_limit;
        places.truncate(self.filter.timeline_limit);
        places.reverse();
        let prev_batch = match places.first() {
            Some(first) => before(first),
            None => format!("s1_{}_0_0_0_0_0", to.0),
        };
        let mut timeline =
            Timeline { events: Vec::new(), limited, prev_batch, sets: BTreeSet::new(), senders: BTreeSet::new() };
        for place in &places {
            let Some(stored) = event_rows::load(self.tx, self.room.version, place.event)? else { continue };
            if !may_see(self.tx, &self.viewer.user, self.room, &stored, place)? {
                continue;
            }
            if let Some(state_key) = stored.pdu.state_key() {
                timeline.sets.insert((stored.pdu.event_type().to_owned(), state_key.to_owned()));
            }
            timeline.senders.insert(stored.pdu.sender().to_string());
            timeline.events.push(without_room(client_event(self.tx, self.viewer, self.room, &stored, self.now)?));
        }
        Ok(timeline)
    }

    /// The state at the start of the timeline: what the timeline itself sets is left to it, unless it replaces something.
    fn whole_state(&self, timeline: &Timeline) -> Result<Vec<Value>, StoreError> {
        let in_timeline: BTreeSet<&str> =
            timeline.events.iter().filter_map(|event| event["event_id"].as_str()).collect();
        let mut state = Vec::new();
        for event in state_for(self.tx, &self.viewer.user, self.room)? {
            self.push_state(&mut state, event, timeline, &in_timeline)?;
        }
        Ok(state)
    }

    /// What changed in the current state and the timeline does not show: behind a gap, or by a resolution.
    fn changed_state(&self, timeline: &Timeline) -> Result<Vec<Value>, StoreError> {
        let in_timeline: BTreeSet<&str> =
            timeline.events.iter().filter_map(|event| event["event_id"].as_str()).collect();
        let changes = room_rows::changes_between(self.tx, self.room.number, self.since_events(), self.to_events)?;
        let mut state = Vec::new();
        for event in changes.into_iter().filter_map(|change| change.event) {
            self.push_state(&mut state, event, timeline, &in_timeline)?;
        }
        Ok(state)
    }

    fn push_state(
        &self,
        state: &mut Vec<Value>,
        event: EventNumber,
        timeline: &Timeline,
        in_timeline: &BTreeSet<&str>,
    ) -> Result<(), StoreError> {
        let Some(stored) = event_rows::load(self.tx, self.room.version, event)? else { return Ok(()) };
        let pdu = &stored.pdu;
        let is_needless_member = self.filter.lazy_load_members
            && pdu.event_type() == "m.room.member"
            && pdu
                .state_key()
                .is_some_and(|user| user != self.viewer.user.as_str() && !timeline.senders.contains(user));
        if in_timeline.contains(pdu.event_id().as_str()) || is_needless_member {
            return Ok(());
        }
        state.push(without_room(client_event(self.tx, self.viewer, self.room, &stored, self.now)?));
        Ok(())
    }

    fn ephemeral(&self, entered: bool, typing: &TypingNow) -> Result<Vec<Value>, StoreError> {
        let mut ephemeral = Vec::new();
        if let Some(users) = typing.changed.get(&self.room.room_id) {
            ephemeral.push(json!({ "type": "m.typing", "content": { "user_ids": users } }));
        }
        let from = if entered { Position(0) } else { self.since.map_or(Position(0), |since| since.receipts) };
        let mut content = Object::new();
        for receipt in receipt_rows::between(self.tx, self.room.number, from, self.to_receipts)? {
            if receipt.receipt_type == "m.read.private" && receipt.user != self.viewer.user {
                continue;
            }
            let mut data = json!({ "ts": receipt.at });
            if !receipt.thread.is_empty() {
                data["thread_id"] = json!(receipt.thread);
            }
            let of_event = content.entry(receipt.event_id.as_str()).or_insert_with(|| json!({}));
            of_event[&receipt.receipt_type][receipt.user.as_str()] = data;
        }
        if !content.is_empty() {
            ephemeral.push(json!({ "type": "m.receipt", "content": content }));
        }
        Ok(ephemeral)
    }

    /// C-S API, "Room summaries": the heroes name a room without a name.
    fn summary(&self) -> Result<Value, StoreError> {
        let mut heroes = Vec::new();
        for membership in ["join", "invite"] {
            for (user, _) in room_rows::members(self.tx, self.room.number, membership)? {
                if user != self.viewer.user && heroes.len() < HEROES_MAX {
                    heroes.push(user);
                }
            }
        }
        Ok(json!({
            "m.heroes": heroes,
            "m.joined_member_count": room_rows::count_members(self.tx, self.room.number, "join")?,
            "m.invited_member_count": room_rows::count_members(self.tx, self.room.number, "invite")?,
        }))
    }

    /// What an invited or knocking user is told of the room.
    fn stripped(&self) -> Result<Vec<Value>, StoreError> {
        let mut events = match &self.standing.stripped {
            Some(stripped) => match serde_json::from_str(stripped) {
                Ok(Value::Array(events)) => events,
                // A row that cannot be read costs this room its name, and no sync.
                Ok(_) | Err(_) => Vec::new(),
            },
            None => self.stripped_current()?,
        };
        if let Some(stored) = event_rows::load(self.tx, self.room.version, self.standing.event)? {
            let own = strip(&stored.visible());
            events.retain(|event| event["type"] != own["type"] || event["state_key"] != own["state_key"]);
            events.push(own);
        }
        Ok(events)
    }

    fn stripped_current(&self) -> Result<Vec<Value>, StoreError> {
        let mut events = Vec::new();
        for event_type in pdu::STRIPPED_TYPES.into_iter().filter(|event_type| *event_type != "m.room.member") {
            if let Some(event) = room_rows::current(self.tx, self.room.number, event_type, "")?
                && let Some(stored) = event_rows::load(self.tx, self.room.version, event)?
            {
                events.push(strip(&stored.visible()));
            }
        }
        Ok(events)
    }

    /// The last of a room: up to the user's leave.
    fn left(&self) -> Result<Value, StoreError> {
        let left_at = graph_rows::place(self.tx, self.standing.event)?.and_then(|place| place.arrival);
        let timeline = match left_at {
            Some(left_at) => self.timeline(self.since_events(), left_at)?,
            // An invite that was rejected: we were never in the room.
            None => self.timeline(self.to_events, self.to_events)?,
        };
        Ok(json!({
            "timeline": {
                "events": timeline.events,
                "limited": timeline.limited,
                "prev_batch": timeline.prev_batch,
            },
            "state": { "events": [] },
            "account_data": { "events": [] },
        }))
    }
}

/// Users that a room without a name is named after.
const HEROES_MAX: usize = 5;

/// A pagination token for what lies before an event.
fn before(place: &Place) -> String {
    let point = graph_rows::TopologicalPoint::before(place);
    format!("t{}_{}", point.topological, point.event)
}

fn without_room(mut event: Value) -> Value {
    if let Some(object) = event.as_object_mut() {
        object.remove("room_id");
    }
    event
}

fn strip(pdu: &events::Pdu) -> Value {
    json!({
        "type": pdu.event_type(),
        "state_key": pdu.state_key(),
        "sender": pdu.sender(),
        "content": pdu.content(),
    })
}

//! The state of a room, and who is in it, as a user may read them. C-S API, "Getting events for a room".

use std::collections::{BTreeMap, BTreeSet};

use events::{Object, RoomId, UserId, Value};
use persistence::transactions::members as member_rows;
use persistence::transactions::news::{self, StateChange};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::state as state_rows;
use persistence::transactions::{events as event_rows, graph as graph_rows, history as history_rows};
use persistence::{EventNumber, Position, ReadTx, SnapshotNumber, StoreError};

use super::{HistoryPoint, Sight, Stay, Viewer, format, not_in_room, readable};
use crate::{Messaging, MessagingError};

const MEMBER: &str = "m.room.member";

/// Which members of a room are asked for. With both, a member needs to meet one of the two conditions.
#[derive(Debug, Clone, Default)]
pub struct MembershipFilter {
    /// Only those with this membership.
    pub is: Option<String>,
    /// Only those without this one.
    pub is_not: Option<String>,
}

/// Which members of a state are wanted beside the rest of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Members<'a> {
    All,
    Only(&'a BTreeSet<String>),
}

/// Entries of a state: type and state key, with the event that is there.
pub(crate) type Entries = BTreeMap<(String, String), EventNumber>;

impl MembershipFilter {
    fn allows(&self, membership: &str) -> bool {
        match (&self.is, &self.is_not) {
            (None, None) => true,
            (Some(is), None) => membership == is,
            (None, Some(is_not)) => membership != is_not,
            (Some(is), Some(is_not)) => membership == is || membership != is_not,
        }
    }
}

impl Members<'_> {
    fn wants(self, event_type: &str, state_key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(users) => event_type != MEMBER || users.contains(state_key),
        }
    }
}

impl Messaging {
    /// Returns the state of a room: the current one for who is in it, that at their leave for who has left. Waits until all members
    /// are known.
    pub async fn room_state(&self, viewer: &Viewer, room_id: &RoomId) -> Result<Vec<Value>, MessagingError> {
        self.check_may_read(viewer, room_id).await?;
        self.until_whole(room_id).await?;
        let now = self.handles().clock.now();
        self.read_room(viewer, room_id, move |tx, viewer, room| {
            let sight = Sight::new(tx, &viewer.user, room);
            let mut state = Vec::new();
            for event in entries(tx, room, state_to_read(&sight)?, Members::All)?.into_values() {
                if let Some(stored) = event_rows::load(tx, room.version, event)? {
                    state.push(format::plain(&sight, viewer, &stored, now)?);
                }
            }
            Ok(state)
        })
        .await
    }

    /// Returns one state event of [`Messaging::room_state`], without reading the others. Waits only for a member who is not known.
    pub async fn room_state_event(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        event_type: &str,
        state_key: &str,
    ) -> Result<Value, MessagingError> {
        if event_type == MEMBER {
            self.check_may_read(viewer, room_id).await?;
            self.until_member_is_known(room_id, state_key).await?;
        }
        let now = self.handles().clock.now();
        let (wanted_type, wanted_key) = (event_type.to_owned(), state_key.to_owned());
        let found = self
            .read_room(viewer, room_id, move |tx, viewer, room| {
                let sight = Sight::new(tx, &viewer.user, room);
                let Some(state) = state_to_read(&sight)? else { return Ok(None) };
                let Some(event) = sight.entry(state, &wanted_type, &wanted_key)? else { return Ok(None) };
                let Some(stored) = event_rows::load(tx, room.version, event)? else { return Ok(None) };
                format::plain(&sight, viewer, &stored, now).map(Some)
            })
            .await?;
        found.ok_or_else(|| {
            MessagingError::NotFound(format!("the room has no state event {event_type} with key {state_key:?}"))
        })
    }

    /// Returns the membership events of a room: the current ones, those at the user's leave, or those at a point that they
    /// could see. Waits until all members are known.
    pub async fn members(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        at: Option<HistoryPoint>,
        filter: MembershipFilter,
    ) -> Result<Vec<Value>, MessagingError> {
        self.check_may_read(viewer, room_id).await?;
        self.until_whole(room_id).await?;
        let now = self.handles().clock.now();
        self.read_room(viewer, room_id, move |tx, viewer, room| {
            let sight = Sight::new(tx, &viewer.user, room);
            let mut found = Vec::new();
            for event in member_events(&sight, at)? {
                if let Some(stored) = event_rows::load(tx, room.version, event)?
                    && filter.allows(stored.pdu.membership().unwrap_or_default())
                {
                    found.push(format::plain(&sight, viewer, &stored, now)?);
                }
            }
            Ok(found)
        })
        .await
    }

    /// Returns the joined users with their profiles in the room. The asker must be one of them. Waits until all members are known.
    pub async fn joined_members(&self, user: &UserId, room_id: &RoomId) -> Result<Object, MessagingError> {
        let room = self.joined_room(room_id, user).await?;
        self.until_whole(room_id).await?;
        let joined = self.database().read(move |tx| member_rows::joined_with_content(tx, room.number)).await?;
        let profile = |content: &Object| {
            let text = |key: &str| content.get(key).filter(|value| value.is_string()).cloned();
            let named = [("display_name", text("displayname")), ("avatar_url", text("avatar_url"))];
            named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Object>()
        };
        Ok(joined.iter().map(|(user, content)| (user.to_string(), Value::Object(profile(content)))).collect())
    }

    /// Waits until all members of a room are known.
    pub(crate) async fn until_whole(&self, room_id: &RoomId) -> Result<(), MessagingError> {
        let room = self.room(room_id).await?;
        Ok(self.graph().until_whole(room.number).await??)
    }

    /// Waits until it is known whether somebody is a member of a room.
    pub(crate) async fn until_member_is_known(&self, room_id: &RoomId, user: &str) -> Result<(), MessagingError> {
        let (room, user) = (self.room(room_id).await?, user.to_owned());
        let number = room.number;
        let known = self.database().read(move |tx| room_rows::current(tx, number, MEMBER, &user)).await?;
        if known.is_some() { Ok(()) } else { Ok(self.graph().until_whole(number).await??) }
    }

    /// Refuses who may not read the room.
    pub async fn check_may_read(&self, viewer: &Viewer, room_id: &RoomId) -> Result<(), MessagingError> {
        self.read_room(viewer, room_id, |_, _, _| Ok(())).await
    }

    async fn read_room<T: Send + 'static>(
        &self,
        viewer: &Viewer,
        room_id: &RoomId,
        read: impl FnOnce(&ReadTx<'_>, &Viewer, &RoomRow) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, MessagingError> {
        let (viewer, id) = (viewer.clone(), room_id.clone());
        let found = self
            .database()
            .read(move |tx| match readable(tx, &viewer, &id)? {
                Some(room) => read(tx, &viewer, &room).map(Some),
                None => Ok(None),
            })
            .await?;
        found.ok_or_else(|| not_in_room(room_id))
    }
}

/// The state that a user reads: the current one, or that at the end of their stay.
pub(crate) fn state_to_read(sight: &Sight<'_, '_>) -> Result<Option<SnapshotNumber>, StoreError> {
    match sight.stay()? {
        Some(Stay::Left(end)) => Ok(end.state_after),
        Some(Stay::Joined) | None => Ok(sight.room().state),
    }
}

/// Returns a state of the room. One that is not the current one costs what lies between them.
pub(crate) fn entries(
    tx: &ReadTx<'_>,
    room: &RoomRow,
    state: Option<SnapshotNumber>,
    members: Members<'_>,
) -> Result<Entries, StoreError> {
    let (Some(state), Some(current)) = (state, room.state) else { return Ok(Entries::new()) };
    let rows = match members {
        Members::All => room_rows::current_state(tx, room.number)?,
        Members::Only(_) => news::state_without_members(tx, room.number)?,
    };
    let mut found: Entries = rows.into_iter().map(|(event_type, key, event)| ((event_type, key), event)).collect();
    if let Members::Only(users) = members {
        for user in users {
            if let Some(event) = room_rows::current(tx, room.number, MEMBER, user)? {
                found.insert((MEMBER.to_owned(), user.clone()), event);
            }
        }
    }
    if state == current {
        return Ok(found);
    }
    for (key, there, _) in state_rows::difference(tx, state, current)? {
        let (event_type, state_key) = state_rows::key_text(tx, key)?;
        if !members.wants(&event_type, &state_key) {
            continue;
        }
        match there {
            Some(event) => found.insert((event_type, state_key), event),
            None => found.remove(&(event_type, state_key)),
        };
    }
    Ok(found)
}

fn member_events(sight: &Sight<'_, '_>, at: Option<HistoryPoint>) -> Result<Vec<EventNumber>, StoreError> {
    let (tx, room) = (sight.tx(), sight.room());
    let of_state = |state: Option<SnapshotNumber>| -> Result<Vec<EventNumber>, StoreError> {
        let entries = entries(tx, room, state, Members::All)?;
        Ok(entries.into_iter().filter(|((event_type, _), _)| event_type == MEMBER).map(|(_, event)| event).collect())
    };
    let left = match sight.stay()? {
        Some(Stay::Left(end)) => Some(end),
        Some(Stay::Joined) | None => None,
    };
    match at {
        Some(HistoryPoint::Arrival(position))
            if left.is_none_or(|end| end.arrival.is_none_or(|end| position < end)) =>
        {
            members_at(tx, room, position)
        }
        Some(
            HistoryPoint::Topological(point)
            | HistoryPoint::ArrivedUpTo(_, point)
            | HistoryPoint::ArrivedAfter(_, point),
        ) if left.is_none_or(|end| point.topological < end.topological) => {
            let state = match history_rows::last_before(tx, room.number, point)? {
                Some(place) => place.state_after.or(sight.state_around(&place)?),
                None => None,
            };
            of_state(state)
        }
        Some(_) | None => match left {
            Some(end) => of_state(end.state_after),
            None => Ok(member_rows::all(tx, room.number)?.into_iter().map(|member| member.event).collect()),
        },
    }
}

/// The members of the current state as it was at a position: today's, with what changed since taken back.
fn members_at(tx: &ReadTx<'_>, room: &RoomRow, position: Position) -> Result<Vec<EventNumber>, StoreError> {
    let today = member_rows::all(tx, room.number)?;
    let mut members: BTreeMap<String, EventNumber> =
        today.into_iter().map(|member| (member.user.to_string(), member.event)).collect();
    let mut taken_back = BTreeSet::new();
    for change in news::state_changes(tx, room.number, position, Position(i64::MAX))? {
        if change.event_type != MEMBER || !taken_back.insert(change.state_key.clone()) {
            continue;
        }
        match before_change(tx, &change)? {
            Some(event) => members.insert(change.state_key, event),
            None => members.remove(&change.state_key),
        };
    }
    Ok(members.into_values().collect())
}

/// Returns what the current state had before a change, as far as the event that changed it knows.
pub(crate) fn before_change(tx: &ReadTx<'_>, change: &StateChange) -> Result<Option<EventNumber>, StoreError> {
    let Some(event) = change.event else { return Ok(None) };
    let Some(before) = graph_rows::place(tx, event)?.and_then(|place| place.state_before) else { return Ok(None) };
    match state_rows::key_number(tx, &change.event_type, &change.state_key)? {
        Some(key) => state_rows::entry(tx, before, key),
        None => Ok(None),
    }
}

//! The gate: what a user may see of a room. C-S API, "Room History Visibility".

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;

use events::{UserId, Value};
use persistence::transactions::events::{self as event_rows, StoredEvent};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place, TopologicalPoint};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{history as history_rows, state as state_rows};
use persistence::{EventNumber, ReadTx, SnapshotNumber, StoreError};

/// Memberships of one user that are walked back through to find when they were last in the room.
const MEMBERSHIPS_WALKED_MAX: usize = 50;

/// What one user may see of one room, on one snapshot of the database. Remembers what it looked up: the events of a page
/// mostly share their state.
pub struct Sight<'a, 'c> {
    tx: &'a ReadTx<'c>,
    user: &'a UserId,
    room: &'a RoomRow,
    stay: OnceCell<Option<Stay>>,
    states: RefCell<BTreeMap<SnapshotNumber, Glance>>,
    nearest: Cell<Option<Nearest>>,
}

/// When a user was last in a room.
#[derive(Debug, Clone, Copy)]
pub enum Stay {
    /// They are in it.
    Joined,
    /// They were, until the event with this place.
    Left(Place),
}

/// What of a state decides who may see the events that it surrounds.
#[derive(Clone)]
struct Glance {
    visibility: Visibility,
    membership: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visibility {
    WorldReadable,
    Shared,
    Invited,
    Joined,
}

/// The state that follows an event of unknown state, and from where to where it is the one that follows.
#[derive(Clone, Copy)]
struct Nearest {
    from: TopologicalPoint,
    state: Option<SnapshotNumber>,
}

impl<'a, 'c> Sight<'a, 'c> {
    /// What `user` may see of `room`.
    pub fn new(tx: &'a ReadTx<'c>, user: &'a UserId, room: &'a RoomRow) -> Self {
        Self { tx, user, room, stay: OnceCell::new(), states: RefCell::default(), nearest: Cell::new(None) }
    }

    pub(crate) fn tx(&self) -> &'a ReadTx<'c> {
        self.tx
    }

    pub(crate) fn room(&self) -> &'a RoomRow {
        self.room
    }

    /// Says whether the user may read anything of the room: they are in it or were and have not forgotten it, or everybody may.
    pub fn may_read_room(&self) -> Result<bool, StoreError> {
        if self.stay()?.is_some() {
            let standing = room_rows::standing_in(self.tx, self.user, self.room.number)?;
            if !standing.is_some_and(|standing| standing.forgotten) {
                return Ok(true);
            }
        }
        match self.room.state {
            Some(state) => Ok(self.glance(state)?.visibility == Visibility::WorldReadable),
            None => Ok(false),
        }
    }

    /// Says when the user was last in the room; `None` if never.
    pub fn stay(&self) -> Result<Option<Stay>, StoreError> {
        if let Some(stay) = self.stay.get() {
            return Ok(*stay);
        }
        let stay = self.find_stay()?;
        Ok(*self.stay.get_or_init(|| stay))
    }

    /// Walks back from the user's membership to the one that ended their last stay.
    fn find_stay(&self) -> Result<Option<Stay>, StoreError> {
        let Some(key) = state_rows::key_number(self.tx, "m.room.member", self.user.as_str())? else { return Ok(None) };
        let current = room_rows::current(self.tx, self.room.number, "m.room.member", self.user.as_str())?;
        let Some(mut event) = current else { return Ok(None) };
        if self.is_join(event)? {
            return Ok(Some(Stay::Joined));
        }
        for _ in 0..MEMBERSHIPS_WALKED_MAX {
            let Some(place) = graph_rows::place(self.tx, event)? else { return Ok(None) };
            let Some(before) = place.state_before else { return Ok(None) };
            let Some(replaced) = state_rows::entry(self.tx, before, key)? else { return Ok(None) };
            if self.is_join(replaced)? {
                return Ok(Some(Stay::Left(place)));
            }
            event = replaced;
        }
        Ok(None)
    }

    fn is_join(&self, event: EventNumber) -> Result<bool, StoreError> {
        Ok(event_rows::membership(self.tx, event)?.as_deref() == Some("join"))
    }

    /// Says whether the user may see an event.
    pub fn may_see(&self, stored: &StoredEvent, place: &Place) -> Result<bool, StoreError> {
        // What joins extremities is the servers' business; Synapse shows it to no user either.
        if place.outcome != Outcome::Accepted || stored.pdu.event_type() == pdu::DUMMY_EVENT_TYPE {
            return Ok(false);
        }
        let Some(before) = self.state_around(place)? else { return Ok(stored.pdu.event_type() == "m.room.create") };
        if self.allows(before, place)? {
            return Ok(true);
        }
        // For changes of the visibility and of the user's own membership, either side of the event counts.
        let concerns = stored.pdu.event_type() == "m.room.history_visibility" || self.is_own_membership(stored);
        match place.state_after.filter(|_| concerns) {
            Some(after) => self.allows(after, place),
            None => Ok(false),
        }
    }

    /// Returns the user's membership at an event, with what the event itself changes. `None` if the state is not known.
    pub(crate) fn membership_at(&self, stored: &StoredEvent, place: &Place) -> Result<Option<String>, StoreError> {
        if self.is_own_membership(stored) {
            return Ok(stored.pdu.membership().map(str::to_owned));
        }
        let Some(before) = place.state_before else { return Ok(None) };
        // Who has no membership yet is shown as having left. C-S API, "Room event format".
        Ok(Some(self.glance(before)?.membership.unwrap_or_else(|| "leave".to_owned())))
    }

    fn is_own_membership(&self, stored: &StoredEvent) -> bool {
        stored.pdu.is_state("m.room.member", self.user.as_str())
    }

    fn allows(&self, state: SnapshotNumber, place: &Place) -> Result<bool, StoreError> {
        let Glance { visibility, membership } = self.glance(state)?;
        let membership = membership.as_deref();
        match visibility {
            Visibility::WorldReadable => Ok(true),
            _ if membership == Some("join") => Ok(true),
            Visibility::Shared => self.was_there_after(place),
            // What happened since the invite is for those who have come to join.
            Visibility::Invited => Ok(membership == Some("invite") && self.was_there_after(place)?),
            Visibility::Joined => Ok(false),
        }
    }

    /// Says whether the user is in the room, or was at some time after the event.
    fn was_there_after(&self, place: &Place) -> Result<bool, StoreError> {
        match self.stay()? {
            None => Ok(false),
            Some(Stay::Joined) => Ok(true),
            Some(Stay::Left(end)) => Ok(match (place.arrival, end.arrival) {
                (Some(at), Some(end)) => at <= end,
                // What was fetched from the past has no arrival.
                (None, _) | (_, None) => place.topological <= end.topological,
            }),
        }
    }

    /// The state before an event; for one of the history before we came, the nearest state that follows.
    pub(crate) fn state_around(&self, place: &Place) -> Result<Option<SnapshotNumber>, StoreError> {
        if let Some(state) = place.state_before {
            return Ok(Some(state));
        }
        let point = TopologicalPoint::after(place);
        let known = self.nearest.get().filter(|known| point <= known.from);
        let up_to = known.map_or(TopologicalPoint::END, |known| known.from);
        let found = history_rows::nearest_state(self.tx, self.room.number, point, up_to)?;
        let state = found.or(known.and_then(|known| known.state));
        self.nearest.set(Some(Nearest { from: point, state }));
        Ok(state)
    }

    fn glance(&self, state: SnapshotNumber) -> Result<Glance, StoreError> {
        if let Some(glance) = self.states.borrow().get(&state) {
            return Ok(glance.clone());
        }
        let glance = Glance { visibility: self.visibility_in(state)?, membership: self.membership_in(state)? };
        self.states.borrow_mut().insert(state, glance.clone());
        Ok(glance)
    }

    fn visibility_in(&self, state: SnapshotNumber) -> Result<Visibility, StoreError> {
        let event = self.entry(state, "m.room.history_visibility", "")?;
        let stored = event.map(|event| event_rows::load(self.tx, self.room.version, event)).transpose()?.flatten();
        let stored = stored.map(|stored| stored.visible());
        let value = stored.as_ref().and_then(|pdu| pdu.content().get("history_visibility")).and_then(Value::as_str);
        Ok(match value {
            Some("world_readable") => Visibility::WorldReadable,
            Some("invited") => Visibility::Invited,
            Some("joined") => Visibility::Joined,
            // Also what is not understood.
            Some(_) | None => Visibility::Shared,
        })
    }

    fn membership_in(&self, state: SnapshotNumber) -> Result<Option<String>, StoreError> {
        match self.entry(state, "m.room.member", self.user.as_str())? {
            Some(event) => event_rows::membership(self.tx, event),
            None => Ok(None),
        }
    }

    pub(crate) fn entry(
        &self,
        state: SnapshotNumber,
        event_type: &str,
        state_key: &str,
    ) -> Result<Option<EventNumber>, StoreError> {
        match state_rows::key_number(self.tx, event_type, state_key)? {
            Some(key) => state_rows::entry(self.tx, state, key),
            None => Ok(None),
        }
    }
}

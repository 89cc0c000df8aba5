//! What is new for a user: the room part of `/sync`, computed on one snapshot of the database. C-S API, "Syncing".
//!
//! [`Messaging::sync_rooms`] finds the rooms that have news and makes a section for each: [`joined`], [`left`], [`outside`] for
//! invites and knocks. A section has a [`timeline`], the changes of the state that the timeline does not show ([`state`]),
//! [`ephemeral`] events and a [`summary`]. [`device_lists`] says whose devices to look at anew.

mod device_lists;
mod ephemeral;
mod joined;
mod known_members;
mod left;
mod outside;
mod state;
mod summary;
mod timeline;

use std::collections::BTreeMap;
use std::sync::Arc;

use events::{RoomId, UserId, Value};
use persistence::transactions::events as event_rows;
use persistence::transactions::news::{self, StateChange};
use persistence::transactions::restoring;
use persistence::transactions::rooms::{self as room_rows, RoomRow, Standing};
use persistence::transactions::streams::{self, Stream};
use persistence::{EventNumber, Position, ReadTx, StoreError};

use crate::Messaging;
use crate::filter::Filter;
use crate::ignored::Ignored;
use crate::memory::Memory;
use crate::reading::state::before_change;
use crate::reading::{Sight, Viewer};
use crate::unread::PushRules;

pub use device_lists::{DeviceLists, device_lists};
pub use joined::datum;
pub(crate) use known_members::KnownMembers;
pub(crate) use summary::Summary;

/// What a client asks of a sync.
#[derive(Debug, Clone)]
pub struct SyncRequest {
    /// Who asks.
    pub viewer: Viewer,
    /// What they want to see.
    pub filter: Filter,
    /// Since when; `None` for a first sync.
    pub since: Option<Since>,
    /// The whole state of every room, even if only little is new.
    pub full_state: bool,
    /// The state is that at the end of the timeline, not that at its start.
    pub use_state_after: bool,
    /// Who is typing in the rooms in which that changed.
    pub typing: BTreeMap<RoomId, Vec<UserId>>,
    /// What the user has stored for rooms since.
    pub account_data: BTreeMap<RoomId, Vec<Value>>,
    /// The time, in milliseconds since 1970.
    pub now: i64,
}

/// Positions of the streams that rooms depend on.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    /// Of the events stream.
    pub events: Position,
    /// Up to here what timelines have set is the state, as the client knows it: `events`, unless timelines after it have set what did
    /// not become the state ([`RoomUpdates::settled`]).
    pub settled: Position,
    /// Of the receipts stream.
    pub receipts: Position,
}

impl Since {
    /// What to go on from instead, with the full state, if the client has seen what was lost when a backup was restored: what it
    /// holds of rooms may be gone, or may never have been so.
    pub fn before_loss(&self, tx: &ReadTx<'_>) -> Result<Option<Self>, StoreError> {
        let events = restoring::last_before_loss(tx, Stream::Events, self.events)?;
        let receipts = restoring::last_before_loss(tx, Stream::Receipts, self.receipts)?;
        if events.is_none() && receipts.is_none() {
            return Ok(None);
        }
        let events = events.unwrap_or(self.events);
        // A receipt that is as before again has no later position: all are told anew.
        Ok(Some(Self { events, settled: self.settled.min(events), receipts: Position::default() }))
    }
}

/// The rooms of a sync, as the specification's `rooms`.
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
    /// What [`Since::settled`] of the next sync is to be. If a timeline sets what has not become the state, since another event won
    /// over it, the client takes it for the state until then: so it is where this sync began, and the next one tells what holds.
    pub settled: Position,
}

impl RoomUpdates {
    /// Says whether nothing is new.
    pub fn is_empty(&self) -> bool {
        self.join.is_empty() && self.invite.is_empty() && self.knock.is_empty() && self.leave.is_empty()
    }
}

impl Messaging {
    /// Computes what is new in the rooms of a user, up to what has happened by this snapshot of the database.
    pub fn sync_rooms(
        &self,
        tx: &ReadTx<'_>,
        request: &SyncRequest,
        rules: &dyn PushRules,
    ) -> Result<RoomUpdates, StoreError> {
        let ignored = Ignored::read(tx, &request.viewer.user)?;
        let events = streams::current(tx, Stream::Events)?;
        let to = Since { events, settled: events, receipts: streams::current(tx, Stream::Receipts)? };
        let mut updates = RoomUpdates { settled: events, ..RoomUpdates::default() };
        for standing in standings(tx, request)? {
            if !request.filter.room.allows_room(&standing.room_id) {
                continue;
            }
            let room = room_rows::by_number(tx, standing.room)?;
            let sync = RoomSync {
                tx,
                memory: self.memory(),
                request,
                rules,
                ignored: &ignored,
                to,
                sight: Sight::new(tx, &request.viewer.user, &room),
                room: &room,
                standing: &standing,
            };
            sync.add_to(&mut updates)?;
        }
        Ok(updates)
    }
}

/// The rooms to look at: all for a first sync, else those with news.
fn standings(tx: &ReadTx<'_>, request: &SyncRequest) -> Result<Vec<Standing>, StoreError> {
    let user = &request.viewer.user;
    let Some(since) = request.since.filter(|_| !request.full_state) else { return room_rows::standings(tx, user) };
    let mut standings = news::rooms_with_news(tx, user, since.settled, since.receipts)?;
    for room_id in request.typing.keys().chain(request.account_data.keys()) {
        if standings.iter().any(|standing| standing.room_id == *room_id) {
            continue;
        }
        if let Some(room) = room_rows::by_id(tx, room_id)?
            && let Some(standing) = room_rows::standing_in(tx, user, room.number)?
        {
            standings.push(standing);
        }
    }
    Ok(standings)
}

/// One room of a sync.
struct RoomSync<'a, 'c> {
    tx: &'a ReadTx<'c>,
    memory: &'a Memory,
    request: &'a SyncRequest,
    rules: &'a dyn PushRules,
    ignored: &'a Ignored,
    to: Since,
    sight: Sight<'a, 'c>,
    room: &'a RoomRow,
    standing: &'a Standing,
}

impl RoomSync<'_, '_> {
    fn add_to(&self, updates: &mut RoomUpdates) -> Result<(), StoreError> {
        let is_new = self.request.since.is_none_or(|since| self.standing.position > since.events);
        let room_id = self.standing.room_id.clone();
        match self.standing.membership.as_str() {
            "join" => {
                if let Some((section, contradicted)) = self.joined()? {
                    updates.join.insert(room_id, section);
                    if contradicted {
                        updates.settled = self.since_events();
                    }
                }
            }
            "invite" if is_new && !self.is_ignored_invite()? => {
                updates.invite.insert(room_id, self.invited()?);
            }
            "knock" if is_new => {
                updates.knock.insert(room_id, self.knocked()?);
            }
            "leave" | "ban" if is_new && !self.standing.forgotten && self.shows_left()? => {
                updates.leave.insert(room_id, self.left()?);
            }
            _ => {}
        }
        Ok(())
    }

    fn viewer(&self) -> &Viewer {
        &self.request.viewer
    }

    fn filter(&self) -> &Filter {
        &self.request.filter
    }

    fn since_events(&self) -> Position {
        self.request.since.map_or(Position(0), |since| since.events)
    }

    /// Says whether a room that the user is out of is told of. In a first sync it is if somebody else removed the user, as in
    /// Synapse: a client that begins anew would not know why the room is gone.
    fn shows_left(&self) -> Result<bool, StoreError> {
        if self.request.since.is_some() || self.filter().room.include_leave {
            return Ok(true);
        }
        let own = event_rows::load(self.tx, self.room.version, self.standing.event)?;
        Ok(own.is_some_and(|own| *own.pdu.sender() != self.viewer().user))
    }

    /// Says whether the user was in the room at the time of `since`, and has not been out of it during `changes` before `end`.
    fn was_in_since(&self, changes: &[StateChange], end: Option<EventNumber>) -> Result<bool, StoreError> {
        if self.request.since.is_none() {
            return Ok(false);
        }
        let is_own = |change: &&StateChange| {
            change.event_type == "m.room.member" && change.state_key == self.viewer().user.as_str()
        };
        let mut own = changes.iter().filter(is_own).peekable();
        if let Some(first) = own.peek() {
            let before = before_change(self.tx, first)?;
            if !self.is_join(before)? {
                return Ok(false);
            }
        }
        for change in own {
            if !self.is_join(change.event)? && (end.is_none() || change.event != end) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_join(&self, event: Option<EventNumber>) -> Result<bool, StoreError> {
        match event {
            Some(event) => Ok(event_rows::membership(self.tx, event)?.as_deref() == Some("join")),
            None => Ok(false),
        }
    }

    fn known_members(&self) -> Arc<KnownMembers> {
        let key = (self.viewer().user.clone(), self.viewer().device.clone(), self.room.number);
        if let Some(known) = self.memory.known_members.get(&key) {
            return known;
        }
        let known = Arc::new(KnownMembers::default());
        self.memory.known_members.insert(key, Arc::clone(&known));
        known
    }
}

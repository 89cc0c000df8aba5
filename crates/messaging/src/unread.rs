//! How many events of a room a user is to be notified of. C-S API, "Receiving notifications".
//!
//! Counted when a user syncs, not when an event comes: a room with thousands of users costs nothing for those who are not
//! there, and a commit never waits for push rules. What was counted is kept in memory with the position that it goes up to, so
//! that each event is looked at once for each user who syncs; after a restart at most [`UNREAD_LOOK_MAX`] events of a room
//! are counted anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use events::{EventId, Object, Pdu, RoomVersion, UserId, Value};
use persistence::transactions::events::{self as event_rows, StoredEvent};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{account_data, graph as graph_rows, receipts as receipt_rows, state as state_rows};
use persistence::{Position, ReadTx, StoreError};

use crate::ignored::Ignored;
use crate::limits::{THREAD_HOPS_MAX, UNREAD_LOOK_MAX};
use crate::memory::Memory;
use crate::reading::format;
use crate::sync::Summary;

/// The thread of events that are in no other. C-S API, "Threaded read receipts".
const MAIN: &str = "main";
const RULES: &str = "m.push_rules";
/// Changes of the own profile that are walked back through to find when the user joined.
const PROFILES_WALKED_MAX: usize = 20;

/// The push rules of one user.
pub trait PushRules {
    /// Says what `event`, as clients see it with its `room_id`, does to the user.
    fn evaluate(&self, event: &Object, room: &RoomContext) -> Result<Notification, StoreError>;
}

/// What push rules look at beside the event.
#[derive(Debug, Clone)]
pub struct RoomContext {
    /// The user's display name in the room, if there is one.
    pub display_name: Option<String>,
    /// How many have joined the room.
    pub member_count: u64,
    /// The content of `m.room.power_levels`, if there is one.
    pub power_levels: Option<Object>,
    /// The version of the room.
    pub version: RoomVersion,
    /// The users that made the room.
    pub creators: Vec<UserId>,
}

/// What an event does to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notification {
    /// Nothing.
    None,
    /// It notifies.
    Notify,
    /// It notifies and stands out.
    Highlight,
}

/// Counts of a thread or a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that notify.
    pub notifications: u64,
    /// Those of them that stand out.
    pub highlights: u64,
}

/// The counts of one room, and what they were counted from.
#[derive(Debug, Clone)]
pub(crate) struct Unread {
    threads: BTreeMap<String, Counts>,
    up_to: Position,
    basis: Basis,
}

/// What decides about which events count, beside the events.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Basis {
    /// Up to where the user has read everything, or had not joined.
    everything: Position,
    /// Up to where single threads are read.
    threads: BTreeMap<String, Position>,
    rules: Position,
    ignored: Position,
}

/// One user in one room.
pub(crate) struct Counter<'a, 'c> {
    pub(crate) tx: &'a ReadTx<'c>,
    pub(crate) room: &'a RoomRow,
    pub(crate) user: &'a UserId,
    pub(crate) ignored: &'a Ignored,
    pub(crate) rules: &'a dyn PushRules,
    pub(crate) memory: &'a Memory,
}

impl Unread {
    /// The counts of the whole room.
    pub(crate) fn total(&self) -> Counts {
        let add = |sum: Counts, counts: &Counts| Counts {
            notifications: sum.notifications + counts.notifications,
            highlights: sum.highlights + counts.highlights,
        };
        self.threads.values().fold(Counts::default(), add)
    }

    /// The counts of what is in no thread.
    pub(crate) fn main(&self) -> Counts {
        self.threads.get(MAIN).copied().unwrap_or_default()
    }

    /// The threads with their counts.
    pub(crate) fn threads(&self) -> impl Iterator<Item = (&str, Counts)> {
        let threads = self.threads.iter().filter(|(root, counts)| *root != MAIN && **counts != Counts::default());
        threads.map(|(root, counts)| (root.as_str(), *counts))
    }

    fn empty(basis: Basis) -> Self {
        Self { threads: BTreeMap::new(), up_to: basis.everything, basis }
    }
}

impl Counter<'_, '_> {
    /// Counts what is unread of what had arrived at `up_to`.
    pub(crate) fn count(&self, up_to: Position) -> Result<Arc<Unread>, StoreError> {
        let basis = self.basis()?;
        let key = (self.user.clone(), self.room.number);
        let kept = self.memory.unread.get(&key).filter(|kept| kept.basis == basis && kept.up_to <= up_to);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.up_to == up_to) {
            return Ok(Arc::clone(kept));
        }
        let counted = match kept.map(|kept| self.count_on((*kept).clone(), up_to)).transpose()?.flatten() {
            Some(counted) => Some(counted),
            None => self.count_on(Unread::empty(basis.clone()), up_to)?,
        };
        let counted = Arc::new(counted.unwrap_or_else(|| Unread::empty(basis)));
        self.memory.unread.insert(key, Arc::clone(&counted));
        Ok(counted)
    }

    /// Goes on counting. `None` if something that was counted has been redacted meanwhile.
    fn count_on(&self, from: Unread, up_to: Position) -> Result<Option<Unread>, StoreError> {
        let mut unread = from;
        let is_fresh = unread.up_to == unread.basis.everything;
        let mut places = graph_rows::arrivals(self.tx, self.room.number, unread.up_to, up_to, UNREAD_LOOK_MAX)?;
        places.reverse();
        let mut context = None;
        for place in places {
            let Some(stored) = event_rows::load(self.tx, self.room.version, place.event)? else { continue };
            if stored.pdu.redacts().is_some() && !is_fresh {
                return Ok(None);
            }
            // Dummies are ours: the user in whose name they stand knows nothing of them.
            if stored.redacted_by.is_some() || stored.pdu.event_type() == pdu::DUMMY_EVENT_TYPE {
                continue;
            }
            let thread = self.thread_of(&stored.pdu)?;
            if stored.pdu.sender() == self.user {
                // Who writes has read what stands above. C-S API, "Marking notifications as read".
                unread.threads.remove(&thread);
                continue;
            }
            let is_read = unread.basis.threads.get(&thread).is_some_and(|read| place.arrival <= Some(*read));
            if is_read || self.ignored.contains(stored.pdu.sender()) {
                continue;
            }
            let context = match &mut context {
                Some(context) => context,
                none => none.insert(self.context()?),
            };
            let counts = unread.threads.entry(thread).or_default();
            match self.rules.evaluate(&format::bare(&stored.pdu), context)? {
                Notification::None => {}
                Notification::Notify => counts.notifications += 1,
                Notification::Highlight => {
                    counts.notifications += 1;
                    counts.highlights += 1;
                }
            }
        }
        unread.up_to = up_to;
        Ok(Some(unread))
    }

    fn basis(&self) -> Result<Basis, StoreError> {
        let mut basis = Basis {
            everything: self.joined_at()?,
            threads: BTreeMap::new(),
            rules: account_data::position(self.tx, self.user, RULES)?,
            ignored: self.ignored.changed_at,
        };
        // Of public and private receipts the one that is further counts.
        for receipt in receipt_rows::of_user(self.tx, self.room.number, self.user)? {
            let Some(at) = self.arrival_of(&receipt.event_id)? else { continue };
            let read = match receipt.thread.as_str() {
                "" => &mut basis.everything,
                thread => basis.threads.entry(thread.to_owned()).or_default(),
            };
            *read = (*read).max(at);
        }
        Ok(basis)
    }

    fn arrival_of(&self, event: &EventId) -> Result<Option<Position>, StoreError> {
        let Some(number) = event_rows::number(self.tx, self.room.number, event)? else { return Ok(None) };
        Ok(graph_rows::place(self.tx, number)?.and_then(|place| place.arrival))
    }

    /// When the user came into the room, or at the latest: a changed profile is a new join of somebody who was there.
    fn joined_at(&self) -> Result<Position, StoreError> {
        let mut joined_at = Position::default();
        let Some(key) = state_rows::key_number(self.tx, "m.room.member", self.user.as_str())? else {
            return Ok(joined_at);
        };
        let mut event = room_rows::current(self.tx, self.room.number, "m.room.member", self.user.as_str())?;
        for _ in 0..PROFILES_WALKED_MAX {
            let Some(join) = event else { break };
            if event_rows::membership(self.tx, join)?.as_deref() != Some("join") {
                break;
            }
            let Some(place) = graph_rows::place(self.tx, join)? else { break };
            joined_at = place.arrival.unwrap_or_default();
            event = match place.state_before {
                Some(before) => state_rows::entry(self.tx, before, key)?,
                None => None,
            };
        }
        Ok(joined_at)
    }

    /// The thread that an event belongs to: its own relation says so, or that of what it relates to.
    fn thread_of(&self, pdu: &Pdu) -> Result<String, StoreError> {
        let mut content = pdu.content().clone();
        for _ in 0..=THREAD_HOPS_MAX {
            let relation = content.get("m.relates_to");
            let text = |key: &str| relation.and_then(|relation| relation.get(key)).and_then(Value::as_str);
            let (Some(kind), Some(target)) = (text("rel_type"), text("event_id")) else { break };
            if kind == "m.thread" {
                return Ok(target.to_owned());
            }
            let Some(parent) = EventId::parse(target).ok().map(|id| self.load(&id)).transpose()?.flatten() else {
                break;
            };
            content = parent.visible().content().clone();
        }
        Ok(MAIN.to_owned())
    }

    fn load(&self, id: &EventId) -> Result<Option<StoredEvent>, StoreError> {
        match event_rows::number(self.tx, self.room.number, id)? {
            Some(number) => event_rows::load(self.tx, self.room.version, number),
            None => Ok(None),
        }
    }

    fn context(&self) -> Result<RoomContext, StoreError> {
        let content = |event_type: &str, state_key: &str| -> Result<Option<(UserId, Object)>, StoreError> {
            let event = room_rows::current(self.tx, self.room.number, event_type, state_key)?;
            let stored = event.map(|event| event_rows::load(self.tx, self.room.version, event)).transpose()?.flatten();
            let pdu = stored.map(|stored| stored.visible());
            Ok(pdu.map(|pdu| (pdu.sender().clone(), pdu.content().clone())))
        };
        let own = content("m.room.member", self.user.as_str())?;
        let display_name = own.as_ref().and_then(|(_, own)| own.get("displayname")).and_then(Value::as_str);
        let create = content("m.room.create", "")?;
        let member_count = match self.room.state {
            Some(state) => Summary::of(self.tx, self.memory, self.room, state)?.joined,
            None => 0,
        };
        Ok(RoomContext {
            display_name: display_name.map(str::to_owned),
            member_count: u64::try_from(member_count).unwrap_or(0),
            power_levels: content("m.room.power_levels", "")?.map(|(_, levels)| levels),
            version: self.room.version,
            creators: create.map(|(sender, content)| creators(sender, &content)).unwrap_or_default(),
        })
    }
}

/// Who made a room: the sender of its create event, and whom that names beside.
fn creators(sender: UserId, content: &Object) -> Vec<UserId> {
    let named = content.get("additional_creators").and_then(Value::as_array).into_iter().flatten();
    let named = named.filter_map(Value::as_str).filter_map(|user| UserId::parse(user).ok());
    std::iter::once(sender).chain(named).collect()
}

//! Who is typing: in memory only, forgotten after a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events::{RoomId, UserId};
use handles::Clock;

use crate::limits::{TYPING_ROOMS_MAX, TYPING_TIMEOUT_MAX, TYPING_USERS_MAX};

/// Who is typing in which room.
pub struct Typing {
    clock: Arc<dyn Clock>,
    rooms: Mutex<Rooms>,
}

#[derive(Default)]
struct Rooms {
    by_room: BTreeMap<RoomId, Room>,
    changes: i64,
}

#[derive(Default)]
struct Room {
    /// Until when, by the monotonic clock.
    users: BTreeMap<UserId, Duration>,
    changed_at: i64,
}

impl Typing {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, rooms: Mutex::new(Rooms::default()) }
    }

    /// Shows `user` as typing for `timeout`, at most [`TYPING_TIMEOUT_MAX`]. Returns whether that is news.
    pub fn started(&self, room_id: &RoomId, user: &UserId, timeout: Duration) -> bool {
        let until = self.clock.monotonic() + timeout.min(TYPING_TIMEOUT_MAX);
        let mut rooms = self.lock();
        if rooms.by_room.len() >= TYPING_ROOMS_MAX && !rooms.by_room.contains_key(room_id) {
            return false;
        }
        rooms.changes += 1;
        let changes = rooms.changes;
        let room = rooms.by_room.entry(room_id.clone()).or_default();
        if room.users.len() >= TYPING_USERS_MAX && !room.users.contains_key(user) {
            return false;
        }
        let is_new = room.users.insert(user.clone(), until).is_none();
        if is_new {
            room.changed_at = changes;
        }
        is_new
    }

    /// `user` has stopped. Returns whether that is news.
    pub fn stopped(&self, room_id: &RoomId, user: &UserId) -> bool {
        let mut rooms = self.lock();
        let changes = rooms.changes + 1;
        let Some(room) = rooms.by_room.get_mut(room_id) else { return false };
        let was_typing = room.users.remove(user).is_some();
        if was_typing {
            room.changed_at = changes;
            rooms.changes = changes;
        }
        was_typing
    }

    /// Forgets who has not said for too long that they type. Returns the rooms in which that changed anything.
    pub fn expire(&self) -> Vec<RoomId> {
        let now = self.clock.monotonic();
        let mut rooms = self.lock();
        let mut changes = rooms.changes;
        let mut changed = Vec::new();
        for (room_id, room) in &mut rooms.by_room {
            let before = room.users.len();
            room.users.retain(|_, until| *until > now);
            if room.users.len() != before {
                changes += 1;
                room.changed_at = changes;
                changed.push(room_id.clone());
            }
        }
        rooms.changes = changes;
        changed
    }

    /// Who is typing in a room.
    pub fn users(&self, room_id: &RoomId) -> Vec<UserId> {
        let now = self.clock.monotonic();
        let rooms = self.lock();
        let users = rooms.by_room.get(room_id).map(|room| room.users.iter().filter(|(_, until)| **until > now));
        users.into_iter().flatten().map(|(user, _)| user.clone()).collect()
    }

    /// The number of the newest change; a sync token holds it. It starts anew with the process.
    pub fn position(&self) -> i64 {
        self.lock().changes
    }

    /// The number of a room's newest change; 0 if nobody has typed there.
    pub fn changed_at(&self, room_id: &RoomId) -> i64 {
        self.lock().by_room.get(room_id).map_or(0, |room| room.changed_at)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        // Counts on from the time of the start, so that a token from before a restart is older than every change since.
        let rooms = Rooms { by_room: BTreeMap::new(), changes: clock.now().max(0) };
        Self { clock, rooms: Mutex::new(rooms) }
    }

    /// Shows `user` as typing for `timeout`, at most [`TYPING_TIMEOUT_MAX`]. Returns whether that is news.
    pub fn started(&self, room_id: &RoomId, user: &UserId, timeout: Duration) -> bool {
        let until = self.clock.monotonic() + timeout.min(TYPING_TIMEOUT_MAX);
        let mut rooms = self.lock();
        if !rooms.has_place_for(room_id) {
            return false;
        }
        let changes = rooms.changes + 1;
        let room = rooms.by_room.entry(room_id.clone()).or_default();
        if room.users.len() >= TYPING_USERS_MAX && !room.users.contains_key(user) {
            return false;
        }
        let is_new = room.users.insert(user.clone(), until).is_none();
        if is_new {
            room.changed_at = changes;
            rooms.changes = changes;
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

    /// Returns the number of the newest change, which a sync token holds, and who types in the rooms that changed after `since`;
    /// without it, in the rooms in which somebody types.
    pub fn news(&self, since: Option<i64>) -> (i64, BTreeMap<RoomId, Vec<UserId>>) {
        let now = self.clock.monotonic();
        let rooms = self.lock();
        let typing = |room: &Room| -> Vec<UserId> {
            room.users.iter().filter(|(_, until)| **until > now).map(|(user, _)| user.clone()).collect()
        };
        let changed = rooms.by_room.iter().filter(|(_, room)| match since {
            // A number that was never given is from a clock that went ahead.
            Some(since) => room.changed_at > since || since > rooms.changes,
            None => !room.users.is_empty(),
        });
        (rooms.changes, changed.map(|(room_id, room)| (room_id.clone(), typing(room))).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    /// Makes place for a room, if it needs one: those in which nobody types go, the longest silent first.
    fn has_place_for(&mut self, room_id: &RoomId) -> bool {
        if self.by_room.len() < TYPING_ROOMS_MAX || self.by_room.contains_key(room_id) {
            return true;
        }
        let silent = self.by_room.iter().filter(|(_, room)| room.users.is_empty());
        let Some(longest) = silent.min_by_key(|(_, room)| room.changed_at).map(|(room_id, _)| room_id.clone()) else {
            return false;
        };
        self.by_room.remove(&longest);
        true
    }
}

#[cfg(test)]
mod tests {
    use handles::{Handles, Timestamp};

    use super::*;

    fn room(number: usize) -> RoomId {
        RoomId::parse(format!("!r{number}:a.test")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn silent_rooms_make_place_and_typing_ends_by_itself() {
        let handles = Handles::simulated(1);
        let started_at: Timestamp = handles.clock.now();
        let typing = Typing::new(handles.clock.clone());
        let alice = UserId::parse("@alice:a.test").unwrap();
        for number in 0..TYPING_ROOMS_MAX {
            assert!(typing.started(&room(number), &alice, Duration::from_secs(5)));
        }
        assert!(!typing.started(&room(TYPING_ROOMS_MAX), &alice, Duration::from_secs(5)), "all places are taken");
        let (seen, now) = typing.news(None);
        assert!(seen > started_at, "a token from before a restart is older");
        assert_eq!(now.len(), TYPING_ROOMS_MAX);
        assert!(typing.news(Some(seen)).1.is_empty());
        handles.clock.sleep(Duration::from_secs(6)).await;
        assert_eq!(typing.expire().len(), TYPING_ROOMS_MAX);
        assert!(typing.news(Some(seen)).1.values().all(Vec::is_empty));
        assert!(typing.started(&room(TYPING_ROOMS_MAX), &alice, Duration::from_secs(5)));
        assert_eq!(typing.news(None).1.len(), 1);
    }
}

//! What is kept in memory to answer readers faster. Each entry says what it was computed from, or cannot change.

use std::sync::Arc;

use events::UserId;
use persistence::{RoomNumber, SnapshotNumber};
use quick_cache::sync::Cache;

use crate::limits::{KNOWN_MEMBERS_ROOMS_KEPT, SUMMARIES_KEPT, UNREAD_ROOMS_KEPT};
use crate::sync::{KnownMembers, Summary};
use crate::unread::Unread;

/// Caches of a server. Losing them costs time and nothing else.
pub(crate) struct Memory {
    /// How many notifications a user has in a room.
    pub(crate) unread: Cache<(UserId, RoomNumber), Arc<Unread>>,
    /// Which members of a room a device has been sent.
    pub(crate) known_members: Cache<(UserId, String, RoomNumber), Arc<KnownMembers>>,
    /// Who is in a room, by the number of its state, which never means another one.
    pub(crate) summaries: Cache<SnapshotNumber, Arc<Summary>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            unread: Cache::new(UNREAD_ROOMS_KEPT),
            known_members: Cache::new(KNOWN_MEMBERS_ROOMS_KEPT),
            summaries: Cache::new(SUMMARIES_KEPT),
        }
    }
}

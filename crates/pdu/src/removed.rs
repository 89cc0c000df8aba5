//! Servers that go on to speak in a room, though nobody of theirs is in it any more.
//!
//! Whoever removes a user tells their server. A hostile moderator may tell all the others instead, and what was to tell it may have been
//! lost: the server was off for long, or goes on with an old backup. The others soft-fail what its users say (S2S API, "Soft failure"),
//! which nobody tells it, and send it nothing any more: its users would talk to themselves for ever. So whoever speaks like that is sent
//! the membership event that keeps them from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use events::{ServerName, UserId};
use persistence::transactions::rooms as room_rows;
use persistence::{EventNumber, RoomNumber, StoreError, WriteTx};

use crate::due::milliseconds;
use crate::graph::Graph;
use crate::limits::{REMOVED_PAUSE, REMOVED_TOLD_MAX};

/// Who was told of which room, until when they are not told again, in milliseconds since 1970.
#[derive(Default)]
pub(crate) struct Removed(Mutex<BTreeMap<(RoomNumber, ServerName), i64>>);

impl Removed {
    /// Whether somebody may be told now.
    fn is_due(&self, room: RoomNumber, server: &ServerName, now: i64) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMOVED_TOLD_MAX {
            told.retain(|_, until| *until > now);
        }
        let is_resting = told.get(&(room, server.clone())).is_some_and(|until| *until > now);
        !is_resting && told.len() < REMOVED_TOLD_MAX
    }

    fn note(&self, room: RoomNumber, servers: BTreeSet<ServerName>, now: i64) {
        let until = now + milliseconds(REMOVED_PAUSE);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.extend(servers.into_iter().map(|server| ((room, server), until)));
    }
}

impl Graph {
    /// What `senders` have said was soft-failed. The servers of those who are not in the room are told why not, if nobody of theirs is.
    pub(crate) fn tell_removed<'a>(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        senders: impl Iterator<Item = &'a UserId>,
    ) -> Result<(), StoreError> {
        let now = self.handles().clock.now();
        let mut told = BTreeSet::new();
        for sender in senders {
            let server = sender.server();
            if server == *self.server_name() || told.contains(&server) || !self.removed().is_due(room, &server, now) {
                continue;
            }
            if let Some(event) = removal(tx, room, sender, &server)? {
                self.outbound().enqueue_pdu(tx, &BTreeSet::from([server.clone()]), room, event)?;
                told.insert(server);
            }
        }
        if !told.is_empty() {
            let graph = self.clone();
            tx.after_commit(move || graph.removed().note(room, told, now));
        }
        Ok(())
    }
}

/// The membership event by which a user is not in the room, if nobody of their server is.
fn removal(
    tx: &WriteTx<'_>,
    room: RoomNumber,
    user: &UserId,
    server: &ServerName,
) -> Result<Option<EventNumber>, StoreError> {
    if room_rows::is_server_joined(tx, room, server)? {
        return Ok(None);
    }
    match room_rows::membership(tx, room, user)?.as_deref() {
        Some("leave" | "ban") => room_rows::current(tx, room, "m.room.member", user.as_str()),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_remembered() {
        let (removed, pause) = (Removed::default(), milliseconds(REMOVED_PAUSE));
        let server = |number: usize| ServerName::parse(format!("s{number}.test")).unwrap();
        removed.note(RoomNumber(1), (0..REMOVED_TOLD_MAX).map(server).collect(), 0);
        assert!(!removed.is_due(RoomNumber(1), &server(0), pause - 1));
        assert!(!removed.is_due(RoomNumber(2), &server(0), pause - 1), "there is no space to remember that");
        assert!(removed.is_due(RoomNumber(2), &server(0), pause));
        assert!(removed.is_due(RoomNumber(1), &server(0), pause));
    }
}

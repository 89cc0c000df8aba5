//! The handle of this layer.

use std::sync::Arc;
use std::time::Duration;

use events::{RoomId, ServerName, UserId};
use handles::{Handles, Notifier};
use pdu::Graph;
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::{Database, StoreError};
use transport::exchange::BoxFuture;

use crate::MessagingError;
use crate::memory::Memory;
use crate::typing::Typing;

/// What messaging asks about users of this server.
pub trait UserDirectory: Send + Sync {
    /// Says whether `user` has an account here that may be invited.
    fn exists<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Counts that the server `from` invites `user`. If it does so too often: after how long it may do it again.
    fn count_invite(&self, from: &ServerName, user: &UserId) -> Result<(), Duration>;
}

/// Rooms, as the rest of the homeserver uses them. Cheap to clone.
#[derive(Clone)]
pub struct Messaging {
    graph: Graph,
    typing: Arc<Typing>,
    memory: Arc<Memory>,
    users: Arc<dyn UserDirectory>,
}

impl Messaging {
    /// Builds on the event graphs.
    pub fn new(graph: Graph, users: Arc<dyn UserDirectory>) -> Self {
        let typing = Arc::new(Typing::new(graph.handles().clock.clone()));
        Self { graph, typing, memory: Arc::default(), users }
    }

    /// The event graphs.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The database.
    pub fn database(&self) -> &Database {
        self.graph.database()
    }

    /// Our name.
    pub fn server_name(&self) -> &ServerName {
        self.graph.server_name()
    }

    /// The outside world.
    pub fn handles(&self) -> &Handles {
        self.graph.handles()
    }

    /// Wakes the users of ours for whom there is news.
    pub fn notifier(&self) -> &Notifier {
        self.graph.notifier()
    }

    /// Who is typing.
    pub fn typing(&self) -> &Typing {
        &self.typing
    }

    /// What readers have asked before.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn users(&self) -> &dyn UserDirectory {
        &*self.users
    }

    /// Says whether a user belongs to this server.
    pub(crate) fn is_ours(&self, user: &UserId) -> bool {
        user.server() == *self.server_name()
    }

    /// Returns a room that somebody here knows of.
    pub(crate) async fn room(&self, room_id: &RoomId) -> Result<RoomRow, MessagingError> {
        let id = room_id.clone();
        let row = self.database().read(move |tx| room_rows::by_id(tx, &id)).await?;
        row.ok_or_else(|| MessagingError::UnknownRoom(room_id.clone()))
    }

    /// Returns a room that `user` is joined to.
    pub(crate) async fn joined_room(&self, room_id: &RoomId, user: &UserId) -> Result<RoomRow, MessagingError> {
        let (id, who) = (room_id.clone(), user.clone());
        let row = self
            .database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(None) };
                let membership = room_rows::membership(tx, row.number, &who)?;
                Ok::<_, StoreError>((membership.as_deref() == Some("join")).then_some(row))
            })
            .await?;
        row.ok_or_else(|| MessagingError::not_joined(user, room_id))
    }

    /// Says whether anybody here is joined to the room.
    pub(crate) async fn are_we_in(&self, room_id: &RoomId) -> Result<bool, StoreError> {
        let (id, us) = (room_id.clone(), self.server_name().clone());
        self.database()
            .read(move |tx| match room_rows::by_id(tx, &id)? {
                Some(row) => room_rows::is_server_joined(tx, row.number, &us),
                None => Ok(false),
            })
            .await
    }
}

//! Users of ours whose membership was lost where forks met.
//!
//! State resolution may find against a join, though nobody removed who joined: by an old fork, which a peer may show to us alone. The
//! others, who do not know of it, count our user in, and nothing would ever tell them, since nobody here may say anything. So a server
//! that goes on to tell us of the room is asked how the user would leave. Where that cites the join which was lost here, nobody has
//! removed them there, either: they join once more, on top of what has happened since.

use events::{Object, Pdu, RoomId, ServerName};
use persistence::StoreError;
use persistence::transactions::events as event_rows;
use persistence::transactions::rooms as room_rows;
use transport::questions::Handshake;

use crate::fetch::Effort;
use crate::graph::Graph;
use crate::join::JoinError;
use crate::limits::{COUNTED_IN_USERS_MAX, JOIN_TIME_MAX};
use crate::unanswered_joins::{Attempt, cites, own_content};

impl Graph {
    /// `server` tells of a room that nobody here is in, by the current state. Whoever lost their membership there, and is counted in by
    /// `server`, joins once more.
    pub(crate) async fn regain_memberships(&self, room: &RoomId, server: &ServerName) -> Result<(), StoreError> {
        let effort = Effort::new(self.handles(), JOIN_TIME_MAX);
        for join in self.lost_joins(room).await? {
            match effort.within(self.join_once_more(&join, server)).await {
                Some(Ok(true)) => {
                    tracing::info!(room.id = %room, server.name = %server, "{} has joined {room} once more: {server} still counted them in, and nobody had removed them", join.sender());
                }
                Some(Ok(false)) => {}
                Some(Err(JoinError::Store(error))) => return Err(error),
                Some(Err(error)) => {
                    tracing::info!(room.id = %room, server.name = %server, "{} has not joined {room} once more: {error}", join.sender());
                }
                None => break,
            }
        }
        Ok(())
    }

    async fn lost_joins(&self, room: &RoomId) -> Result<Vec<Pdu>, StoreError> {
        let id = room.clone();
        self.database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(Vec::new()) };
                let limit = u32::try_from(COUNTED_IN_USERS_MAX).unwrap_or(u32::MAX);
                let mut joins = Vec::new();
                for event in room_rows::lost_joins(tx, row.number, limit)? {
                    joins.extend(event_rows::load(tx, row.version, event)?.map(|stored| stored.pdu));
                }
                Ok(joins)
            })
            .await
    }

    /// Returns whether `server` counted the user in by this join, and has let them in again.
    async fn join_once_more(&self, join: &Pdu, server: &ServerName) -> Result<bool, JoinError> {
        let (room, user) = (join.room_id(), join.sender());
        let counted_in = self.take_template(Handshake::Leave, room, user, &Object::new(), server).await;
        if !counted_in.is_ok_and(|template| cites(&template, join.event_id())) {
            return Ok(false);
        }
        let servers = [server.clone()];
        self.join_through(room, user, &own_content(join), server, Attempt::first(&servers)).await?;
        Ok(true)
    }
}

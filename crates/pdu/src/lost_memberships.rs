//! Users of ours whose membership was lost where forks met.
//!
//! State resolution may find against a join, though nobody removed who joined: by an old fork, which a peer may show to us alone. The
//! others, who do not know of it, count our user in, and nothing would ever tell them, since nobody here may say anything. So a server
//! that goes on to tell us of the room is asked how the user would leave. Where that cites the join which was lost here, nobody has
//! removed them there, either: they join once more, on top of what has happened since. Where the join rule lets nobody in any more, not
//! even who is in, they leave there: what they say would count nowhere here, and what is said to them, neither.

use events::auth::{AuthEvent, StateView, check_state};
use events::{Object, Pdu, RoomId, ServerName};
use persistence::StoreError;
use persistence::transactions::events as event_rows;
use persistence::transactions::rooms as room_rows;
use transport::questions::Handshake;

use crate::fetch::Effort;
use crate::graph::Graph;
use crate::join::JoinError;
use crate::limits::{COUNTED_IN_USERS_MAX, JOIN_TIME_MAX, LEAVE_TIME_MAX};
use crate::room::{Room, View};
use crate::unanswered_joins::{Attempt, cites, is_final, own_content};

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
                    if is_final(&error) {
                        self.leave_if_shut_out(&join, server).await?;
                    }
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

    /// `server` does not let in again whom it counts in. If it is right, nobody will.
    async fn leave_if_shut_out(&self, join: &Pdu, server: &ServerName) -> Result<(), StoreError> {
        let row = match self.turn(join.room_id()).await? {
            Some(turn) if turn.room().is_some_and(|room| !lets_in_again(room, join)) => turn.row.clone(),
            _ => return Ok(()),
        };
        let effort = Effort::new(self.handles(), LEAVE_TIME_MAX);
        if effort.within(self.leave_again_as(&row, join.sender(), server)).await.transpose()? == Some(true) {
            tracing::info!(room.id = %row.room_id, server.name = %server, "{} has left {} where others still counted them in: nobody may join", join.sender(), row.room_id);
        }
        Ok(())
    }
}

/// Whether the room, as we know it, would let a user in once more who is in it by `join`.
fn lets_in_again(room: &Room, join: &Pdu) -> bool {
    let Some(current) = &room.current else { return true };
    let join = AuthEvent::new(join);
    let view = WithMember { state: View { graph: &room.graph, map: &current.map }, member: &join };
    check_state(&join, &view).is_ok()
}

/// A state in which somebody is a member.
struct WithMember<'a> {
    state: View<'a>,
    member: &'a AuthEvent,
}

impl StateView for WithMember<'_> {
    fn get(&self, event_type: &str, state_key: &str) -> Option<&AuthEvent> {
        let is_member = event_type == self.member.event_type() && Some(state_key) == self.member.state_key();
        if is_member { Some(self.member) } else { self.state.get(event_type, state_key) }
    }
}

//! Rooms that we are not in, while others go on to count a user of ours in.
//!
//! A leave can lose against an older event when forks meet: state resolution orders by the clocks of those who made the events. Nobody
//! would ever tell us: whoever has heard of the leave alone does not send us anything any more, and what comes from others is of a room
//! that nobody here is in. They would send it for ever. So a server that tells us of a room we have left is asked, a while later, how
//! our users would leave it. Where it says how, they are members or invited there, and leave once more, on top of what has happened
//! since. And if a user of ours has asked to join, and nobody has answered, that server is asked what became of it
//! (`unanswered_joins`); one who has lost their membership where forks met comes back (`lost_memberships`). Who is out by an event that
//! was kept from the others leaves in their eyes, too: better than to be spoken to, and not to hear it. If we have come in
//! meanwhile, it is asked where the room is: what it said before was ignored. This is kept in memory only: who still counts us in
//! after a restart tells us again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use events::{EventId, Object, RoomId, ServerName, UserId};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::unanswered_joins::{self, UnansweredJoin};
use persistence::{ReadTx, StoreError};
use transport::questions::Handshake;

use crate::fetch::Effort;
use crate::gates::{Presence, presence};
use crate::graph::Graph;
use crate::limits::{COUNTED_IN_LEAVES_MAX, COUNTED_IN_USERS_MAX, LEAVE_TIME_MAX};
use crate::looks::Looks;
use crate::waiting::is_placed;

/// Who told us of which rooms, and what was done then.
#[derive(Default)]
pub(crate) struct CountedIn {
    told: Looks<RoomId>,
    /// Leaves that were made so. They are not in the graph: by what we know there was nothing to leave.
    left: Mutex<BTreeSet<EventId>>,
}

impl CountedIn {
    pub(crate) fn note_left(&self, leave: &EventId) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() >= COUNTED_IN_LEAVES_MAX {
            left.clear();
        }
        left.insert(leave.clone());
    }

    fn has_left(&self, leave: &EventId) -> bool {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).contains(leave)
    }
}

impl Graph {
    /// `server` tells of a room that nobody here is in, as far as we know.
    pub(crate) fn note_counted_in(&self, room: &RoomId, server: &ServerName) {
        self.counted_in().told.note(server, room, self.handles().clock.now());
    }

    /// Starts the task that leaves such rooms once more.
    pub(crate) fn start_leaving_again(&self) {
        let graph = self.clone();
        self.handles().tasks.spawn("leaving again", async move {
            let clock = &*graph.handles().clock;
            loop {
                let (server, room) = graph.counted_in().told.next(clock).await;
                if let Err(error) = graph.leave_again(&room, &server).await {
                    tracing::error!("a room is not left again now, since the database failed: {error}");
                }
            }
        });
    }

    async fn leave_again(&self, room: &RoomId, server: &ServerName) -> Result<(), StoreError> {
        self.ask_about_joins(room, server).await?;
        if let Some(user) = self.member_of_ours(room).await? {
            // We came in meanwhile. What it told us before was ignored.
            return self.hear_from(server, room, &user).await;
        }
        self.regain_memberships(room, server).await?;
        let Some((row, mut users)) = self.left_by(room).await? else { return Ok(()) };
        // Where many have left, others are asked about next time.
        let first = self.handles().random.below(users.len() as u64);
        users.rotate_left(usize::try_from(first).unwrap_or(0));
        users.truncate(COUNTED_IN_USERS_MAX);
        let effort = Effort::new(self.handles(), LEAVE_TIME_MAX);
        for user in users {
            match effort.within(self.leave_again_as(&row, &user, server)).await {
                Some(Ok(true)) => {
                    tracing::info!(room.id = %row.room_id, server.name = %server, "{user} has left {} once more: {server} still counted them in", row.room_id);
                }
                Some(Ok(false)) => {}
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        Ok(())
    }

    async fn member_of_ours(&self, room: &RoomId) -> Result<Option<UserId>, StoreError> {
        let (us, id) = (self.server_name().clone(), room.clone());
        self.database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(None) };
                Ok(room_rows::members_of_server(tx, row.number, "join", &us)?.into_iter().next())
            })
            .await
    }

    /// The users of ours that have left a room. `None` if there are none, or somebody is in it.
    async fn left_by(&self, room: &RoomId) -> Result<Option<(RoomRow, Vec<UserId>)>, StoreError> {
        let (us, id) = (self.server_name().clone(), room.clone());
        self.database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(None) };
                let mut users = room_rows::members_of_server(tx, row.number, "leave", &us)?;
                users.extend(room_rows::members_of_server(tx, row.number, "ban", &us)?);
                let limit = u32::try_from(COUNTED_IN_USERS_MAX).unwrap_or(u32::MAX);
                users.extend(room_rows::lost_leaves(tx, row.number, limit)?);
                let is_left = !users.is_empty() && !room_rows::is_server_joined(tx, row.number, &us)?;
                Ok::<_, StoreError>(is_left.then_some((row, users)))
            })
            .await
    }

    /// Returns whether `server` counted the user in and has taken the leave.
    pub(crate) async fn leave_again_as(
        &self,
        row: &RoomRow,
        user: &UserId,
        server: &ServerName,
    ) -> Result<bool, StoreError> {
        let (owned, who) = (row.clone(), user.clone());
        if self.database().read(move |tx| may_come_in(tx, &owned, &who)).await? {
            return Ok(false);
        }
        // Who is not in the room by its state is refused.
        let template = self.take_template(Handshake::Leave, &row.room_id, user, &Object::new(), server).await;
        let Ok(taken) = template else { return Ok(false) };
        if taken.version != row.version {
            return Ok(false);
        }
        let (owned, who) = (row.clone(), user.clone());
        // What others of ours have left by is news to nobody here.
        let parents = taken.event.prev_events.iter().map(|parent| parent.event_id.clone());
        let knows: Vec<EventId> = parents.filter(|parent| !self.counted_in().has_left(parent)).collect();
        let is_out = move |tx: &ReadTx<'_>| {
            // They may have asked to join while the server was asked, or somebody else of ours came in.
            Ok::<_, StoreError>(!may_come_in(tx, &owned, &who)? && is_heard_out(tx, &owned, &who.server(), &knows)?)
        };
        if !self.database().read(is_out).await? {
            return Ok(false);
        }
        let Ok(pdu) = taken.event.sign(row.version, self.server_name(), self.signing_key()) else { return Ok(false) };
        let is_taken = self.requests().send_leave(server, &row.room_id, pdu.event_id(), pdu.object()).await.is_ok();
        if is_taken {
            self.counted_in().note_left(pdu.event_id());
        }
        Ok(is_taken)
    }
}

/// Whether somebody of ours is in the room, or this user was invited, or asks to come in.
pub(crate) fn may_come_in(tx: &ReadTx<'_>, row: &RoomRow, user: &UserId) -> Result<bool, StoreError> {
    let is_asking = |(join, _): &(UnansweredJoin, i64)| join.room_id == row.room_id && join.user == *user;
    let standing = room_rows::standing_in(tx, user, row.number)?;
    let is_at_the_door = standing.is_some_and(|standing| matches!(standing.membership.as_str(), "invite" | "knock"));
    Ok(is_at_the_door
        || room_rows::is_server_joined(tx, row.number, &user.server())?
        || unanswered_joins::all(tx)?.iter().any(is_asking))
}

/// Whether what a server says of the room can change nothing: `heads` is what it knows of it.
///
/// Where a user of ours is a member by one fork only, we listen on. Who counts them in may know more than we do, by which they are;
/// when we have all of that, and they are not, it knows less: a ban that was shown to us alone, by somebody who may ban.
fn is_heard_out(tx: &ReadTx<'_>, row: &RoomRow, us: &ServerName, heads: &[EventId]) -> Result<bool, StoreError> {
    if presence(tx, row, us)? == Presence::Absent {
        return Ok(true);
    }
    for head in heads {
        if !is_placed(tx, row.number, head)? {
            return Ok(false);
        }
    }
    Ok(true)
}

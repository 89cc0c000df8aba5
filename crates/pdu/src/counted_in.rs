//! Rooms that we have left, while others go on to count a user of ours in.
//!
//! A leave can lose against an older event when forks meet: state resolution orders by the clocks of those who made the events. Nobody
//! would ever tell us: whoever has heard of the leave alone does not send us anything any more, and what comes from others is of a room
//! that nobody here is in. They would send it for ever. So a server that tells us of a room we have left is asked, a while later, how
//! our users would leave it. Where it says how, they are members or invited there, and leave once more, on top of what has happened
//! since. This is kept in memory only: who still counts us in after a restart tells us again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::{Object, RoomId, ServerName, UserId};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::unanswered_joins;
use persistence::{ReadTx, StoreError};
use tokio::sync::Notify;
use transport::questions::Handshake;

use crate::due::{milliseconds, rest, until};
use crate::fetch::Effort;
use crate::gates::may_be_in_room;
use crate::graph::Graph;
use crate::limits::{COUNTED_IN_AFTER, COUNTED_IN_MAX, COUNTED_IN_PAUSE, COUNTED_IN_USERS_MAX, LEAVE_TIME_MAX};

/// Who told us of which rooms, and the task that asks them.
#[derive(Default)]
pub(crate) struct CountedIn {
    told: Mutex<BTreeMap<(RoomId, ServerName), Look>>,
    news: Notify,
}

/// Times are in milliseconds since 1970.
#[derive(Clone, Copy)]
enum Look {
    DueAt(i64),
    /// It was asked, and is not asked again before.
    DoneUntil(i64),
}

impl Look {
    fn is_over(self, now: i64) -> bool {
        match self {
            Self::DueAt(_) => false,
            Self::DoneUntil(until) => until <= now,
        }
    }
}

impl CountedIn {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(RoomId, ServerName), Look>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, room: &RoomId, server: &ServerName, now: i64) {
        let mut told = self.lock();
        let key = (room.clone(), server.clone());
        if told.get(&key).is_some_and(|look| !look.is_over(now)) {
            return;
        }
        if told.len() >= COUNTED_IN_MAX {
            told.retain(|_, look| !look.is_over(now));
        }
        if told.len() < COUNTED_IN_MAX {
            told.insert(key, Look::DueAt(now + milliseconds(COUNTED_IN_AFTER)));
            self.news.notify_one();
        }
    }

    /// Takes one that is due, or says how long it is until one is.
    fn take(&self, now: i64) -> Result<(RoomId, ServerName), Option<Duration>> {
        let mut told = self.lock();
        let due = |look: Look| match look {
            Look::DueAt(at) => Some(at),
            Look::DoneUntil(_) => None,
        };
        let next = told.iter_mut().filter_map(|(key, look)| Some((due(*look)?, key, look))).min_by_key(|(at, ..)| *at);
        match next {
            Some((at, key, look)) if at <= now => {
                *look = Look::DoneUntil(now + milliseconds(COUNTED_IN_PAUSE));
                Ok(key.clone())
            }
            Some((at, ..)) => Err(Some(until(at, now))),
            None => Err(None),
        }
    }
}

impl Graph {
    /// `server` tells of a room that nobody here is in any more.
    pub(crate) fn note_counted_in(&self, room: &RoomId, server: &ServerName) {
        self.counted_in().note(room, server, self.handles().clock.now());
    }

    /// Starts the task that leaves such rooms once more.
    pub(crate) fn start_leaving_again(&self) {
        let graph = self.clone();
        self.handles().tasks.spawn("leaving again", async move {
            loop {
                let pause = match graph.counted_in().take(graph.handles().clock.now()) {
                    Err(pause) => pause,
                    Ok((room, server)) => {
                        if let Err(error) = graph.leave_again(&room, &server).await {
                            tracing::error!("a room is not left again now, since the database failed: {error}");
                        }
                        continue;
                    }
                };
                rest(&*graph.handles().clock, &graph.counted_in().news, pause).await;
            }
        });
    }

    async fn leave_again(&self, room: &RoomId, server: &ServerName) -> Result<(), StoreError> {
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

    /// The users of ours that have left a room. `None` if there are none, or somebody is in it, or may be soon.
    async fn left_by(&self, room: &RoomId) -> Result<Option<(RoomRow, Vec<UserId>)>, StoreError> {
        let (us, id) = (self.server_name().clone(), room.clone());
        self.database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(None) };
                let mut users = room_rows::members_of_server(tx, row.number, "leave", &us)?;
                users.extend(room_rows::members_of_server(tx, row.number, "ban", &us)?);
                let is_left = !users.is_empty() && !may_come_in(tx, &row, &us)?;
                Ok::<_, StoreError>(is_left.then_some((row, users)))
            })
            .await
    }

    /// Returns whether `server` counted the user in and has taken the leave.
    async fn leave_again_as(&self, row: &RoomRow, user: &UserId, server: &ServerName) -> Result<bool, StoreError> {
        // Who is not in the room by its state is refused.
        let template = self.take_template(Handshake::Leave, &row.room_id, user, &Object::new(), server).await;
        let Ok(taken) = template else { return Ok(false) };
        // They, or another user of ours, may have asked to join while the server was asked.
        let (us, owned) = (self.server_name().clone(), row.clone());
        if taken.version != row.version || self.database().read(move |tx| may_come_in(tx, &owned, &us)).await? {
            return Ok(false);
        }
        let Ok(pdu) = taken.event.sign(row.version, self.server_name(), self.signing_key()) else { return Ok(false) };
        Ok(self.requests().send_leave(server, &row.room_id, pdu.event_id(), pdu.object()).await.is_ok())
    }
}

/// Whether a user of ours is in the room, or was invited, or asks to come in.
fn may_come_in(tx: &ReadTx<'_>, row: &RoomRow, us: &ServerName) -> Result<bool, StoreError> {
    let is_asking = |join: &(unanswered_joins::UnansweredJoin, i64)| join.0.room_id == row.room_id;
    Ok(may_be_in_room(tx, row, us)?
        || !room_rows::users_concerned(tx, row.number)?.is_empty()
        || unanswered_joins::all(tx)?.iter().any(is_asking))
}

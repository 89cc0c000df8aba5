//! Joins that were sent, and of which we do not know whether we were let in: the answer was lost, or this server ended while it waited.
//!
//! The others may take our user for a member, and we would ignore what they say. So a join is remembered before it is sent. If no
//! answer comes, the server, and others that may know, are asked how the user would leave, which any member may: where that template
//! cites our join, we are in the room, and the same join is sent again for the answer; if we have been in the room in another stay, or
//! have got the join there, the user joins anew. Where it does not, the join never counted, or they were removed since, and are not brought back unasked. A join that
//! does not count where we asked, since a server soft-failed it or knows a stricter rule, may yet count when the forks of the room meet: so
//! it is asked about ever more seldom for a week; as is one that counts where nobody is let in just now. Whoever tells us of the room
//! meanwhile is asked, too. Whom the others still count in after that leaves.

use std::time::Duration;

use events::{EventId, Object, Pdu, RoomId, RoomVersion, ServerName, UserId};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph as graph_rows;
use persistence::transactions::rooms as room_rows;
use persistence::transactions::unanswered_joins::{self as rows, UnansweredJoin};
use persistence::{Database, ReadTx, StoreError};
use serde::Serialize;
use tokio::sync::Notify;
use transport::questions::Handshake;

use crate::counted_in::may_come_in;
use crate::due::{doubled, milliseconds, rest, until};
use crate::fetch::Effort;
use crate::graph::Graph;
use crate::join::JoinError;
use crate::limits::{
    JOIN_TIME_MAX, LEAVE_TIME_MAX, STAGED_RETRY_FIRST, UNANSWERED_JOIN_HORIZON, UNANSWERED_JOIN_RETRY_FIRST,
    UNANSWERED_JOIN_RETRY_MAX, UNANSWERED_JOIN_SERVERS_MAX,
};
use crate::template::Taken;
use crate::waiting::is_placed;

/// A join of which we do not know yet whether it counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JoinInDoubt {
    /// The room.
    pub room_id: RoomId,
    /// Who wants to be in it.
    pub user: UserId,
    /// The join.
    pub event_id: EventId,
    /// Who is asked, first the server that it was sent to.
    pub servers: Vec<ServerName>,
    /// When it was sent first, in milliseconds since 1970.
    pub since: i64,
    /// How often was asked.
    pub attempts: i64,
    /// When is asked next, in milliseconds since 1970. At first the answer is waited for until then.
    pub retry_at: i64,
}

/// Tells of all joins in doubt, whether a server runs or not.
pub async fn joins_in_doubt(database: &Database) -> Result<Vec<JoinInDoubt>, StoreError> {
    let all = database.read(rows::all).await?;
    let describe = |(join, retry_at): (UnansweredJoin, i64)| JoinInDoubt {
        servers: serde_json::from_str(&join.servers).unwrap_or_default(),
        room_id: join.room_id,
        user: join.user,
        event_id: join.event_id,
        since: join.since,
        attempts: join.attempts,
        retry_at,
    };
    Ok(all.into_iter().map(describe).collect())
}

/// Wakes the task that looks what became of joins.
#[derive(Default)]
pub(crate) struct UnansweredJoins(Notify);

/// How often was tried before, and who may know what becomes of it.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    servers: &'a [ServerName],
    before: i64,
}

impl<'a> Attempt<'a> {
    /// The first one, through one of `servers`.
    pub(crate) fn first(servers: &'a [ServerName]) -> Self {
        Self { servers, before: 0 }
    }
}

/// Whether there is more to find out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Known,
    Unknown,
}

/// What a server knows of a join.
enum Told {
    /// It counted, and we are in the room by it.
    All,
    /// The user is not in the room by it.
    DidNotCount,
    /// It did not answer, or does not know.
    NotYet,
}

impl Graph {
    /// Tells of all joins in doubt.
    pub async fn joins_in_doubt(&self) -> Result<Vec<JoinInDoubt>, StoreError> {
        joins_in_doubt(self.database()).await
    }

    /// Remembers a join that is about to be sent to `server`. The others may know of it later.
    pub(crate) async fn remember_join(
        &self,
        join: &Pdu,
        server: &ServerName,
        attempt: Attempt<'_>,
    ) -> Result<(), StoreError> {
        let others = attempt.servers.iter().filter(|other| *other != server);
        let servers: Vec<&ServerName> = std::iter::once(server).chain(others).collect();
        let now = self.handles().clock.now();
        let join = UnansweredJoin {
            event_id: join.event_id().clone(),
            room_id: join.room_id().clone(),
            user: join.sender().clone(),
            servers: serde_json::to_string(&servers).expect("names are plain data"),
            room_version: join.version().as_str().to_owned(),
            event: serde_json::to_string(join.object()).expect("an event is plain data"),
            since: now,
            attempts: attempt.before,
        };
        self.database().write(move |tx| rows::note(tx, &join, now + milliseconds(JOIN_TIME_MAX))).await?;
        // Whoever waits for the answer may be gone when it should come.
        self.unanswered_joins().0.notify_one();
        Ok(())
    }

    /// A join that was sent has failed here. If it was not refused, whoever was asked may have let us in all the same.
    pub(crate) async fn look_after_failed_join(
        &self,
        join: &Pdu,
        error: &JoinError,
        attempt: Attempt<'_>,
    ) -> Result<(), StoreError> {
        let (id, retry_at) = (join.event_id().clone(), self.handles().clock.now() + pause(attempt.before));
        let is_refused = is_final(error);
        self.database()
            .write(move |tx| if is_refused { rows::remove(tx, &id) } else { rows::postpone(tx, &id, retry_at) })
            .await?;
        self.unanswered_joins().0.notify_one();
        Ok(())
    }

    /// Starts the task that looks what became of joins. Nobody waits for the answers to those from before a restart.
    pub(crate) async fn start_unanswered_joins(&self) -> Result<(), StoreError> {
        let now = self.handles().clock.now();
        if self.database().read(rows::next_due).await?.is_some() {
            self.database().write(move |tx| rows::make_due(tx, now)).await?;
        }
        let graph = self.clone();
        self.handles().tasks.spawn("unanswered joins", async move {
            loop {
                let pause = Box::pin(graph.look_at_due_joins()).await.unwrap_or_else(|error| {
                    tracing::error!("what became of joins is not looked for now, since the database failed: {error}");
                    Some(STAGED_RETRY_FIRST)
                });
                rest(&*graph.handles().clock, &graph.unanswered_joins().0, pause).await;
            }
        });
        Ok(())
    }

    /// Looks at those that are due. Returns when others are; `None` if there are none.
    async fn look_at_due_joins(&self) -> Result<Option<Duration>, StoreError> {
        loop {
            let now = self.handles().clock.now();
            let (due, next) =
                self.database().read(move |tx| Ok::<_, StoreError>((rows::due(tx, now)?, rows::next_due(tx)?))).await?;
            let Some(join) = due else {
                return Ok(next.map(|next| until(next, now)));
            };
            // What stands in the way of one holds up no others.
            let fate = self.find_out(&join).await.unwrap_or_else(|error| {
                tracing::error!(room.id = %join.room_id, event.id = %join.event_id, "What became of the join of {} is not found out now, since the database failed: {error}", join.user);
                Fate::Unknown
            });
            let (id, retry_at) = (join.event_id.clone(), self.handles().clock.now() + pause(join.attempts));
            let is_over = now - join.since > milliseconds(UNANSWERED_JOIN_HORIZON);
            self.database()
                .write(move |tx| match fate {
                    Fate::Unknown if !is_over => rows::postpone(tx, &id, retry_at),
                    Fate::Unknown | Fate::Known => rows::remove(tx, &id),
                })
                .await?;
            if is_over && fate == Fate::Unknown {
                self.leave_in_vain(&join).await?;
            }
        }
    }

    async fn find_out(&self, join: &UnansweredJoin) -> Result<Fate, StoreError> {
        if self.join_of(&join.room_id, &join.user).await?.is_some() {
            return Ok(Fate::Known);
        }
        let Some((version, ours, servers)) = read(join) else {
            tracing::error!(event.id = %join.event_id, "The join {} is stored, and cannot be read", join.event_id);
            return Ok(Fate::Known);
        };
        let attempt = Attempt { servers: &servers, before: join.attempts + 1 };
        let mut fate = Fate::Known;
        for (at, server) in servers.iter().enumerate() {
            let effort = Effort::new(self.handles(), JOIN_TIME_MAX);
            match effort.within(self.ask_about(server, version, &ours, attempt)).await {
                // It knows our join as nobody else does, and will know when it counts. Others may not have heard of it yet.
                Some(Ok(Told::DidNotCount)) if at == 0 => return Ok(Fate::Unknown),
                None | Some(Ok(Told::NotYet | Told::DidNotCount)) => fate = Fate::Unknown,
                Some(Ok(Told::All)) => {
                    self.hear_others(server, &servers, &ours).await?;
                    return Ok(Fate::Known);
                }
                Some(Err(JoinError::Store(error))) => return Err(error),
                Some(Err(error)) => {
                    tracing::info!(room.id = %join.room_id, server.name = %server, "Could not join through {server}: {error}");
                    fate = Fate::Unknown;
                }
            }
        }
        Ok(fate)
    }

    /// Asks a server whether our join counted, and if so enters the room.
    async fn ask_about(
        &self,
        server: &ServerName,
        version: RoomVersion,
        ours: &Pdu,
        attempt: Attempt<'_>,
    ) -> Result<Told, JoinError> {
        let (room_id, user) = (ours.room_id(), ours.sender());
        let taken = match self.take_template(Handshake::Leave, room_id, user, &Object::new(), server).await {
            Ok(taken) if cites(&taken, ours.event_id()) => taken,
            Ok(_) | Err(JoinError::Refused { status: 403, .. }) => return Ok(Told::DidNotCount),
            // Nor does it know the room if it was restored from a backup: others, who heard of our join before, may tell us.
            Err(_) => return Ok(Told::NotYet),
        };
        let latest = latest_of(taken);
        tracing::info!(room.id = %room_id, server.name = %server, "{server} says that {user} was let into {room_id}");
        let entered = if self.knows_more_than(ours).await? {
            // We know what happened since: a state from before would take the room back. A new join stands on what is now.
            self.join_through(room_id, user, &own_content(ours), server, attempt).await
        } else {
            self.send_and_enter(room_id, version, ours, server).await
        };
        entered?;
        self.catch_up(room_id, server, latest).await?;
        Ok(Told::All)
    }

    /// A join is asked about no more. Where the user was let in, and not let in once more, as where nobody may join any more, they leave.
    async fn leave_in_vain(&self, join: &UnansweredJoin) -> Result<(), StoreError> {
        let Some((_, ours, servers)) = read(join) else { return Ok(()) };
        let (id, who) = (join.room_id.clone(), join.user.clone());
        let may_come_in = move |tx: &ReadTx<'_>| match room_rows::by_id(tx, &id)? {
            Some(row) => may_come_in(tx, &row, &who),
            None => Ok(false),
        };
        if self.database().read(may_come_in).await? {
            return Ok(());
        }
        let content = Object::new();
        for server in &servers {
            let effort = Effort::new(self.handles(), LEAVE_TIME_MAX);
            let left = self.shake(Handshake::Leave, ours.room_id(), ours.sender(), &content, server);
            match effort.within(left).await {
                Some(Ok((leave, _))) => {
                    self.counted_in().note_left(leave.event_id());
                    tracing::info!(room.id = %join.room_id, server.name = %server, "{} has left {}, where {server} still counted them in, and nobody let them in", join.user, join.room_id);
                }
                Some(Err(JoinError::Store(error))) => return Err(error),
                Some(Err(_)) | None => {}
            }
        }
        Ok(())
    }

    /// We came in through one server. Others may know more of the room, and have told us meanwhile, when we ignored them: they are asked
    /// where it is.
    async fn hear_others(&self, came_in_by: &ServerName, servers: &[ServerName], ours: &Pdu) -> Result<(), StoreError> {
        for server in servers.iter().filter(|server| *server != came_in_by) {
            self.hear_from(server, ours.room_id(), ours.sender()).await?;
        }
        Ok(())
    }

    /// Asks a server where a room is that `user` of ours is in, and receives what has happened. If it does not answer, it tells us with
    /// the next event.
    pub(crate) async fn hear_from(
        &self,
        server: &ServerName,
        room_id: &RoomId,
        user: &UserId,
    ) -> Result<(), StoreError> {
        let effort = Effort::new(self.handles(), JOIN_TIME_MAX);
        let content = Object::new();
        let asked = effort.within(self.take_template(Handshake::Leave, room_id, user, &content, server)).await;
        let Some(Ok(taken)) = asked else { return Ok(()) };
        effort.within(self.catch_up(room_id, server, latest_of(taken))).await.unwrap_or(Ok(()))
    }

    /// `server` tells us of a room that we are not in. If we have asked to be let in, and do not know what became of it, it is asked, too.
    pub(crate) async fn ask_about_joins(&self, room_id: &RoomId, server: &ServerName) -> Result<(), StoreError> {
        let id = room_id.clone();
        let mut joins = self.database().read(rows::all).await?;
        joins.retain(|(join, _)| join.room_id == id);
        if joins.is_empty() {
            return Ok(());
        }
        let (server, now) = (server.clone(), self.handles().clock.now());
        self.database()
            .write(move |tx| {
                for (join, _) in &joins {
                    let mut servers: Vec<ServerName> = serde_json::from_str(&join.servers).unwrap_or_default();
                    if !servers.contains(&server) && servers.len() < UNANSWERED_JOIN_SERVERS_MAX {
                        servers.push(server.clone());
                    }
                    let servers = serde_json::to_string(&servers).expect("names are plain data");
                    rows::ask_now(tx, &join.event_id, &servers, now)?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        self.unanswered_joins().0.notify_one();
        Ok(())
    }

    /// Whether what we know of a room, since another user of ours was in it, may be from after a join, or has the join itself. Of an
    /// earlier stay it is not: that join can be sent again, also where nobody may join any more.
    async fn knows_more_than(&self, join: &Pdu) -> Result<bool, StoreError> {
        let (id, join_id, depth) = (join.room_id().clone(), join.event_id().clone(), join.depth());
        self.database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(false) };
                if is_placed(tx, row.number, &join_id)? {
                    return Ok(true);
                }
                for head in graph_rows::extremities(tx, row.number)? {
                    let stored = event_rows::load(tx, row.version, head)?;
                    if stored.is_none_or(|stored| stored.pdu.depth() >= depth) {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }

    /// Receives what happened in a room since we were let in: `latest`, and what is before it.
    async fn catch_up(&self, room_id: &RoomId, server: &ServerName, latest: Vec<EventId>) -> Result<(), StoreError> {
        let id = room_id.clone();
        let Some(row) = self.database().read(move |tx| room_rows::by_id(tx, &id)).await? else { return Ok(()) };
        let mut pdus = Vec::new();
        for id in latest {
            let (number, event) = (row.number, id.clone());
            if !self.database().read(move |tx| is_placed(tx, number, &event)).await? {
                pdus.extend(self.fetch_event(&row, server, &id).await);
            }
        }
        if pdus.is_empty() { Ok(()) } else { self.receive(&row, server, pdus).await }
    }
}

/// What was stored of a join. `None` if that is no event.
fn read(join: &UnansweredJoin) -> Option<(RoomVersion, Pdu, Vec<ServerName>)> {
    let version = RoomVersion::parse(&join.room_version)?;
    let event: Object = serde_json::from_str(&join.event).ok()?;
    let ours = Pdu::from_store(event, version, join.event_id.clone(), false).ok()?;
    Some((version, ours, serde_json::from_str(&join.servers).ok()?))
}

/// What the user put into a join.
pub(crate) fn own_content(join: &Pdu) -> Object {
    let mut content = join.content().clone();
    content.remove("membership");
    content.remove("join_authorised_via_users_server");
    content
}

/// Where the room is, by what who gave the template knows.
fn latest_of(taken: Taken) -> Vec<EventId> {
    taken.event.prev_events.into_iter().map(|parent| parent.event_id).collect()
}

/// Whether the template's event is allowed by `join`.
pub(crate) fn cites(taken: &Taken, join: &EventId) -> bool {
    taken.event.auth_events.iter().any(|cited| cited.event_id == *join)
}

/// Whether the server did not let us in, for sure.
pub(crate) fn is_final(error: &JoinError) -> bool {
    match error {
        JoinError::Refused { status, .. } => says_no(*status),
        JoinError::NoServers(_) | JoinError::UnsupportedVersion { .. } => true,
        JoinError::Failed { .. } | JoinError::Store(_) => false,
    }
}

/// Whether an answer is about what was asked for. That a server cannot have our keys now (401), or has too much to do (408, 429), says
/// nothing.
fn says_no(status: u16) -> bool {
    (400..500).contains(&status) && !matches!(status, 401 | 408 | 429)
}

/// The pause before the next look, in milliseconds.
fn pause(attempts: i64) -> i64 {
    doubled(UNANSWERED_JOIN_RETRY_FIRST, UNANSWERED_JOIN_RETRY_MAX, attempts)
}

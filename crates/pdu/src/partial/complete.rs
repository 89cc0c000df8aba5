//! Fetches the members of partial rooms in the background, from several servers, across restarts.

use std::time::Duration;

use defects::Defect;
use events::auth_graph::StateMap;
use events::{EventId, RoomId, ServerName};
use persistence::transactions::partial::{self as rows, PartialRoom};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, graph as graph_rows};
use persistence::{Database, EventNumber, ReadTx, StoreError};
use serde::Serialize;
use transaction::requests::RoomStateIds;

use super::keys::{LackingKeys, keys_pause};
use super::replay::ReplayError;
use crate::due::{doubled, milliseconds, rest, until};
use crate::gates::{Presence, may_be_in_room};
use crate::graph::Graph;
use crate::limits::{
    JOIN_EVENTS_MAX, JOINS_AT_ONCE, LOOKED_UP_AT_ONCE, PARTIAL_HORIZON, PARTIAL_RETRY_FIRST, PARTIAL_RETRY_MAX,
    STAGED_RETRY_FIRST,
};
use crate::outliers::state_of;
use crate::room::Room;

/// When a room that was given up is tried again: not before a restart.
pub(super) const NEVER: i64 = i64::MAX;

/// How far a join has come whose members are being fetched.
#[derive(Debug, Clone, Serialize)]
pub struct JoinProgress {
    /// The room.
    pub room_id: RoomId,
    /// Who let us in.
    pub given_by: ServerName,
    /// When we joined, in milliseconds since 1970.
    pub since: i64,
    /// How many events of its state, and of what that cites, are wanted; `None` until a server has named them.
    pub wanted: Option<i64>,
    /// How many of these are not here.
    pub lacking: Option<i64>,
    /// How many attempts have failed.
    pub attempts: i64,
    /// When it is tried again, in milliseconds since 1970; `None` if it was given up.
    pub retry_at: Option<i64>,
    /// Why the last attempt failed.
    pub problem: Option<String>,
    /// All members are here, but for those whose signatures could not be checked.
    pub whole: bool,
    /// The servers whose keys could not be had.
    pub lacking_keys_of: Vec<ServerName>,
}

/// A server could not make a room whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum Incomplete {
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How an attempt ended that did not fail.
pub(super) enum Completed {
    Whole,
    /// We have left the room, and perhaps joined it again.
    LeftMeanwhile,
}

/// What a partial room needs.
pub(super) struct Wanted {
    pub(super) partial: PartialRoom,
    pub(super) row: RoomRow,
    pub(super) join: EventId,
}

/// Tells of all joins whose members are being fetched, whether a server runs or not.
pub async fn joins_under_way(database: &Database) -> Result<Vec<JoinProgress>, StoreError> {
    database.read(progress).await
}

fn progress(tx: &ReadTx<'_>) -> Result<Vec<JoinProgress>, StoreError> {
    let describe = |partial: PartialRoom| {
        Ok(JoinProgress {
            room_id: room_rows::by_number(tx, partial.room)?.room_id,
            given_by: partial.given_by,
            since: partial.since,
            wanted: partial.wanted,
            lacking: partial.lacking,
            attempts: partial.attempts,
            retry_at: Some(partial.retry_at).filter(|at| *at != NEVER),
            problem: partial.problem,
            whole: partial.whole,
            lacking_keys_of: LackingKeys::from_json(partial.keys.as_deref()).servers(),
        })
    };
    rows::all(tx)?.into_iter().map(describe).collect()
}

impl Graph {
    /// Tells of all joins whose members are being fetched.
    pub async fn joins_under_way(&self) -> Result<Vec<JoinProgress>, StoreError> {
        joins_under_way(self.database()).await
    }

    /// There is a new partial room.
    pub(crate) fn wake_joins(&self) {
        self.joins().news.notify_one();
    }

    /// Starts the task that makes partial rooms whole. What was given up is tried anew.
    pub(crate) async fn start_joins(&self) -> Result<(), StoreError> {
        let now = self.handles().clock.now();
        self.database().write(move |tx| rows::retry_all(tx, now)).await?;
        let graph = self.clone();
        self.handles().tasks.spawn("joins", async move {
            loop {
                let pause = graph.begin_due().await.unwrap_or_else(|error| {
                    tracing::error!("no members are fetched for now, since the database failed: {error}");
                    Some(STAGED_RETRY_FIRST)
                });
                rest(&*graph.handles().clock, &graph.joins().news, pause).await;
            }
        });
        Ok(())
    }

    /// Begins with the rooms that are due. Returns when more are; `None` if none wait, or one that ends will say so.
    async fn begin_due(&self) -> Result<Option<Duration>, StoreError> {
        let now = self.handles().clock.now();
        for partial in self.database().read(rows::all).await? {
            if partial.retry_at == NEVER {
                continue;
            }
            if partial.retry_at > now {
                return Ok(Some(until(partial.retry_at, now)));
            }
            {
                let mut running = self.joins().running();
                if running.len() >= JOINS_AT_ONCE {
                    return Ok(None);
                }
                if !running.insert(partial.room) {
                    continue;
                }
            }
            let graph = self.clone();
            self.handles().tasks.spawn("join", async move {
                let room = partial.room;
                if let Err(error) = graph.complete(partial).await {
                    tracing::error!(
                        "the members of a room are not fetched for now, since the database failed: {error}"
                    );
                    graph.handles().clock.sleep(STAGED_RETRY_FIRST).await;
                }
                graph.joins().running().remove(&room);
                graph.joins().ended.send_modify(|ended| *ended += 1);
                graph.wake_joins();
            });
        }
        Ok(None)
    }

    /// Asks one server after the other for what a partial room needs.
    async fn complete(&self, partial: PartialRoom) -> Result<(), StoreError> {
        let (number, event, us) = (partial.room, partial.event, self.server_name().clone());
        let (row, join, may_be_in, others) = self
            .database()
            .read(move |tx| {
                let row = room_rows::by_number(tx, number)?;
                let may_be_in = may_be_in_room(tx, &row, &us)?;
                Ok::<_, StoreError>((row, event_rows::id(tx, event)?, may_be_in, room_rows::servers(tx, number)?))
            })
            .await?;
        if !may_be_in {
            // Nobody here is in the room any more: nobody tells us, and whoever joins again is told anew. By one of several forks we
            // may be, and may come to be again: then the stay goes on, with all that was decided in it.
            return self.end_undecided_stay(number, |presence| presence == Presence::Absent).await;
        }
        let wanted = Wanted { partial, row, join };
        if wanted.partial.whole && !self.have_keys_come(&wanted).await {
            return self.try_join_again(&wanted, "their keys cannot be had".to_owned()).await;
        }
        let mut problem = "there is no other server in the room".to_owned();
        for server in self.servers_to_ask(&wanted.row, wanted.servers(others)).await? {
            match self.complete_through(&wanted, &server).await {
                Ok(Completed::Whole) => {
                    tracing::info!(room.id = %wanted.row.room_id, server.name = %server, "All members of {} are here", wanted.row.room_id);
                    return Ok(());
                }
                Ok(Completed::LeftMeanwhile) => return Ok(()),
                Err(Incomplete::Failed(reason)) => {
                    tracing::info!(room.id = %wanted.row.room_id, server.name = %server, "The members of {} are not all here: {server}: {reason}", wanted.row.room_id);
                    problem = format!("{server}: {reason}");
                }
                Err(Incomplete::Store(error)) => return Err(error),
            }
        }
        self.try_join_again(&wanted, problem).await
    }

    async fn try_join_again(&self, wanted: &Wanted, problem: String) -> Result<(), StoreError> {
        let now = self.handles().clock.now();
        let (room, attempts) = (wanted.partial.room, wanted.partial.attempts);
        let horizon = milliseconds(PARTIAL_HORIZON);
        if wanted.partial.whole {
            let is_over = now - wanted.partial.since > horizon || defects::is_on(Defect::KeysAreNotAskedForAgain);
            let retry_at = now + keys_pause(attempts);
            return self
                .database()
                .write(
                    move |tx| {
                        if is_over { rows::end(tx, room) } else { rows::postpone(tx, room, retry_at, &problem) }
                    },
                )
                .await;
        }
        let retry_at = if now - wanted.partial.since > horizon {
            tracing::warn!(room.id = %wanted.row.room_id, "Gave up fetching the members of {}: {problem}. The next start tries again", wanted.row.room_id);
            NEVER
        } else {
            now + pause(attempts)
        };
        self.database().write(move |tx| rows::postpone(tx, room, retry_at, &problem)).await
    }

    async fn complete_through(&self, wanted: &Wanted, server: &ServerName) -> Result<Completed, Incomplete> {
        let row = &wanted.row;
        let named = self.requests().state_ids(server, &row.room_id, &wanted.join).await;
        let named = named.map_err(|error| Incomplete::Failed(error.to_string()))?;
        if named.pdu_ids.len() > JOIN_EVENTS_MAX || named.auth_chain_ids.len() > JOIN_EVENTS_MAX {
            return Err(Incomplete::Failed(format!("the room has more than {JOIN_EVENTS_MAX} state events")));
        }
        if named.pdu_ids.contains(&wanted.join) {
            return Err(Incomplete::Failed("the state that it says was before our join has our join in it".to_owned()));
        }
        let believes_less = self.believes_less(wanted);
        if named.lacks_keys && !believes_less {
            return Err(Incomplete::Failed("it lacks keys itself".to_owned()));
        }
        let lacking = self.fetch_named(wanted, server, &named).await?;
        if !believes_less {
            self.check_names_what_lacked(wanted, &named, &lacking).await?;
        }
        if !self.is_still(wanted).await? {
            return Ok(Completed::LeftMeanwhile);
        }
        self.judge_named(row, &named).await?;
        self.make_whole(wanted, server, named, lacking).await
    }

    /// Whether the room is still the partial one: we may have left it, and perhaps joined it again.
    async fn is_still(&self, wanted: &Wanted) -> Result<bool, StoreError> {
        let (number, join) = (wanted.row.number, wanted.partial.event);
        let found = self.database().read(move |tx| rows::pending(tx, number)).await?;
        Ok(found.is_some_and(|partial| partial.event == join))
    }

    /// Takes the room's turn, and puts the whole state in the place of the partial one.
    async fn make_whole(
        &self,
        wanted: &Wanted,
        server: &ServerName,
        named: RoomStateIds,
        lacking: LackingKeys,
    ) -> Result<Completed, Incomplete> {
        let mut turn = self.turn_of(wanted.row.number).await?;
        if !self.is_still(wanted).await? {
            return Ok(Completed::LeftMeanwhile);
        }
        let Some(mut room) = turn.take() else { return Err(Incomplete::Failed("the room is not loaded".to_owned())) };
        for chunk in named.pdu_ids.chunks(LOOKED_UP_AT_ONCE) {
            let chunk = chunk.to_vec();
            self.with_room(&mut room, move |room, tx| room.bring_by_id(tx, &chunk)).await?;
        }
        let (known, unknown): (Vec<&EventId>, Vec<&EventId>) =
            named.pdu_ids.iter().partition(|id| room.graph.index_of(id).is_some());
        if !unknown.is_empty() {
            // Without them the room is still the room.
            tracing::warn!(room.id = %room.room_id, server.name = %server, "{} events of the state that {server} gave are left out", unknown.len());
        }
        let none = || Incomplete::Failed("the state that it named is none".to_owned());
        let map = state_of(&room, known).ok_or_else(none)?;
        let join = wanted.partial.event;
        if wanted.partial.whole {
            if let Some(settled) = self.settle_without_judging(&mut room, wanted, &map, &lacking).await? {
                turn.put_back(room);
                return Ok(settled);
            }
        } else {
            self.check_agrees(&mut room, join, &map).await?;
        }
        self.replay(&mut room, join, map, lacking).await.map_err(|error| match error {
            ReplayError::Store(error) => error.into(),
            ReplayError::Failed(reason) => Incomplete::Failed(reason),
        })?;
        Ok(Completed::Whole)
    }

    /// The whole state must say the same as what we were let in with, but for members.
    async fn check_agrees(&self, room: &mut Room, join: EventNumber, whole: &StateMap) -> Result<(), Incomplete> {
        let before = self
            .with_room(room, move |room, tx| {
                let snapshot = graph_rows::place(tx, join)?.and_then(|place| place.state_before);
                snapshot.map(|snapshot| room.load_state(tx, snapshot)).transpose()
            })
            .await?;
        let Some(before) = before else { return Ok(()) };
        for (key, event) in before.map.iter() {
            let (event_type, state_key) = room.graph.state_key(key);
            if event_type != "m.room.member" && whole.get(key) != Some(event) {
                let reason =
                    format!("its state has another {event_type} {state_key:?} than the one that we joined with");
                return Err(Incomplete::Failed(reason));
            }
        }
        Ok(())
    }
}

impl Wanted {
    /// The servers to ask: who let us in first, then others, at each attempt other ones.
    fn servers(&self, others: Vec<ServerName>) -> Vec<ServerName> {
        let mut servers = others;
        let turn = usize::try_from(self.partial.attempts).unwrap_or(0) % servers.len().max(1);
        servers.rotate_left(turn);
        servers.insert(0, self.partial.given_by.clone());
        servers
    }
}

/// The pause after a failed attempt, in milliseconds.
fn pause(attempts: i64) -> i64 {
    doubled(PARTIAL_RETRY_FIRST, PARTIAL_RETRY_MAX, attempts)
}

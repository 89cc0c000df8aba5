//! Fetches the members of partial rooms in the background, from several servers, across restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use events::auth_graph::StateMap;
use events::{EventId, RoomId, ServerName};
use persistence::transactions::partial::{self as rows, PartialRoom};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, graph as graph_rows};
use persistence::{Database, EventNumber, ReadTx, RoomNumber, StoreError};
use serde::Serialize;
use serde_json::value::RawValue;
use transaction::RequestError;
use transaction::requests::RoomStateIds;

use super::replay::ReplayError;
use crate::graph::Graph;
use crate::lacking_keys::LackingKeys;
use crate::limits::{
    CHECKED_EVENTS_CHUNK, JOIN_EVENTS_MAX, JOINS_AT_ONCE, JUDGED_AGAIN_FOR_KEYS_MAX, LACKING_KEYS_RETRY_FIRST,
    LACKING_KEYS_RETRY_MAX, LOOKED_UP_AT_ONCE, PARTIAL_HORIZON, PARTIAL_RETRY_FIRST, PARTIAL_RETRY_MAX,
    SINGLE_EVENTS_AT_ONCE, SINGLE_EVENTS_MAX, STAGED_RETRY_FIRST, WHOLE_ROOM_KEYS_TIME_MAX,
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
enum Incomplete {
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How an attempt ended that did not fail.
enum Completed {
    Whole,
    /// We have left the room, and perhaps joined it again.
    LeftMeanwhile,
}

/// What a partial room needs.
struct Wanted {
    partial: PartialRoom,
    row: RoomRow,
    join: EventId,
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
                let news = graph.joins().news.notified();
                let pause = match graph.begin_due().await {
                    Ok(pause) => pause,
                    Err(error) => {
                        tracing::error!("no members are fetched for now, since the database failed: {error}");
                        Some(STAGED_RETRY_FIRST)
                    }
                };
                match pause {
                    None => news.await,
                    Some(pause) => tokio::select! {
                        biased;
                        () = news => {}
                        () = graph.handles().clock.sleep(pause) => {}
                    },
                }
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
                return Ok(Some(Duration::from_millis(u64::try_from(partial.retry_at - now).unwrap_or(0))));
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
        let (row, join, is_ours, others) = self
            .database()
            .read(move |tx| {
                let row = room_rows::by_number(tx, number)?;
                let is_ours = !room_rows::members_of_server(tx, number, "join", &us)?.is_empty();
                Ok::<_, StoreError>((row, event_rows::id(tx, event)?, is_ours, room_rows::servers(tx, number)?))
            })
            .await?;
        if !is_ours {
            // Nobody here is in the room any more: nobody tells us, and whoever joins again is told anew.
            return self.database().write(move |tx| rows::end(tx, number)).await;
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

    /// Asks for the keys that a whole room lacks. Says whether some came.
    async fn have_keys_come(&self, wanted: &Wanted) -> bool {
        let lacking = LackingKeys::from_json(wanted.partial.keys.as_deref());
        let keys = self.key_ring().for_events_within(lacking.as_slice(), WHOLE_ROOM_KEYS_TIME_MAX).await;
        lacking.servers().iter().any(|server| !keys.missing().contains(server))
    }

    async fn try_join_again(&self, wanted: &Wanted, problem: String) -> Result<(), StoreError> {
        let now = self.handles().clock.now();
        let (room, attempts) = (wanted.partial.room, wanted.partial.attempts);
        let horizon = i64::try_from(PARTIAL_HORIZON.as_millis()).unwrap_or(i64::MAX);
        if wanted.partial.whole {
            let is_over = now - wanted.partial.since > horizon;
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
        let lacking = self.fetch_named(wanted, server, &named).await?;
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

    /// Fetches and stores those of the named events that are not here. What is given and no good is left out, as in any state; the
    /// keys that could not be had for that are returned. What is not given is to be given by another server.
    async fn fetch_named(
        &self,
        wanted: &Wanted,
        server: &ServerName,
        named: &RoomStateIds,
    ) -> Result<LackingKeys, Incomplete> {
        let ids: BTreeSet<EventId> = named.pdu_ids.iter().chain(&named.auth_chain_ids).cloned().collect();
        let mut arrivals = Arrivals { wanted: ids.len(), lacking: ids, lacking_keys: LackingKeys::default() };
        self.drop_stored(wanted.row.number, &mut arrivals).await?;
        self.note_arrivals(wanted, &arrivals).await?;
        if arrivals.lacking.len() > SINGLE_EVENTS_MAX {
            // Checked and stored as it arrives: what is here when it breaks off is not asked for again.
            let failed = |error: RequestError| Incomplete::Failed(error.to_string());
            let mut given = self.requests().state(server, &wanted.row.room_id, &wanted.join).await.map_err(failed)?;
            let mut count = 0;
            loop {
                let chunk = given.next(CHECKED_EVENTS_CHUNK).await.map_err(failed)?;
                if chunk.is_empty() {
                    break;
                }
                count += chunk.len();
                if count > 2 * JOIN_EVENTS_MAX {
                    return Err(Incomplete::Failed("it gives more than it named".to_owned()));
                }
                self.store_given(wanted, server, chunk, &mut arrivals).await?;
            }
            if count < arrivals.wanted {
                return Err(Incomplete::Failed(format!("it gave {count} events of {} that it named", arrivals.wanted)));
            }
        } else {
            let lacking: Vec<EventId> = arrivals.lacking.iter().cloned().collect();
            for ids in lacking.chunks(SINGLE_EVENTS_AT_ONCE) {
                let asked = ids.iter().map(|id| self.requests().event(server, id));
                let answers = futures_util::future::join_all(asked).await;
                let given: Vec<Box<RawValue>> =
                    answers.into_iter().filter_map(|answer| answer.ok().flatten()).collect();
                if given.len() < ids.len() {
                    let lacking = ids.len() - given.len();
                    return Err(Incomplete::Failed(format!("{lacking} events that it named were not given")));
                }
                self.store_given(wanted, server, given, &mut arrivals).await?;
            }
        }
        Ok(arrivals.lacking_keys)
    }

    /// Checks events that were asked for, and stores the good ones. They give no permission before they are judged.
    async fn store_given(
        &self,
        wanted: &Wanted,
        server: &ServerName,
        raw: Vec<Box<RawValue>>,
        arrivals: &mut Arrivals,
    ) -> Result<(), StoreError> {
        let (number, version) = (wanted.row.number, wanted.row.version);
        let mut parsed = self.parse_answer(server, &wanted.row.room_id, version, raw).await;
        parsed.retain(|event| arrivals.lacking.contains(event.event_id()));
        let given = self.with_keys(version, parsed).await;
        arrivals.lacking_keys.extend(given.lacking_keys());
        let checked = self.verified(server, &wanted.row.room_id, given).await;
        let good: BTreeSet<EventId> = checked.iter().map(|pdu| pdu.event_id().clone()).collect();
        let join = wanted.partial.event;
        self.database()
            .write(move |tx| {
                // The room may have been left, or purged, meanwhile: then nothing of it is to be stored.
                if rows::pending(tx, number)?.is_some_and(|partial| partial.event == join) {
                    checked.iter().try_for_each(|pdu| event_rows::store(tx, number, pdu, false).map(drop))?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        good.iter().for_each(|id| _ = arrivals.lacking.remove(id));
        self.note_arrivals(wanted, arrivals).await
    }

    async fn note_arrivals(&self, wanted: &Wanted, arrivals: &Arrivals) -> Result<(), StoreError> {
        let (room, all, lacking) = (wanted.row.number, arrivals.wanted, arrivals.lacking.len());
        self.database().write(move |tx| rows::note_progress(tx, room, all, lacking)).await
    }

    async fn drop_stored(&self, room: RoomNumber, arrivals: &mut Arrivals) -> Result<(), StoreError> {
        let ids: Vec<EventId> = std::mem::take(&mut arrivals.lacking).into_iter().collect();
        for chunk in ids.chunks(LOOKED_UP_AT_ONCE) {
            let chunk = chunk.to_vec();
            let lacking = self.database().read(move |tx| {
                let is_lacking = |id: &EventId| is_stored(tx, room, id).map(|stored| !stored);
                chunk
                    .into_iter()
                    .filter_map(|id| is_lacking(&id).map(|lacks| lacks.then_some(id)).transpose())
                    .collect()
            });
            let lacking: Result<Vec<EventId>, StoreError> = lacking.await;
            arrivals.lacking.extend(lacking?);
        }
        Ok(())
    }

    /// Judges the named events by what they cite, those first that others cite.
    ///
    /// Beside the room's turn, on a graph of its own: nobody sees outliers, and the room goes on meanwhile.
    async fn judge_named(&self, row: &RoomRow, named: &RoomStateIds) -> Result<(), StoreError> {
        let number = row.number;
        let mut citing = BTreeMap::new();
        for ids in [&named.auth_chain_ids, &named.pdu_ids] {
            for chunk in ids.chunks(LOOKED_UP_AT_ONCE) {
                let chunk = chunk.to_vec();
                citing.extend(self.database().read(move |tx| unjudged(tx, number, &chunk)).await?);
            }
        }
        let mut room = Room::empty(number, row.room_id.clone(), row.version, row.turn);
        for chunk in in_order_of_citation(&citing).chunks(CHECKED_EVENTS_CHUNK) {
            let (chunk, version) = (chunk.to_vec(), row.version);
            let pdus = self
                .database()
                .read(move |tx| {
                    let mut pdus = Vec::new();
                    for event in chunk {
                        pdus.extend(event_rows::load(tx, version, event)?.map(|stored| stored.pdu));
                    }
                    Ok::<_, StoreError>(pdus)
                })
                .await?;
            self.store_outliers(&mut room, pdus).await?;
        }
        Ok(())
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

    /// A whole room, of which nothing new is known, or in which too much has happened to judge it all again. `None` if it is to be.
    async fn settle_without_judging(
        &self,
        room: &mut Room,
        wanted: &Wanted,
        whole: &StateMap,
        lacking: &LackingKeys,
    ) -> Result<Option<Completed>, StoreError> {
        let (number, join) = (room.number, wanted.partial.event);
        let (before, happened) = self
            .with_room(room, move |room, tx| {
                let place = graph_rows::place(tx, join)?;
                let happened = place.map(|place| graph_rows::placed_after(tx, number, &place)).transpose()?;
                let before = place.and_then(|place| place.state_before);
                let before = before.map(|snapshot| room.load_state(tx, snapshot)).transpose()?;
                Ok::<_, StoreError>((before, happened.map_or(0, |places| places.len())))
            })
            .await?;
        let is_known = before.is_some_and(|before| before.map == *whole);
        if !is_known && happened <= JUDGED_AGAIN_FOR_KEYS_MAX {
            return Ok(None);
        }
        let attempts = wanted.partial.attempts + 1;
        let (keys, retry_at) = (lacking.to_json(), self.handles().clock.now() + keys_pause(attempts));
        let is_over = !is_known || lacking.is_empty();
        self.database()
            .write(move |tx| {
                if is_over { rows::end(tx, number) } else { rows::become_whole(tx, number, &keys, attempts, retry_at) }
            })
            .await?;
        Ok(Some(Completed::Whole))
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

/// Events on their way.
struct Arrivals {
    wanted: usize,
    lacking: BTreeSet<EventId>,
    lacking_keys: LackingKeys,
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

/// The pause before the keys that a whole room lacks are asked for again, in milliseconds.
pub(crate) fn keys_pause(attempts: i64) -> i64 {
    doubled(LACKING_KEYS_RETRY_FIRST, LACKING_KEYS_RETRY_MAX, attempts)
}

fn doubled(first: Duration, max: Duration, times: i64) -> i64 {
    let doublings = u32::try_from(times.clamp(0, 16)).unwrap_or(0);
    let pause = first.saturating_mul(1 << doublings).min(max);
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}

fn is_stored(tx: &ReadTx<'_>, room: RoomNumber, id: &EventId) -> Result<bool, StoreError> {
    match event_rows::number(tx, room, id)? {
        Some(event) => Ok(event_rows::condition(tx, event)?.is_some()),
        None => Ok(false),
    }
}

/// Those of the events that are stored and not judged, with what they cite.
fn unjudged(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    ids: &[EventId],
) -> Result<Vec<(EventNumber, Vec<EventNumber>)>, StoreError> {
    let mut unjudged = Vec::new();
    for id in ids {
        if let Some(event) = event_rows::number(tx, room, id)?
            && event_rows::verdict(tx, event)?.is_none()
            && event_rows::condition(tx, event)?.is_some()
        {
            unjudged.push((event, event_rows::auth_events(tx, event)?));
        }
    }
    Ok(unjudged)
}

/// Orders events so that each comes after those that it cites, as far as they are among them.
fn in_order_of_citation(citing: &BTreeMap<EventNumber, Vec<EventNumber>>) -> Vec<EventNumber> {
    let mut seen = BTreeSet::new();
    let mut ordered = Vec::with_capacity(citing.len());
    for root in citing.keys() {
        let mut pending = vec![(*root, false)];
        while let Some((event, cited_done)) = pending.pop() {
            if cited_done {
                ordered.push(event);
            } else if let Some(cited) = citing.get(&event)
                && seen.insert(event)
            {
                pending.push((event, true));
                pending.extend(cited.iter().map(|cited| (*cited, false)));
            }
        }
    }
    ordered
}

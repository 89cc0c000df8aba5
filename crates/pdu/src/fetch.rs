//! Asks other servers for what a room's events refer to and we lack.

use std::collections::BTreeSet;

use events::auth::{AuthEvent, Cited};
use events::auth_graph::StateMap;
use events::{EventId, Pdu, ServerName};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::{events as event_rows, rooms as room_rows, state as state_rows};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError};

use crate::graph::Graph;
use crate::intake::{References, keep_good, objects};
use crate::judge::Surroundings;
use crate::limits::{
    ANCESTORS_WALKED_MAX, FETCH_SERVERS_MAX, FETCHED_EVENTS_MAX, MISSING_EVENTS_MAX, MISSING_EVENTS_ROUNDS_MAX,
    TOPOLOGICAL_START,
};
use crate::room::{Parent, Room};

impl Graph {
    /// Returns `batch` with the events that lie between it and what we have, as far as others give them.
    ///
    /// S2S API, "Backfilling and retrieving missing events". The sender is asked first, then others in the room.
    pub(crate) async fn fetch_missing_prev_events(
        &self,
        room: &Room,
        origin: &ServerName,
        batch: Vec<Pdu>,
    ) -> Result<Vec<Pdu>, StoreError> {
        let mut batch = batch;
        let mut servers = self.servers_to_ask(room, origin).await?.into_iter();
        let mut server = servers.next();
        for _ in 0..MISSING_EVENTS_ROUNDS_MAX {
            let missing = self.missing_prev_events(room.number, &batch).await?;
            if missing.is_empty() || batch.len() > FETCHED_EVENTS_MAX {
                break;
            }
            let Some(asked) = &server else { break };
            let latest = batch.iter().filter(|pdu| pdu.prev_events().iter().any(|id| missing.contains(id)));
            let latest: Vec<EventId> = latest.map(|pdu| pdu.event_id().clone()).take(MISSING_EVENTS_MAX).collect();
            let found = self.ask_for_missing(room, asked, latest, &batch).await;
            if found.is_empty() {
                server = servers.next();
            }
            batch.extend(found);
        }
        Ok(batch)
    }

    async fn ask_for_missing(&self, room: &Room, server: &ServerName, latest: Vec<EventId>, batch: &[Pdu]) -> Vec<Pdu> {
        let earliest: Vec<EventId> =
            room.heads.iter().map(|head| head.event_id.clone()).take(MISSING_EVENTS_MAX).collect();
        let asked = self.requests().missing_events(server, &room.room_id, &earliest, &latest, MISSING_EVENTS_MAX).await;
        let raw = match asked {
            Ok(raw) => raw,
            Err(error) => {
                tracing::info!(server.name = %server, room.id = %room.room_id, "No missing events: {error}");
                return Vec::new();
            }
        };
        let checked = self.check_events(&room.room_id, room.version, objects(&raw), References::Limited).await;
        let known: BTreeSet<&EventId> = batch.iter().map(Pdu::event_id).collect();
        let mut good = keep_good(server, &room.room_id, checked);
        good.retain(|pdu| !known.contains(pdu.event_id()));
        good
    }

    /// Returns the parents of `batch` that have no place in the graph and are not in it.
    pub(crate) async fn missing_prev_events(
        &self,
        room: RoomNumber,
        batch: &[Pdu],
    ) -> Result<BTreeSet<EventId>, StoreError> {
        let inside: BTreeSet<&EventId> = batch.iter().map(Pdu::event_id).collect();
        let named = batch.iter().flat_map(Pdu::prev_events).filter(|id| !inside.contains(id)).cloned();
        let named: BTreeSet<EventId> = named.collect();
        self.database()
            .read(move |tx| {
                let mut missing = BTreeSet::new();
                for id in named {
                    if !has_state(tx, room, &id)? {
                        missing.insert(id);
                    }
                }
                Ok(missing)
            })
            .await
    }

    /// Gets the events that `batch` cites and we lack, and stores them as outliers.
    pub(crate) async fn fetch_missing_auth_events(
        &self,
        room: &mut Room,
        origin: &ServerName,
        batch: &[Pdu],
    ) -> Result<(), StoreError> {
        let servers = self.servers_to_ask(room, origin).await?;
        let cited: BTreeSet<EventId> = batch.iter().flat_map(Pdu::auth_events).cloned().collect();
        self.with_room(room, move |room, tx| room.bring_by_id(tx, &cited)).await?;
        for server in servers {
            let Some(lacking) = first_lacking_auth(room, batch) else { return Ok(()) };
            let asked = self.requests().event_auth(&server, &room.room_id, lacking.event_id()).await;
            let raw = match asked {
                Ok(raw) => raw,
                Err(error) => {
                    tracing::info!(server.name = %server, room.id = %room.room_id, "No auth chain: {error}");
                    continue;
                }
            };
            let checked = self.check_events(&room.room_id, room.version, objects(&raw), References::Unlimited).await;
            self.store_outliers(room, keep_good(&server, &room.room_id, checked)).await?;
            self.fetch_single_auth_events(room, &server, batch).await?;
        }
        Ok(())
    }

    /// Asks for each cited event that is still lacking by itself.
    async fn fetch_single_auth_events(
        &self,
        room: &mut Room,
        server: &ServerName,
        batch: &[Pdu],
    ) -> Result<(), StoreError> {
        for id in lacking_auth_events(room, batch).into_iter().take(MISSING_EVENTS_MAX) {
            if let Some(pdu) = self.fetch_event(room, server, &id).await {
                self.store_outliers(room, vec![pdu]).await?;
            }
        }
        Ok(())
    }

    /// Asks `server` for one event.
    pub(crate) async fn fetch_event(&self, room: &Room, server: &ServerName, id: &EventId) -> Option<Pdu> {
        let raw = match self.requests().event(server, id).await {
            Ok(raw) => raw?,
            Err(error) => {
                tracing::info!(server.name = %server, event.id = %id, "No event: {error}");
                return None;
            }
        };
        let checked = self.check_events(&room.room_id, room.version, objects(&[raw]), References::Unlimited).await;
        keep_good(server, &room.room_id, checked).into_iter().find(|pdu| pdu.event_id() == id)
    }

    /// Gives a missing parent its place with the state that a peer says was before it. Returns false if nobody could.
    ///
    /// A last resort: a peer may lie about state. S2S API, "Soft failure", counts on it less than on the graph.
    pub(crate) async fn adopt_with_state_from_peer(
        &self,
        room: &mut Room,
        origin: &ServerName,
        id: &EventId,
    ) -> Result<bool, StoreError> {
        for server in self.servers_to_ask(room, origin).await? {
            let Some(pdu) = self.fetch_event(room, &server, id).await else { continue };
            let asked = self.requests().state(&server, &room.room_id, id).await;
            let (state, auth_chain) = match asked {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::info!(server.name = %server, room.id = %room.room_id, "No state at {id}: {error}");
                    continue;
                }
            };
            let state = self.check_events(&room.room_id, room.version, objects(&state), References::Unlimited).await;
            let state = keep_good(&server, &room.room_id, state);
            let chain =
                self.check_events(&room.room_id, room.version, objects(&auth_chain), References::Unlimited).await;
            let mut outliers = keep_good(&server, &room.room_id, chain);
            outliers.extend(state.iter().cloned());
            self.store_outliers(room, outliers).await?;
            let map = state_map(room, &state);
            self.adopt(room, &pdu, map).await?;
            tracing::info!(server.name = %server, room.id = %room.room_id, event.id = %id, "Took the state before {id} from {server}");
            return Ok(true);
        }
        Ok(false)
    }

    /// Places an event behind a gap, on a state that is given. It becomes no extremity: what builds on it does.
    async fn adopt(&self, room: &mut Room, pdu: &Pdu, map: StateMap) -> Result<(), StoreError> {
        let before = room.derive(map, None);
        let mut after_map = before.map.clone();
        if pdu.state_key().is_some() {
            self.store_outliers(room, vec![pdu.clone()]).await?;
            if let Some(index) = room.graph.index_of(pdu.event_id()) {
                after_map.insert(room.graph.state_key_of(index), index);
            }
        }
        let number = room.number;
        let topological = room.heads.iter().map(|head| head.topological).max().unwrap_or(TOPOLOGICAL_START) + 1;
        let entries = |map: &StateMap| -> Vec<(String, String, EventId)> {
            map.iter()
                .map(|(key, index)| {
                    let (event_type, state_key) = room.graph.state_key(key);
                    (event_type.to_owned(), state_key.to_owned(), room.graph.event(index).event_id().clone())
                })
                .collect()
        };
        let (before_entries, after_entries) = (entries(&before.map), entries(&after_map));
        let pdu = pdu.clone();
        self.database()
            .write(move |tx| {
                let store = |tx: &mut persistence::WriteTx<'_>, entries: &[(String, String, EventId)]| {
                    let mut changes = Vec::with_capacity(entries.len());
                    for (event_type, state_key, event) in entries {
                        let key = state_rows::intern_key(tx, event_type, state_key)?;
                        changes.push((key, Some(event_rows::intern(tx, number, event)?)));
                    }
                    state_rows::store(tx, number, None, &changes)
                };
                let state_before = store(tx, &before_entries)?;
                let state_after =
                    if before_entries == after_entries { state_before } else { store(tx, &after_entries)? };
                let event = event_rows::store(tx, number, &pdu, false)?;
                let place = Place {
                    event,
                    arrival: None,
                    topological,
                    state_before: Some(state_before),
                    state_after: Some(state_after),
                    outcome: Outcome::Accepted,
                };
                let mut parents = Vec::new();
                for id in pdu.prev_events() {
                    parents.push(event_rows::intern(tx, number, id)?);
                }
                graph_rows::insert(tx, number, &place, &parents)?;
                Ok::<_, StoreError>(())
            })
            .await
    }

    /// Returns the servers to ask about a room, best first: the sender, then others in the room.
    ///
    /// At most [`FETCH_SERVERS_MAX`]; never ourselves.
    pub(crate) async fn servers_to_ask(&self, room: &Room, origin: &ServerName) -> Result<Vec<ServerName>, StoreError> {
        let number = room.number;
        let others = self.database().read(move |tx| room_rows::servers(tx, number)).await?;
        let mut servers = vec![origin.clone()];
        servers.extend(others.into_iter().filter(|server| server != origin));
        servers.retain(|server| server != self.server_name());
        servers.truncate(FETCH_SERVERS_MAX);
        Ok(servers)
    }

    /// Reads what judging `batch` needs from the database.
    pub(crate) async fn surroundings(&self, room: &mut Room, batch: &[Pdu]) -> Result<Surroundings, StoreError> {
        let inside: BTreeSet<EventId> = batch.iter().map(|pdu| pdu.event_id().clone()).collect();
        let prev = batch.iter().flat_map(Pdu::prev_events).filter(|id| !inside.contains(*id));
        let prev: BTreeSet<EventId> = prev.cloned().collect();
        let cited = batch.iter().flat_map(Pdu::auth_events).filter(|id| !inside.contains(*id));
        let cited: BTreeSet<EventId> = cited.cloned().collect();
        let now = self.handles().clock.now();
        self.with_room(room, move |room, tx| {
            let mut around = Surroundings { now, ..Surroundings::default() };
            // The events themselves too: they may be outliers, whose standing is known.
            room.bring_by_id(tx, &cited.iter().chain(&inside).cloned().collect())?;
            for id in cited.into_iter().filter(|id| room.graph.index_of(id).is_none()).collect::<Vec<_>>() {
                if let Some(event) = event_rows::number(tx, room.number, &id)?
                    && let Some(stored) = event_rows::load(tx, room.version, event)?
                {
                    around.cited.insert(id, Cited { event: AuthEvent::new(&stored.pdu), rejected: stored.rejected });
                }
            }
            for id in prev {
                if let Some(event) = event_rows::number(tx, room.number, &id)?
                    && let Some(place) = graph_rows::place(tx, event)?
                    && let Some(snapshot) = place.state_after
                {
                    let accepted_ancestors =
                        if place.outcome == Outcome::Accepted { Vec::new() } else { accepted_ancestors(tx, event)? };
                    let after = room.load_state(tx, snapshot)?;
                    around.parents.insert(id, Parent { topological: place.topological, after, accepted_ancestors });
                }
            }
            Ok(around)
        })
        .await
    }
}

/// Says whether the event has its place in the graph, with a state after it.
fn has_state(tx: &ReadTx<'_>, room: RoomNumber, id: &EventId) -> Result<bool, StoreError> {
    let Some(number) = event_rows::number(tx, room, id)? else { return Ok(false) };
    Ok(graph_rows::place(tx, number)?.is_some_and(|place| place.state_after.is_some()))
}

/// Returns the nearest accepted ancestors of an event that is not accepted.
fn accepted_ancestors(tx: &ReadTx<'_>, event: EventNumber) -> Result<Vec<EventNumber>, StoreError> {
    let mut accepted = Vec::new();
    let mut to_walk = vec![event];
    let mut walked = BTreeSet::new();
    while let Some(event) = to_walk.pop() {
        if walked.len() >= ANCESTORS_WALKED_MAX || !walked.insert(event) {
            continue;
        }
        for parent in graph_rows::prev_events(tx, event)? {
            match graph_rows::place(tx, parent)?.map(|place| place.outcome) {
                Some(Outcome::Accepted) => accepted.push(parent),
                Some(Outcome::SoftFailed | Outcome::Rejected) => to_walk.push(parent),
                None => {}
            }
        }
    }
    Ok(accepted)
}

fn lacking_auth_events(room: &Room, batch: &[Pdu]) -> BTreeSet<EventId> {
    let inside: BTreeSet<&EventId> = batch.iter().map(Pdu::event_id).collect();
    let lacking =
        batch.iter().flat_map(Pdu::auth_events).filter(|id| !inside.contains(id) && room.graph.index_of(id).is_none());
    lacking.cloned().collect()
}

fn first_lacking_auth<'a>(room: &Room, batch: &'a [Pdu]) -> Option<&'a Pdu> {
    let lacking = lacking_auth_events(room, batch);
    batch.iter().find(|pdu| pdu.auth_events().iter().any(|id| lacking.contains(id)))
}

/// The state that a list of state events makes. Rejected events are left out: they change nothing.
pub(crate) fn state_map(room: &Room, state: &[Pdu]) -> StateMap {
    let mut map = StateMap::default();
    for pdu in state {
        if let Some(index) = room.graph.index_of(pdu.event_id())
            && room.graph.standing(index) == events::auth_graph::Standing::Accepted
        {
            map.insert(room.graph.state_key_of(index), index);
        }
    }
    map
}

//! Asks other servers for what a room's events refer to and we lack.
//!
//! No room's turn is held meanwhile: a peer that answers slowly delays what waits for its answer, and nobody else. What comes is
//! checked, but not stored; [`crate::receive`] and [`crate::backfill`] store it on the room's turn.

mod parents;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use events::{EventId, Pdu, ServerName};
use futures_util::StreamExt;
use handles::{Clock, Handles};
use persistence::transactions::pulls;
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::staging::{self, Staged};
use persistence::{RoomNumber, StoreError};
use transaction::volume::PDU_BYTES;

use crate::due::milliseconds;
use crate::fetch::parents::Walked;
use crate::graph::Graph;
use crate::intake::References;
use crate::limits::{
    ADOPTED_PARENTS_MAX, AUTH_CHAIN_EVENTS_MAX, BATCH_EVENTS_MAX, CHECKED_EVENTS_CHUNK, FETCH_SERVERS_MAX,
    FETCH_TIME_MAX, LACKING_STATE_MAX, PULL_PATIENCE, PULL_WAIT_MAX, SINGLE_EVENTS_AT_ONCE, SINGLE_EVENTS_MAX,
    STATE_EVENTS_MAX, TOLD_STATES_MAX,
};

/// What an attempt may still cost.
pub(crate) struct Effort {
    clock: Arc<dyn Clock>,
    until: Duration,
}

/// What was fetched around a batch of events.
#[derive(Default)]
pub(crate) struct Fetched {
    /// The batch, and what lies between it and what we have.
    pub(crate) batch: Vec<Pdu>,
    /// Events that others cite, or that are in a state.
    pub(crate) outliers: Outliers,
    /// Parents that could not be had with all that lies before them.
    pub(crate) adopted: Vec<Adopted>,
}

/// An event with what peers say was the state before it.
pub(crate) struct Adopted {
    pub(crate) pdu: Pdu,
    /// At least one.
    pub(crate) before: Vec<Told>,
}

/// What came of asking one server for the state before an event.
pub(crate) enum StateBefore {
    /// All events of the state are here. But who told it `lacks_keys`: it may have left out what they signed.
    Whole { state: Vec<EventId>, lacks_keys: bool },
    /// These of them cannot be had: a part of a state is no state.
    Lacks(Vec<EventId>),
    /// It does not tell.
    Unknown,
}

/// What one server says was the state before an event.
pub(crate) struct Told {
    pub(crate) by: ServerName,
    /// The state events.
    pub(crate) state: Vec<EventId>,
}

/// Fetched events without a place in the graph, each once.
#[derive(Default)]
pub(crate) struct Outliers {
    pdus: Vec<Pdu>,
    ids: BTreeSet<EventId>,
}

impl Effort {
    pub(crate) fn new(handles: &Handles, time: Duration) -> Self {
        Self { clock: Arc::clone(&handles.clock), until: handles.clock.monotonic() + time }
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.clock.monotonic() >= self.until
    }

    /// Waits for `work` while there is time. `None` if there is no more.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let left = self.until.saturating_sub(self.clock.monotonic());
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.clock.sleep(left) => None,
        }
    }
}

impl Outliers {
    pub(crate) fn extend(&mut self, pdus: impl IntoIterator<Item = Pdu>) {
        for pdu in pdus {
            if self.ids.insert(pdu.event_id().clone()) {
                self.pdus.push(pdu);
            }
        }
    }

    pub(crate) fn into_pdus(self) -> Vec<Pdu> {
        self.pdus
    }
}

impl Graph {
    /// Fetches what lies between `batch` and what we have, and what it cites, as far as others give it within the limits.
    ///
    /// S2S API, "Backfilling and retrieving missing events". The sender is asked first, then others in the room.
    pub(crate) async fn fetch_around(
        &self,
        room: &RoomRow,
        origin: &ServerName,
        batch: Vec<Pdu>,
    ) -> Result<Fetched, StoreError> {
        // What was staged waits as long as it has to: how much of an origin may be staged is bounded.
        let _turn = self.fetch_turns().take(origin, usize::MAX).await;
        let effort = Effort::new(self.handles(), FETCH_TIME_MAX);
        let servers = self.servers_to_ask(room, [origin.clone()]).await?;
        let sent: BTreeSet<EventId> = batch.iter().map(|pdu| pdu.event_id().clone()).collect();
        let Walked { batch, is_cut } = self.fetch_missing_prev_events(room, &servers, batch, &effort).await?;
        let (batch, missing) = self.fetch_unlisted_parents(room, &servers, batch, &effort).await?;
        let walked = Walked { batch, is_cut };
        let mut outliers = Outliers::default();
        let mut adopted = Vec::new();
        // What comes in order is better than what can be had now: a sender's older words would come after the newer ones.
        let is_better_off = !missing.is_empty()
            && (self.will_tell_what_we_lost(origin).await?
                || self.has_told_older_words(room, origin, &walked.batch).await?);
        let adoptable = if is_better_off { 0 } else { ADOPTED_PARENTS_MAX };
        let leads_to_ours = missing.is_empty();
        let is_patient = !missing.is_empty() && self.has_come_lately(room, &sent).await?;
        for id in missing.into_iter().take(adoptable) {
            adopted.extend(self.fetch_with_state(room, &servers, &id, &mut outliers, &effort, is_patient).await?);
        }
        let batch = match self.as_news(room, &servers, &walked, &adopted, &effort).await? {
            Some(news) => {
                adopted.clear();
                news
            }
            None => walked.batch,
        };
        let citing: Vec<Pdu> = batch.iter().chain(adopted.iter().map(|adopted| &adopted.pdu)).cloned().collect();
        self.fetch_auth_events(room, &servers, &citing, &mut outliers, &effort).await?;
        // Else it is not stored, and fetched again later.
        if leads_to_ours || !adopted.is_empty() {
            self.count_stored(citing.iter().filter(|pdu| !sent.contains(pdu.event_id())).chain(&outliers.pdus));
        }
        Ok(Fetched { batch, outliers, adopted })
    }

    /// What was fetched counts for those who have signed it, whoever cited it: nobody can use up what another server may send.
    fn count_stored<'a>(&self, pdus: impl Iterator<Item = &'a Pdu>) {
        for pdu in pdus {
            let bytes = serde_json::to_vec(pdu.object()).map_or(0, |json| json.len());
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(PDU_BYTES);
            self.volume().count(&pdu.sender().server(), bytes);
        }
    }

    /// Whether `origin` is being asked again for what it sent, and may tell it soon. It is given a moment to do so: as a rule it has
    /// nothing to tell.
    async fn will_tell_what_we_lost(&self, origin: &ServerName) -> Result<bool, StoreError> {
        let clock = &self.handles().clock;
        let patience = milliseconds(PULL_PATIENCE);
        let until = clock.monotonic() + PULL_WAIT_MAX;
        loop {
            let origin = origin.clone();
            let since = self.database().read(move |tx| pulls::asked_since(tx, &origin)).await?;
            if since.is_none_or(|since| clock.now() - since >= patience) {
                return Ok(false);
            }
            if clock.monotonic() >= until {
                return Ok(true);
            }
            clock.sleep(PULL_WAIT_MAX / 50).await;
        }
    }

    /// Whether older events of `origin` than those of the batch have come since it was taken up. Each is tried once before.
    async fn has_told_older_words(
        &self,
        room: &RoomRow,
        origin: &ServerName,
        batch: &[Pdu],
    ) -> Result<bool, StoreError> {
        let (number, version, origin, now) = (room.number, room.version, origin.clone(), self.handles().clock.now());
        let deepest = batch.iter().map(Pdu::depth).max();
        let ids: BTreeSet<EventId> = batch.iter().map(|pdu| pdu.event_id().clone()).collect();
        let limit = u32::try_from(2 * BATCH_EVENTS_MAX).unwrap_or(u32::MAX);
        let staged = self.database().read(move |tx| staging::due(tx, number, version, &origin, now, limit)).await?;
        let is_older = |event: &Staged| {
            event.attempts == 0 && Some(event.pdu.depth()) < deepest && !ids.contains(event.pdu.event_id())
        };
        Ok(staged.iter().any(is_older))
    }

    /// Gets what `citing` and the outliers cite and we lack. Outliers themselves cite: so it goes on until nothing is lacking.
    pub(crate) async fn fetch_auth_events(
        &self,
        room: &RoomRow,
        servers: &[ServerName],
        citing: &[Pdu],
        outliers: &mut Outliers,
        effort: &Effort,
    ) -> Result<(), StoreError> {
        for server in servers {
            let lacking = self.lacking_auth_events(room, citing, outliers).await?;
            let Some(first) = lacking.first() else { return Ok(()) };
            let needs = |pdu: &&Pdu| pdu.auth_events().contains(first);
            if let Some(pdu) = citing.iter().find(needs).cloned() {
                let asked = effort.within(self.requests().event_auth(server, &room.room_id, pdu.event_id())).await;
                match asked {
                    None => return Ok(()),
                    Some(Err(error)) => {
                        tracing::info!(server.name = %server, room.id = %room.room_id, "No auth chain: {error}");
                    }
                    Some(Ok(raw)) if raw.len() > AUTH_CHAIN_EVENTS_MAX => {
                        tracing::info!(server.name = %server, room.id = %room.room_id, "An auth chain of {} events is too much", raw.len());
                    }
                    Some(Ok(raw)) => {
                        let answer = self.check_answer(server, &room.room_id, room.version, raw, References::Unlimited);
                        // Whatever else it sends is cited by nothing that waits, and would only fill the disk.
                        outliers.extend(reachable(answer.await, lacking.into_iter().collect(), Pdu::auth_events));
                    }
                }
            }
            let lacking = self.lacking_auth_events(room, citing, outliers).await?;
            outliers.extend(self.fetch_events(room, server, lacking, effort).await);
        }
        Ok(())
    }

    /// Returns what is cited and is neither stored nor among what was fetched.
    async fn lacking_auth_events(
        &self,
        room: &RoomRow,
        citing: &[Pdu],
        outliers: &Outliers,
    ) -> Result<Vec<EventId>, StoreError> {
        let inside: BTreeSet<&EventId> = citing.iter().map(Pdu::event_id).collect();
        let cited = citing.iter().chain(&outliers.pdus).flat_map(Pdu::auth_events);
        let cited = cited.filter(|id| !inside.contains(id) && !outliers.ids.contains(*id)).cloned().collect();
        self.lacking(room.number, cited).await
    }

    /// Returns those of `ids` that are not stored with a verdict.
    async fn lacking(&self, room: RoomNumber, ids: BTreeSet<EventId>) -> Result<Vec<EventId>, StoreError> {
        self.database()
            .read(move |tx| {
                let mut lacking = Vec::new();
                for id in ids {
                    if !crate::serve::has_body(tx, room, &id)? {
                        lacking.push(id);
                    }
                }
                Ok(lacking)
            })
            .await
    }

    /// Asks `server` for events one by one, a few at once.
    async fn fetch_events(&self, room: &RoomRow, server: &ServerName, ids: Vec<EventId>, effort: &Effort) -> Vec<Pdu> {
        let ask = |id: EventId| async move { effort.within(self.fetch_event(room, server, &id)).await.flatten() };
        let asked = futures_util::stream::iter(ids.into_iter().take(SINGLE_EVENTS_MAX).map(ask));
        asked.buffered(SINGLE_EVENTS_AT_ONCE).filter_map(|found| async { found }).collect().await
    }

    /// Asks `server` for one event.
    pub(crate) async fn fetch_event(&self, room: &RoomRow, server: &ServerName, id: &EventId) -> Option<Pdu> {
        let raw = match self.requests().event(server, id).await {
            Ok(raw) => raw?,
            Err(error) => {
                tracing::info!(server.name = %server, event.id = %id, "No event: {error}");
                return None;
            }
        };
        let checked = self.check_answer(server, &room.room_id, room.version, vec![raw], References::Unlimited).await;
        checked.into_iter().find(|pdu| pdu.event_id() == id)
    }

    /// Asks for an event and the state before it, the latter of several servers: one that lies alone is found out.
    ///
    /// What some name, and what cannot be had, may be had soon, as when it lacks keys: who is patient takes no state without it.
    async fn fetch_with_state(
        &self,
        room: &RoomRow,
        servers: &[ServerName],
        id: &EventId,
        outliers: &mut Outliers,
        effort: &Effort,
        is_patient: bool,
    ) -> Result<Option<Adopted>, StoreError> {
        let mut pdu = None;
        let (mut before, mut not_had) = (Vec::new(), Vec::new());
        for server in servers {
            if pdu.is_none() {
                pdu = effort.within(self.fetch_event(room, server, id)).await.flatten();
            }
            if pdu.is_some() && before.len() < TOLD_STATES_MAX {
                match self.fetch_state_before(room, server, id, outliers, effort).await? {
                    StateBefore::Whole { lacks_keys: true, .. } if is_patient => {
                        tracing::info!(server.name = %server, room.id = %room.room_id, event.id = %id, "The state before {id} is not taken from {server} yet: it lacks keys");
                    }
                    StateBefore::Whole { state, .. } => before.push(Told { by: server.clone(), state }),
                    StateBefore::Lacks(ids) => not_had.extend(ids),
                    StateBefore::Unknown => {}
                }
            }
        }
        if is_patient {
            before.retain(|told| not_had.iter().all(|id| told.state.contains(id)));
        }
        Ok(pdu.filter(|_| !before.is_empty()).map(|pdu| Adopted { pdu, before }))
    }

    /// Whether one of these events was staged lately.
    async fn has_come_lately(&self, room: &RoomRow, ids: &BTreeSet<EventId>) -> Result<bool, StoreError> {
        let (room, ids) = (room.clone(), ids.clone());
        let since = self.handles().clock.now() - milliseconds(PULL_PATIENCE);
        self.database()
            .read(move |tx| {
                for id in &ids {
                    let staged = staging::find(tx, room.number, room.version, id)?;
                    if staged.is_some_and(|staged| staged.received > since) {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }

    /// Asks for the state before an event, and for those of its events that we lack.
    pub(crate) async fn fetch_state_before(
        &self,
        room: &RoomRow,
        server: &ServerName,
        id: &EventId,
        outliers: &mut Outliers,
        effort: &Effort,
    ) -> Result<StateBefore, StoreError> {
        let asked = effort.within(self.requests().state_ids(server, &room.room_id, id)).await;
        let named = match asked {
            None => return Ok(StateBefore::Unknown),
            Some(Err(error)) => {
                tracing::info!(server.name = %server, room.id = %room.room_id, event.id = %id, "No state before {id}: {error}");
                return Ok(StateBefore::Unknown);
            }
            Some(Ok(named)) => named,
        };
        if named.pdu_ids.len() > STATE_EVENTS_MAX || named.auth_chain_ids.len() > STATE_EVENTS_MAX {
            tracing::info!(server.name = %server, room.id = %room.room_id, event.id = %id, "The state before {id} is too large");
            return Ok(StateBefore::Unknown);
        }
        let wanted: BTreeSet<EventId> = named.pdu_ids.iter().chain(&named.auth_chain_ids).cloned().collect();
        let wanted = wanted.into_iter().filter(|id| !outliers.ids.contains(id)).collect();
        let lacking = self.lacking(room.number, wanted).await?;
        if lacking.len() > LACKING_STATE_MAX {
            tracing::info!(server.name = %server, room.id = %room.room_id, event.id = %id, "The state before {id} has {} events that nobody knows", lacking.len());
            return Ok(StateBefore::Unknown);
        }
        if lacking.len() > SINGLE_EVENTS_MAX {
            let Some(found) = effort.within(self.fetch_whole_state(room, server, id, &lacking)).await else {
                return Ok(StateBefore::Unknown);
            };
            outliers.extend(found);
        } else {
            outliers.extend(self.fetch_events(room, server, lacking, effort).await);
        }
        let wanted = named.pdu_ids.iter().filter(|id| !outliers.ids.contains(*id)).cloned().collect();
        let lacking = self.lacking(room.number, wanted).await?;
        if lacking.is_empty() {
            return Ok(StateBefore::Whole { state: named.pdu_ids, lacks_keys: named.lacks_keys });
        }
        tracing::info!(server.name = %server, room.id = %room.room_id, event.id = %id, "{} events of the state before {id} cannot be had", lacking.len());
        Ok(StateBefore::Lacks(lacking))
    }

    /// Asks for a whole state, of which so much is lacking that asking for each event would take longer.
    async fn fetch_whole_state(
        &self,
        room: &RoomRow,
        server: &ServerName,
        id: &EventId,
        lacking: &[EventId],
    ) -> Vec<Pdu> {
        let no_state = |error: &dyn std::error::Error| {
            tracing::info!(server.name = %server, room.id = %room.room_id, event.id = %id, "No state before {id}: {error}");
            Vec::new()
        };
        let mut given = match self.requests().state(server, &room.room_id, id).await {
            Ok(given) => given,
            Err(error) => return no_state(&error),
        };
        let lacking: BTreeSet<&EventId> = lacking.iter().collect();
        let mut found = Vec::new();
        for _ in 0..2 * STATE_EVENTS_MAX / CHECKED_EVENTS_CHUNK {
            let raw = match given.next(CHECKED_EVENTS_CHUNK).await {
                Ok(raw) if raw.is_empty() => return found,
                Ok(raw) => raw,
                Err(error) => return no_state(&error),
            };
            let checked = self.check_answer(server, &room.room_id, room.version, raw, References::Unlimited).await;
            found.extend(checked.into_iter().filter(|pdu| lacking.contains(pdu.event_id())));
        }
        // More than any state that we take.
        Vec::new()
    }

    /// Returns the servers to ask about a room: `first` in their order, then others in the room.
    ///
    /// At most [`FETCH_SERVERS_MAX`], each once; never ourselves, never one that the room's ACL denies.
    pub(crate) async fn servers_to_ask(
        &self,
        room: &RoomRow,
        first: impl IntoIterator<Item = ServerName>,
    ) -> Result<Vec<ServerName>, StoreError> {
        let (number, version, graph) = (room.number, room.version, self.clone());
        let (others, acl) = self
            .database()
            .read(move |tx| {
                Ok::<_, StoreError>((room_rows::servers(tx, number)?, graph.server_acl(tx, number, version)?))
            })
            .await?;
        let mut servers: Vec<ServerName> = Vec::new();
        for server in first.into_iter().chain(others) {
            let denied = acl.as_ref().is_some_and(|acl| !acl.allows(&server));
            if servers.len() < FETCH_SERVERS_MAX
                && server != *self.server_name()
                && !denied
                && !servers.contains(&server)
            {
                servers.push(server);
            }
        }
        Ok(servers)
    }
}

/// Returns those of `found` that are in `wanted`, or that such refer to, as far as `found` shows it.
pub(crate) fn reachable(
    found: Vec<Pdu>,
    wanted: BTreeSet<EventId>,
    references: impl Fn(&Pdu) -> &[EventId],
) -> Vec<Pdu> {
    let mut wanted = wanted;
    let mut kept = Vec::new();
    let mut rest = found;
    loop {
        let (take, leave): (Vec<Pdu>, Vec<Pdu>) = rest.into_iter().partition(|pdu| wanted.contains(pdu.event_id()));
        if take.is_empty() {
            return kept;
        }
        for pdu in take {
            // A second copy is not wanted any more.
            if wanted.remove(pdu.event_id()) {
                wanted.extend(references(&pdu).iter().cloned());
                kept.push(pdu);
            }
        }
        rest = leave;
    }
}

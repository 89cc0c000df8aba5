//! Checks PDUs as they arrive, before they are acknowledged: steps 1 to 3 of S2S API, "Checks performed on receipt of a PDU".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use events::limits::{AUTH_EVENTS_MAX, PREV_EVENTS_MAX};
use events::pdu::FormatError;
use events::room_version::EventIdFormat;
use events::signature::SignatureError;
use events::{EventId, KeyId, Object, ParsedPdu, Pdu, RoomId, RoomVersion, ServerName, Value, json};
use handles::Timestamp;
use persistence::transactions::{events as event_rows, rooms as room_rows};
use persistence::{ReadTx, RoomNumber, StoreError};
use serde_json::value::RawValue;
use transaction::{CheckedPdus, EventBodies, PduIntake};
use transport::Keys;
use transport::exchange::BoxFuture;

use crate::acl::ServerAcl;
use crate::gates::{Presence, presence};
use crate::graph::Graph;
use crate::limits::CHECKED_EVENTS_CHUNK;
use crate::outside::Withdrawal;
use crate::waiting::{Space, StagedPdus};

/// What we know of the room that a PDU claims to be in.
#[derive(Clone)]
pub(crate) struct KnownRoom {
    pub(crate) number: RoomNumber,
    pub(crate) version: RoomVersion,
    acl: Option<Arc<ServerAcl>>,
    /// Ours.
    presence: Presence,
}

/// Why an event is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Format(#[from] FormatError),
    #[error("it names {0} events in `{1}`, which is too many")]
    TooManyReferences(usize, &'static str),
    #[error("{0}")]
    Signature(#[from] SignatureError),
    #[error("the keys of {server} cannot be had to check its signature")]
    NoKeys { server: ServerName, event: Box<ParsedPdu> },
    #[error("the id {0} is that of another event")]
    OtherEvent(EventId),
    #[error("it is in the room {0}, not in the one asked about")]
    OtherRoom(RoomId),
    #[error("the room's server ACL denies {0}")]
    DeniedByAcl(ServerName),
    #[error("too many events from {0} wait already for what they need")]
    TooManyWaiting(ServerName),
}

/// Whether the limits of references apply: they do in transactions, not in backfilled history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum References {
    Limited,
    Unlimited,
}

impl Graph {
    /// Checks events that a peer says are in the room: format, signatures, hash. Each gets its own answer.
    pub(crate) async fn check_events(
        &self,
        room_id: &RoomId,
        version: RoomVersion,
        objects: Vec<Object>,
        references: References,
    ) -> Vec<Result<Pdu, Refusal>> {
        let parse = |object| parse_event(room_id, version, object, references);
        self.check_parsed(room_id, version, objects.into_iter().map(parse).collect()).await
    }

    /// Goes on with events whose format was looked at: signatures, hash.
    async fn check_parsed(
        &self,
        room_id: &RoomId,
        version: RoomVersion,
        parsed: Vec<Result<ParsedPdu, Refusal>>,
    ) -> Vec<Result<Pdu, Refusal>> {
        let keys = self.key_ring().for_events(&claims(parsed.iter().flatten())).await;
        let checked = self.verify(version, parsed, &Arc::new(keys)).await;
        match version.rules().event_id {
            EventIdFormat::Chosen => self.without_used_ids(room_id, checked).await,
            EventIdFormat::ReferenceHash | EventIdFormat::UrlSafeReferenceHash => checked,
        }
    }

    /// Refuses events with the ids of others that have been judged: what was judged under an id is what counts under it.
    async fn without_used_ids(
        &self,
        room_id: &RoomId,
        checked: Vec<Result<Pdu, Refusal>>,
    ) -> Vec<Result<Pdu, Refusal>> {
        let (id, pdus) = (room_id.clone(), checked.iter().flatten().cloned().collect::<Vec<_>>());
        let used = self.database().read(move |tx| {
            let Some(room) = room_rows::by_id(tx, &id)? else { return Ok(BTreeSet::new()) };
            let mut used = BTreeSet::new();
            for pdu in pdus {
                if event_rows::is_id_of_another(tx, room.number, &pdu)? {
                    used.insert(pdu.event_id().clone());
                }
            }
            Ok::<_, StoreError>(used)
        });
        let used = used.await.unwrap_or_else(|error| {
            // What is done with the events needs the database, and fails with it.
            tracing::error!(room.id = %room_id, "the ids of events could not be looked up: {error}");
            BTreeSet::new()
        });
        let refuse = |pdu: Pdu| {
            if used.contains(pdu.event_id()) { Err(Refusal::OtherEvent(pdu.event_id().clone())) } else { Ok(pdu) }
        };
        checked.into_iter().map(|checked| checked.and_then(refuse)).collect()
    }

    /// Checks the events of an answer, a few at a time, so that a large one is not in memory twice. Drops and logs the bad ones.
    pub(crate) async fn check_answer(
        &self,
        server: &ServerName,
        room_id: &RoomId,
        version: RoomVersion,
        raw: Vec<Box<RawValue>>,
        references: References,
    ) -> Vec<Pdu> {
        let mut good = Vec::with_capacity(raw.len());
        let mut raw = raw.into_iter().peekable();
        while raw.peek().is_some() {
            let chunk = raw.by_ref().take(CHECKED_EVENTS_CHUNK);
            let objects = chunk.filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect();
            for checked in self.check_events(room_id, version, objects, references).await {
                match checked {
                    Ok(pdu) => good.push(pdu),
                    Err(refusal) => {
                        tracing::info!(server.name = %server, room.id = %room_id, "Dropped an event in an answer of {server}: {refusal}");
                    }
                }
            }
        }
        good
    }

    /// Verifies signatures, on all cores.
    pub(crate) async fn verify(
        &self,
        version: RoomVersion,
        parsed: Vec<Result<ParsedPdu, Refusal>>,
        keys: &Arc<Keys>,
    ) -> Vec<Result<Pdu, Refusal>> {
        let (keys, enforce) = (Arc::clone(keys), version.rules().enforce_key_validity);
        let verify = move |pdu: Result<ParsedPdu, Refusal>| {
            let pdu = pdu?;
            let at = pdu.origin_server_ts();
            let no_keys = pdu.required_signatures().iter().find(|server| keys.missing().contains(*server)).cloned();
            let waiting = no_keys.map(|server| (server, Box::new(pdu.clone())));
            let verified = pdu.verify(|server, key| keys.get(server, key, at, enforce));
            match (verified, waiting) {
                (Err(SignatureError::Missing(_)), Some((server, event))) => Err(Refusal::NoKeys { server, event }),
                (verified, _) => Ok(verified?),
            }
        };
        self.handles().compute.map(parsed, verify).await
    }

    /// Looks up what is known of the rooms that PDUs claim to be in, and how many more of `origin` may wait.
    async fn known_rooms(
        &self,
        origin: &ServerName,
        room_ids: BTreeSet<RoomId>,
    ) -> Result<(BTreeMap<RoomId, KnownRoom>, Space), StoreError> {
        let (us, origin, graph) = (self.server_name().clone(), origin.clone(), self.clone());
        self.database()
            .read(move |tx| {
                let mut known = BTreeMap::new();
                for room_id in room_ids {
                    if let Some(row) = room_rows::by_id(tx, &room_id)? {
                        let room = KnownRoom {
                            number: row.number,
                            version: row.version,
                            acl: graph.server_acl(tx, row.number, row.version)?,
                            presence: presence(tx, &row, &us)?,
                        };
                        known.insert(room_id, room);
                    }
                }
                Ok((known, Space::of(tx, &origin)?))
            })
            .await
    }

    async fn check_transaction(&self, origin: &ServerName, raw: Vec<Box<RawValue>>) -> Result<CheckedPdus, StoreError> {
        let claimed: Vec<(RoomId, Object)> = raw.iter().filter_map(|raw| claimed_room(origin, raw)).collect();
        let mut staging = StagedPdus::new(self, origin);
        let mut results: BTreeMap<EventId, Option<String>> = BTreeMap::new();
        if claimed.is_empty() {
            return Ok(CheckedPdus { results, staging: Box::new(staging) });
        }
        let room_ids = claimed.iter().map(|(room_id, _)| room_id.clone()).collect();
        let (rooms, space) = self.known_rooms(origin, room_ids).await?;
        let mut by_room: BTreeMap<RoomId, Vec<InKnownRoom>> = BTreeMap::new();
        for (room_id, object) in claimed {
            match InKnownRoom::parse(origin, &rooms, room_id, object) {
                Ok(pdu) => {
                    results.insert(pdu.event_id.clone(), None);
                    by_room.entry(pdu.room_id.clone()).or_default().push(pdu);
                }
                Err(Skipped::UnknownRoom(room_id)) => {
                    tracing::info!(server.name = %origin, room.id = %room_id, "Skipped an event of a room that is not known here");
                    self.note_counted_in(&room_id, origin);
                }
                // There is nothing to answer about.
                Err(Skipped::WithoutId(room_id)) => {
                    tracing::info!(server.name = %origin, room.id = %room_id, "Skipped an event that has no id");
                }
            }
        }
        for (room_id, pdus) in by_room {
            let Some(room) = rooms.get(&room_id) else { continue };
            let (ids, parsed): (Vec<_>, Vec<_>) = pdus.into_iter().map(|pdu| (pdu.event_id, pdu.parsed)).unzip();
            let checked = self.check_parsed(&room_id, room.version, parsed).await;
            for (id, checked) in ids.into_iter().zip(checked) {
                let may_be_good = matches!(checked, Ok(_) | Err(Refusal::NoKeys { .. }));
                if may_be_good && room.presence == Presence::ByOneFork {
                    self.note_counted_in(&room_id, origin);
                }
                let withdrawal = checked.as_ref().ok().and_then(|pdu| Withdrawal::of(pdu, self.server_name()));
                if let Ok(pdu) = &checked
                    && withdrawal.is_some()
                    && room.presence == Presence::Joined
                {
                    self.note_counted_out((&room_id, room.number), pdu, origin).await?;
                }
                if let Some(withdrawal) = withdrawal.filter(|_| room.presence == Presence::Absent) {
                    staging.withdrawals.push((room.number, withdrawal));
                } else if may_be_good && room.presence == Presence::Absent {
                    tracing::info!(server.name = %origin, room.id = %room_id, "Ignored {id}: nobody here is in the room");
                    self.note_counted_in(&room_id, origin);
                } else if let Err(refusal) = staging.take(room.number, checked, &space) {
                    tracing::info!(server.name = %origin, room.id = %room_id, event.id = %id, "Refused {id} from {origin}: {refusal}");
                    results.insert(id, Some(refusal.to_string()));
                }
            }
        }
        staging.judge().await?;
        Ok(CheckedPdus { results, staging: Box::new(staging) })
    }
}

/// A PDU of a transaction, in a room that is known here.
struct InKnownRoom {
    room_id: RoomId,
    event_id: EventId,
    parsed: Result<ParsedPdu, Refusal>,
}

/// Why nothing is said about a PDU to who sent it.
enum Skipped {
    UnknownRoom(RoomId),
    WithoutId(RoomId),
}

impl InKnownRoom {
    fn parse(
        origin: &ServerName,
        rooms: &BTreeMap<RoomId, KnownRoom>,
        room_id: RoomId,
        object: Object,
    ) -> Result<Self, Skipped> {
        let Some(room) = rooms.get(&room_id) else { return Err(Skipped::UnknownRoom(room_id)) };
        let Some(event_id) = id_of(&object, room.version) else { return Err(Skipped::WithoutId(room_id)) };
        let parsed = if room.acl.as_ref().is_some_and(|acl| !acl.allows(origin)) {
            Err(Refusal::DeniedByAcl(origin.clone()))
        } else {
            let parsed = ParsedPdu::parse_identified(object, room.version, event_id.clone());
            parsed.map_err(Refusal::from).and_then(|pdu| in_room(&room_id, pdu, References::Limited))
        };
        Ok(Self { room_id, event_id, parsed })
    }
}

impl PduIntake for Graph {
    fn check<'a>(
        &'a self,
        origin: &'a ServerName,
        pdus: Vec<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<CheckedPdus, StoreError>> {
        Box::pin(self.check_transaction(origin, pdus))
    }
}

/// Gives stored events their bodies. Holds nothing: the queues, which the graph is built on, need it.
pub struct StoredBodies;

impl EventBodies for StoredBodies {
    fn body(
        &self,
        tx: &ReadTx<'_>,
        room: RoomNumber,
        event: persistence::EventNumber,
    ) -> Result<Option<Box<RawValue>>, StoreError> {
        let version = room_rows::by_number(tx, room)?.version;
        let Some(stored) = event_rows::load(tx, version, event)? else { return Ok(None) };
        let json = stored.visible().to_json();
        Ok(RawValue::from_string(json).ok())
    }
}

/// Returns the room that a raw PDU claims to be in. The create event of a room of version 12 names itself.
fn claimed_room(origin: &ServerName, raw: &RawValue) -> Option<(RoomId, Object)> {
    let object: Object = serde_json::from_str(raw.get())
        .inspect_err(|error| tracing::info!(server.name = %origin, "Skipped a PDU that is no object: {error}"))
        .ok()?;
    let room_id = match object.get("room_id") {
        Some(room_id) => room_id.as_str().and_then(|id| RoomId::parse(id).ok()),
        None if object.get("type").and_then(Value::as_str) == Some("m.room.create") => {
            let version = object.get("content").and_then(|content| content.get("room_version")).and_then(Value::as_str);
            let version = version.and_then(RoomVersion::parse)?;
            events::hash::event_id(&object, version).map(|id| RoomId::of_create_event(&id))
        }
        None => None,
    };
    if room_id.is_none() {
        tracing::info!(server.name = %origin, "Skipped a PDU without a room id");
    }
    room_id.map(|room_id| (room_id, object))
}

/// Returns the id of a raw PDU. What is no canonical JSON has none, where a room version insists on that: the hash would be one of
/// something else.
fn id_of(object: &Object, version: RoomVersion) -> Option<EventId> {
    let mut signed = object.iter().filter(|(key, _)| *key != "unsigned").map(|(_, value)| value);
    if version.rules().strict_json && signed.any(|value| json::check_strict_value(value).is_err()) {
        return None;
    }
    events::hash::event_id(object, version)
}

/// Parses an event that a peer says is in the room.
pub(crate) fn parse_event(
    room_id: &RoomId,
    version: RoomVersion,
    object: Object,
    references: References,
) -> Result<ParsedPdu, Refusal> {
    in_room(room_id, ParsedPdu::parse(object, version)?, references)
}

/// Goes on with an event whose format is right.
fn in_room(room_id: &RoomId, parsed: ParsedPdu, references: References) -> Result<ParsedPdu, Refusal> {
    if parsed.room_id() != room_id {
        return Err(Refusal::OtherRoom(parsed.room_id().clone()));
    }
    check_references(&parsed, references)?;
    Ok(parsed)
}

/// The keys that events claim to be signed with, and when.
pub(crate) fn claims<'a>(events: impl IntoIterator<Item = &'a ParsedPdu>) -> Vec<(ServerName, KeyId, Timestamp)> {
    let claims_of = |event: &'a ParsedPdu| {
        let at = event.origin_server_ts();
        event.claimed_keys().into_iter().map(move |(server, key)| (server, key, at))
    };
    events.into_iter().flat_map(claims_of).collect()
}

fn check_references(pdu: &ParsedPdu, references: References) -> Result<(), Refusal> {
    if references == References::Unlimited {
        return Ok(());
    }
    if pdu.prev_events().len() > PREV_EVENTS_MAX {
        return Err(Refusal::TooManyReferences(pdu.prev_events().len(), "prev_events"));
    }
    if pdu.auth_events().len() > AUTH_EVENTS_MAX {
        return Err(Refusal::TooManyReferences(pdu.auth_events().len(), "auth_events"));
    }
    Ok(())
}

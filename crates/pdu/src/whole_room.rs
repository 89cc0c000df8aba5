//! A whole room as a resident gives it: tens of thousands of events in one answer.
//!
//! Parsed on all cores, the keys of all their servers fetched at once, and stored while those that follow are verified. Were keys
//! fetched for a few events at a time, each time would last as long as the slowest of a few servers.

use std::collections::BTreeSet;
use std::sync::Arc;

use events::{EventId, ParsedPdu, Pdu, RoomId, RoomVersion, ServerName, UserId, Value};
use futures_util::StreamExt;
use futures_util::future::join_all;
use persistence::StoreError;
use serde_json::value::RawValue;
use transport::Keys;

use crate::graph::Graph;
use crate::intake::{References, Refusal, claims, parse_event};
use crate::limits::{CHECKED_EVENTS_CHUNK, WHOLE_ROOM_KEYS_TIME_MAX};
use crate::outliers::parsed_in_order_of_citation;
use crate::partial::LackingKeys;
use crate::room::Room;

/// Chunks of a room that are verified while another is stored: with one, a core would be idle whenever that took longer.
const VERIFIED_AHEAD: usize = 2;

/// Events of one room whose signatures have not been looked at, and the keys to look at them.
pub(crate) struct UnverifiedRoom {
    version: RoomVersion,
    /// Each once, after those that it cites.
    events: Vec<ParsedPdu>,
    keys: Arc<Keys>,
}

impl UnverifiedRoom {
    /// The keys that could not be had.
    pub(crate) fn lacking_keys(&self) -> LackingKeys {
        LackingKeys::of(&self.events, &self.keys)
    }

    /// The events that a key is lacking for.
    pub(crate) fn without_keys(&self) -> BTreeSet<EventId> {
        let lacks_key =
            |event: &&ParsedPdu| claims([*event]).iter().any(|(server, ..)| self.keys.missing().contains(server));
        self.events.iter().filter(lacks_key).map(|event| event.event_id().clone()).collect()
    }

    /// The servers that have a user in the room by the events `state`, and whose keys could not be had.
    pub(crate) fn joined_without_keys(&self, state: &[EventId]) -> Vec<ServerName> {
        if self.keys.missing().is_empty() {
            return Vec::new();
        }
        let state: BTreeSet<&EventId> = state.iter().collect();
        let is_join = |event: &&ParsedPdu| {
            let text = |key: &str| event.object().get(key).and_then(Value::as_str);
            let membership = event.object().get("content").and_then(|content| content.get("membership"));
            state.contains(event.event_id())
                && text("type") == Some("m.room.member")
                && membership.and_then(Value::as_str) == Some("join")
        };
        let joins = self.events.iter().filter(is_join);
        let senders = joins.filter_map(|event| UserId::parse(event.object().get("sender")?.as_str()?).ok());
        let servers: BTreeSet<ServerName> = senders.map(|sender| sender.server()).collect();
        servers.intersection(self.keys.missing()).cloned().collect()
    }
}

impl Graph {
    /// Parses the events of an answer. Drops and logs the bad ones.
    pub(crate) async fn parse_answer(
        &self,
        server: &ServerName,
        room_id: &RoomId,
        version: RoomVersion,
        raw: Vec<Box<RawValue>>,
    ) -> Vec<ParsedPdu> {
        let chunks = in_chunks(raw).map(|chunk| {
            let room_id = room_id.clone();
            self.handles().compute.run(move || {
                let objects = chunk.into_iter().filter_map(|raw| serde_json::from_str(raw.get()).ok());
                let parse = |object| parse_event(&room_id, version, object, References::Unlimited);
                objects.map(parse).collect::<Vec<_>>()
            })
        });
        let parsed = join_all(chunks).await.into_iter().flatten();
        parsed.filter_map(|parsed| good(server, room_id, parsed)).collect()
    }

    /// Fetches the keys that the events claim to be signed with, as far as they can be had within
    /// [`WHOLE_ROOM_KEYS_TIME_MAX`].
    pub(crate) async fn with_keys(&self, version: RoomVersion, events: Vec<ParsedPdu>) -> UnverifiedRoom {
        let claims = claims(&events);
        let (keys, events) = tokio::join!(
            self.key_ring().for_events_within(&claims, WHOLE_ROOM_KEYS_TIME_MAX),
            self.handles().compute.run(move || parsed_in_order_of_citation(events))
        );
        UnverifiedRoom { version, events, keys: Arc::new(keys) }
    }

    /// Verifies events and stores them as outliers, the ones while the others are verified. Drops and logs the bad ones.
    pub(crate) async fn store_unverified(
        &self,
        room: &mut Room,
        given: UnverifiedRoom,
        server: &ServerName,
    ) -> Result<(), StoreError> {
        let UnverifiedRoom { version, events, keys } = given;
        let room_id = room.room_id.clone();
        let verified = |chunk: Vec<ParsedPdu>| {
            let (keys, room_id) = (&keys, &room_id);
            async move {
                let checked = self.verify(version, chunk.into_iter().map(Ok).collect(), keys).await;
                checked.into_iter().filter_map(|checked| good(server, room_id, checked)).collect::<Vec<Pdu>>()
            }
        };
        let mut verified = futures_util::stream::iter(in_chunks(events).map(verified)).buffered(VERIFIED_AHEAD);
        let mut ready = verified.next().await;
        while let Some(pdus) = ready {
            let (stored, following) = tokio::join!(self.store_outliers(room, pdus), verified.next());
            stored?;
            ready = following;
        }
        Ok(())
    }
}

impl Graph {
    /// Checks the signatures of a few events. Drops and logs the bad ones.
    pub(crate) async fn verified(&self, server: &ServerName, room_id: &RoomId, given: UnverifiedRoom) -> Vec<Pdu> {
        let UnverifiedRoom { version, events, keys } = given;
        let checked = self.verify(version, events.into_iter().map(Ok).collect(), &keys).await;
        checked.into_iter().filter_map(|checked| good(server, room_id, checked)).collect()
    }
}

fn in_chunks<T>(items: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || {
        let chunk: Vec<T> = items.by_ref().take(CHECKED_EVENTS_CHUNK).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn good<T>(server: &ServerName, room_id: &RoomId, checked: Result<T, Refusal>) -> Option<T> {
    checked
        .inspect_err(|refusal| {
            tracing::info!(server.name = %server, room.id = %room_id, "Dropped an event in an answer of {server}: {refusal}");
        })
        .ok()
}

//! Keys that could not be had when a room was given to us, and without which some entries of its state were left out.
//!
//! A key that cannot be had is no bad signature: who signed may be away for a moment. So they are asked for again in the background,
//! long after the room is in use; what they vouch for is then put in its place, and all since our join is judged again.

use std::collections::{BTreeMap, BTreeSet};

use events::auth_graph::StateMap;
use events::{EventId, KeyId, ParsedPdu, ServerName};
use handles::Timestamp;
use persistence::transactions::rooms::RoomRow;
use persistence::transactions::{events as event_rows, graph as graph_rows, partial as rows};
use persistence::{ReadTx, StoreError};
use serde::{Deserialize, Serialize};
use transaction::requests::RoomStateIds;
use transport::Keys;

use super::complete::{Completed, Incomplete, Wanted};
use crate::due::{doubled, milliseconds};
use crate::graph::Graph;
use crate::intake::claims;
use crate::limits::{
    JUDGED_AGAIN_FOR_KEYS_MAX, LACKING_KEYS_MAX, LACKING_KEYS_RETRY_FIRST, LACKING_KEYS_RETRY_MAX, LOOKED_UP_AT_ONCE,
    PULL_PATIENCE, WHOLE_ROOM_KEYS_TIME_MAX,
};
use crate::room::Room;

/// Keys, and when each has to be valid.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct LackingKeys(Vec<(ServerName, KeyId, Timestamp)>);

impl LackingKeys {
    /// Those that events claim to be signed with and that are not among `keys`.
    pub(crate) fn of(events: &[ParsedPdu], keys: &Keys) -> Self {
        let mut lacking = Self::default();
        lacking.add(claims(events).into_iter().filter(|(server, ..)| keys.missing().contains(server)));
        lacking
    }

    /// Adds others, as many as may be remembered.
    pub(crate) fn extend(&mut self, others: Self) {
        self.add(others.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[(ServerName, KeyId, Timestamp)] {
        &self.0
    }

    /// Whose keys they are.
    pub(crate) fn servers(&self) -> Vec<ServerName> {
        let mut servers: Vec<ServerName> = self.0.iter().map(|(server, ..)| server.clone()).collect();
        servers.dedup();
        servers
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names and numbers are plain data")
    }

    /// What [`LackingKeys::to_json`] wrote. What cannot be read is as if nothing were lacking.
    pub(crate) fn from_json(text: Option<&str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Of each key the latest time is kept: who is valid then was so before.
    fn add(&mut self, others: impl IntoIterator<Item = (ServerName, KeyId, Timestamp)>) {
        let mut all: BTreeMap<(ServerName, KeyId), Timestamp> =
            std::mem::take(&mut self.0).into_iter().map(|(server, key, at)| ((server, key), at)).collect();
        for (server, key, at) in others {
            let latest = all.entry((server, key)).or_insert(at);
            *latest = (*latest).max(at);
        }
        self.0 = all.into_iter().take(LACKING_KEYS_MAX).map(|((server, key), at)| (server, key, at)).collect();
    }
}

impl Graph {
    /// Asks for the keys that a whole room lacks. Says whether some came.
    pub(super) async fn have_keys_come(&self, wanted: &Wanted) -> bool {
        let lacking = LackingKeys::from_json(wanted.partial.keys.as_deref());
        let keys = self.key_ring().for_events_within(lacking.as_slice(), WHOLE_ROOM_KEYS_TIME_MAX).await;
        lacking.servers().iter().any(|server| !keys.missing().contains(server))
    }

    /// Whether a state is taken from a server that may have left out what it lacks keys for. While members are unknown it is after
    /// [`PULL_PATIENCE`]: to know none is worse.
    pub(super) fn believes_less(&self, wanted: &Wanted) -> bool {
        let waited = self.handles().clock.now() - wanted.partial.since;
        !wanted.partial.whole && waited >= milliseconds(PULL_PATIENCE)
    }

    /// Whoever names nothing of a server whose keys lacked, though what it signed was named before, lacks those keys, too: as they tell
    /// the state, it would be gone. What is named has been fetched, but for what is `lacking` keys.
    pub(super) async fn check_names_what_lacked(
        &self,
        wanted: &Wanted,
        named: &RoomStateIds,
        lacking: &LackingKeys,
    ) -> Result<(), Incomplete> {
        let lacks_still: BTreeSet<ServerName> = lacking.servers().into_iter().collect();
        let mut unnamed = LackingKeys::from_json(wanted.partial.keys.as_deref()).servers();
        unnamed.retain(|server| !lacks_still.contains(server));
        if unnamed.is_empty() {
            return Ok(());
        }
        let ids: Vec<EventId> = named.pdu_ids.iter().chain(&named.auth_chain_ids).cloned().collect();
        for chunk in ids.chunks(LOOKED_UP_AT_ONCE) {
            if unnamed.is_empty() {
                break;
            }
            let (row, chunk) = (wanted.row.clone(), chunk.to_vec());
            let signers = self.database().read(move |tx| signers(tx, &row, &chunk)).await?;
            unnamed.retain(|server| !signers.contains(server));
        }
        match unnamed.first() {
            None => Ok(()),
            Some(server) => {
                Err(Incomplete::Failed(format!("it names nothing that {server} has signed, and others did")))
            }
        }
    }

    /// A whole room, of which nothing new is known, or in which too much has happened to judge it all again. `None` if it is to be.
    pub(super) async fn settle_without_judging(
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
        let (servers, is_over) = (lacking.servers(), !is_known || lacking.is_empty());
        room.lacks_keys_of = room.lacks_keys_of.take().filter(|_| !is_over);
        room.lacks_keys_of.iter_mut().for_each(|lacking| lacking.retain(|server| servers.contains(server)));
        self.database()
            .write(move |tx| {
                if is_over {
                    rows::end(tx, number)
                } else {
                    rows::become_whole(tx, number, &keys, &servers, attempts, retry_at)
                }
            })
            .await?;
        Ok(Some(Completed::Whole))
    }
}

/// The servers that have signed those of `events` that are here.
fn signers(tx: &ReadTx<'_>, room: &RoomRow, events: &[EventId]) -> Result<BTreeSet<ServerName>, StoreError> {
    let mut signers = BTreeSet::new();
    for id in events {
        let Some(event) = event_rows::number(tx, room.number, id)? else { continue };
        if let Some(stored) = event_rows::load(tx, room.version, event)? {
            signers.extend(stored.pdu.signed_by().iter().cloned());
        }
    }
    Ok(signers)
}

/// The pause before the keys that a whole room lacks are asked for again, in milliseconds.
pub(crate) fn keys_pause(attempts: i64) -> i64 {
    doubled(LACKING_KEYS_RETRY_FIRST, LACKING_KEYS_RETRY_MAX, attempts)
}

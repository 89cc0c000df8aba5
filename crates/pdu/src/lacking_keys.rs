//! Keys that could not be had when a room was given to us, and without which some entries of its state were left out.
//!
//! A key that cannot be had is no bad signature: who signed may be away for a moment. So they are asked for again in the background,
//! long after the room is in use; what they vouch for is then put in its place, and all since our join is judged again.

use std::collections::BTreeMap;

use events::{KeyId, ParsedPdu, ServerName};
use handles::Timestamp;
use serde::{Deserialize, Serialize};
use transport::Keys;

use crate::intake::claims;
use crate::limits::LACKING_KEYS_MAX;

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

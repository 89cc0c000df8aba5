//! Gets keys: from the database, from their server, from a notary.

use std::collections::BTreeMap;

use events::signature::verify_json;
use events::{KeyId, Object, PublicKey, ServerName, Value};
use handles::Timestamp;
use persistence::transactions::server_keys::{self, StoredDocument, StoredKey};
use serde_json::json;

use super::{KeyRing, Known, ServerKey, document};
use crate::client::CallLimits;
use crate::limits::{KEYS_BYTES_MAX, KEYS_TIMEOUT, NOTARY_SERVERS_MAX, SERVERS_WITH_KEYS_MAX};
use crate::path::PathBuilder;

const LIMITS: CallLimits = CallLimits { timeout: KEYS_TIMEOUT, response_bytes_max: KEYS_BYTES_MAX };

impl KeyRing {
    /// Reads what is stored of a server, once.
    pub(super) async fn load(&self, server: &ServerName, known: &mut Known) {
        if known.loaded {
            return;
        }
        let name = server.clone();
        match self.0.database.read(move |tx| server_keys::keys(tx, &name)).await {
            Ok(stored) => {
                known.loaded = true;
                known.keys.extend(stored.into_iter().filter_map(|stored| {
                    let public = PublicKey::from_base64(&stored.public_key).ok()?;
                    Some((
                        stored.key_id,
                        ServerKey { public, valid_until: stored.valid_until, expired: stored.expired },
                    ))
                }));
            }
            Err(error) => tracing::error!(server.name = %server, "stored keys cannot be read: {error}"),
        }
    }

    /// Fetches and stores a server's keys.
    pub(super) async fn fetch(
        &self,
        server: &ServerName,
        wanted: &BTreeMap<KeyId, Timestamp>,
    ) -> Result<BTreeMap<KeyId, ServerKey>, String> {
        let (document, keys) = match self.fetch_from_owner(server).await {
            Ok(found) => found,
            Err(reason) => self.fetch_from_notaries(server, wanted).await.ok_or(reason)?,
        };
        self.store(server, document, &keys).await;
        Ok(keys)
    }

    async fn fetch_from_owner(&self, server: &ServerName) -> Result<(Object, BTreeMap<KeyId, ServerKey>), String> {
        let answer = self.0.client.call_unsigned(server, "/_matrix/key/v2/server".to_owned(), LIMITS).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let document = answer.as_object().ok_or("its keys are no JSON object")?;
        let keys = document::read(document, server, self.0.handles.clock.now())?;
        Ok((document.clone(), keys))
    }

    /// S2S API, `POST /_matrix/key/v2/query`. What a notary gives counts only with its signature and the owner's.
    async fn fetch_from_notaries(
        &self,
        server: &ServerName,
        wanted: &BTreeMap<KeyId, Timestamp>,
    ) -> Option<(Object, BTreeMap<KeyId, ServerKey>)> {
        let criteria: Object =
            wanted.iter().map(|(key, at)| (key.to_string(), json!({ "minimum_valid_until_ts": at }))).collect();
        let question = json!({ "server_keys": { server.as_str(): criteria } });
        let question = question.as_object()?;
        for notary in self.0.notaries.iter().filter(|notary| *notary != server) {
            match self.ask_notary(notary, server, question).await {
                Ok(found) => return Some(found),
                Err(reason) => {
                    tracing::info!(server.name = %server, "The notary {notary} has no keys of {server}: {reason}");
                }
            }
        }
        None
    }

    async fn ask_notary(
        &self,
        notary: &ServerName,
        server: &ServerName,
        question: &Object,
    ) -> Result<(Object, BTreeMap<KeyId, ServerKey>), String> {
        let of_notary = self.fetch_from_owner(notary).await?.1;
        let path = PathBuilder::new("/_matrix/key/v2/query").finish();
        let answer = self.0.client.call(notary, http::Method::POST, path, Some(question), LIMITS).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let documents = answer.get("server_keys").and_then(Value::as_array).ok_or("it answered no `server_keys`")?;
        let named = |document: &&Value| document.get("server_name").and_then(Value::as_str) == Some(server.as_str());
        let document = documents.iter().find(named).and_then(Value::as_object).ok_or("it has none")?;
        verify_json(document, notary, |key| of_notary.get(key).map(|key| key.public.clone()))
            .map_err(|error| error.to_string())?;
        let keys = document::read(document, server, self.0.handles.clock.now())?;
        let mut document = document.clone();
        if let Some(signatures) = document.get_mut("signatures").and_then(Value::as_object_mut) {
            signatures.retain(|name, _| name == server.as_str());
        }
        Ok((document, keys))
    }

    async fn store(&self, server: &ServerName, document: Object, keys: &BTreeMap<KeyId, ServerKey>) {
        let stored: Vec<StoredKey> = keys
            .iter()
            .map(|(id, key)| StoredKey {
                key_id: id.clone(),
                public_key: key.public.to_base64(),
                valid_until: key.valid_until,
                expired: key.expired,
            })
            .collect();
        let document = StoredDocument {
            valid_until: document.get("valid_until_ts").and_then(Value::as_i64).unwrap_or(0),
            document: Value::Object(document).to_string(),
            fetched: self.0.handles.clock.now(),
        };
        let name = server.clone();
        let stored = self
            .0
            .database
            .write(move |tx| {
                server_keys::replace_keys(tx, &name, &stored)?;
                server_keys::put_document(tx, &name, &document)?;
                server_keys::prune(tx, SERVERS_WITH_KEYS_MAX)
            })
            .await;
        if let Err(error) = stored {
            tracing::error!(server.name = %server, "keys cannot be stored: {error}");
        }
    }

    /// Answers as a notary: each server's document with its signature and ours. Servers that we know nothing of are asked.
    pub async fn notarise(&self, servers: Vec<(ServerName, Timestamp)>) -> Vec<Value> {
        let mut answers = Vec::new();
        for (server, minimum_valid_until) in servers.into_iter().take(NOTARY_SERVERS_MAX) {
            if server == *self.0.client.server_name() {
                answers.push(self.own_document());
                continue;
            }
            let known = self.stored_document(&server).await;
            let document = match known {
                Some(known) if known.valid_until >= minimum_valid_until => Some(known.document),
                known => match self.fetch(&server, &BTreeMap::new()).await {
                    Ok(_) => self.stored_document(&server).await.map(|stored| stored.document),
                    Err(_) => known.map(|known| known.document),
                },
            };
            if let Some(document) = document.and_then(|document| serde_json::from_str(&document).ok()) {
                answers.push(self.signed_by_us(document));
            }
        }
        answers
    }

    async fn stored_document(&self, server: &ServerName) -> Option<StoredDocument> {
        let name = server.clone();
        match self.0.database.read(move |tx| server_keys::document(tx, &name)).await {
            Ok(document) => document,
            Err(error) => {
                tracing::error!(server.name = %server, "stored keys cannot be read: {error}");
                None
            }
        }
    }
}

//! Notaries: servers that pass on the keys of others, countersigned. S2S API, "Querying Keys Through Another Server".
//!
//! We ask those that the configuration trusts, and are one for whoever asks.

use std::collections::BTreeMap;

use bytes::Bytes;
use events::{KeyId, Object, ServerName, Value, json, signature};
use handles::Timestamp;
use persistence::StoreError;
use persistence::transactions::server_keys::{self as rows, StoredDocument};
use serde_json::json;

use super::document::Document;
use super::fetch::Purpose;
use super::{KEY_WAIT, KeyRing, lacking};

/// Documents that we read of one answer.
const DOCUMENTS_MAX: usize = 16;
/// Servers whose keys we fetch because of one question to us. Others are answered from what we have.
const FETCHES_PER_QUESTION_MAX: usize = 10;

impl KeyRing {
    /// Asks the notaries in turn until all that is wanted is there. Every document has two signatures: its server's and the
    /// notary's.
    pub(super) async fn fetch_from_notaries(
        &self,
        server: &ServerName,
        mut wanted: BTreeMap<KeyId, Timestamp>,
    ) -> Vec<Document> {
        let mut documents = Vec::new();
        let now = self.0.handles.clock.now();
        let mut keys = self.known(server).await;
        for notary in &self.0.notaries {
            if notary == server || *notary == self.0.server_name || wanted.is_empty() {
                continue;
            }
            match self.ask_notary(notary, server, &wanted).await {
                Ok(found) => {
                    keys = found.iter().fold(keys, |keys, document| keys.with(document, now).into());
                    documents.extend(found);
                }
                Err(error) => tracing::debug!(server.name = %notary, "the notary {notary} is of no help: {error}"),
            }
            wanted = lacking(Some(&keys), &wanted);
        }
        documents
    }

    async fn ask_notary(
        &self,
        notary: &ServerName,
        server: &ServerName,
        wanted: &BTreeMap<KeyId, Timestamp>,
    ) -> Result<Vec<Document>, String> {
        let criteria: Object =
            wanted.iter().map(|(key, at)| (key.to_string(), json!({ "minimum_valid_until_ts": at }))).collect();
        let body = json::canonical_value(&json!({ "server_keys": { server.as_str(): criteria } }));
        let mut answer = self.ask(notary, http::Method::POST, "/_matrix/key/v2/query", Some(Bytes::from(body))).await?;
        let Some(Value::Array(documents)) = answer.remove("server_keys") else {
            return Err("its answer has no list `server_keys`".to_owned());
        };
        self.refresh_keys_of_notary(notary, &documents).await;
        let keys = self.known(notary).await;
        let now = self.0.handles.clock.now();
        documents
            .into_iter()
            .take(DOCUMENTS_MAX)
            .filter_map(|document| match document {
                Value::Object(object) => Some(object),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
            })
            .map(|object| {
                signature::verify_json(&object, notary, |key| keys.for_request(key, now))
                    .map_err(|error| error.to_string())?;
                Document::parse(server, object).map_err(|error| error.to_string())
            })
            .collect()
    }

    async fn refresh_keys_of_notary(&self, notary: &ServerName, documents: &[Value]) {
        let now = self.0.handles.clock.now();
        let keys = self.known(notary).await;
        let used =
            documents.iter().filter_map(Value::as_object).flat_map(|object| signature::signatures_of(object, notary));
        let wanted: BTreeMap<_, _> =
            used.map(|(key, _)| key).filter(|key| keys.for_request(key, now).is_none()).map(|key| (key, now)).collect();
        if !wanted.is_empty() {
            self.fetch(notary, wanted, Purpose::Notary, KEY_WAIT).await;
        }
    }

    /// Answers as a notary: the documents of the servers that are asked for, as far as we have or can get them, each
    /// countersigned by us. `questions` says until when the keys of each should be valid.
    pub async fn countersigned(&self, questions: BTreeMap<ServerName, Timestamp>) -> Result<Vec<Value>, StoreError> {
        let now = self.0.handles.clock.now();
        let mut stored = self.documents(questions.keys().cloned().collect()).await?;
        let stale: Vec<_> = questions
            .iter()
            .filter(|(server, until)| **server != self.0.server_name && is_stale(stored.get(*server), **until, now))
            .map(|(server, _)| server.clone())
            .take(FETCHES_PER_QUESTION_MAX)
            .collect();
        if !stale.is_empty() {
            let fetches = stale.iter().map(|server| self.fetch(server, BTreeMap::new(), Purpose::Notary, KEY_WAIT));
            futures_util::future::join_all(fetches).await;
            stored.extend(self.documents(stale.clone()).await?);
        }
        let own = questions.contains_key(&self.0.server_name).then(|| Value::Object(self.own_document()));
        Ok(stored.into_values().filter_map(|document| self.countersign(&document)).chain(own).collect())
    }

    async fn documents(&self, servers: Vec<ServerName>) -> Result<BTreeMap<ServerName, StoredDocument>, StoreError> {
        self.0
            .database
            .read(move |tx| {
                let read = |server: ServerName| Ok(rows::document(tx, &server)?.map(|document| (server, document)));
                servers.into_iter().filter_map(|server| read(server).transpose()).collect()
            })
            .await
    }

    fn countersign(&self, document: &StoredDocument) -> Option<Value> {
        let mut object: Object = serde_json::from_str(&document.document).ok()?;
        signature::sign_json(&mut object, &self.0.server_name, &self.0.key);
        Some(Value::Object(object))
    }
}

/// A notary passes a document on for half of its life, so that nobody gets one that is about to end.
fn is_stale(document: Option<&StoredDocument>, wanted_until: Timestamp, now: Timestamp) -> bool {
    document.is_none_or(|document| {
        let half = document.fetched.saturating_add(document.valid_until.saturating_sub(document.fetched) / 2);
        document.valid_until < wanted_until || now > half
    })
}

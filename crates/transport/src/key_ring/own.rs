//! Our own keys, and the document that publishes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use events::signature::sign_json;
use events::{KeyId, Object, PublicKey, ServerName, SigningKey, Value};
use handles::Timestamp;
use serde_json::json;

use super::{KeyRing, ServerKey, millis};
use crate::limits::OWN_KEY_VALIDITY;

/// A key that we have used and no longer use: others check old events of ours with it.
#[derive(Debug, Clone)]
pub struct OldKey {
    /// Its name.
    pub id: KeyId,
    /// Its public half.
    pub public: PublicKey,
    /// When we stopped to use it, in milliseconds since 1970.
    pub expired: Timestamp,
}

pub(super) struct OwnKeys {
    server_name: ServerName,
    key: Arc<SigningKey>,
    old: Vec<OldKey>,
}

impl OwnKeys {
    pub(super) fn new(server_name: ServerName, key: Arc<SigningKey>, old: Vec<OldKey>) -> Self {
        Self { server_name, key, old }
    }

    /// Our keys, if `server` is us.
    pub(super) fn of(&self, server: &ServerName) -> Option<BTreeMap<KeyId, ServerKey>> {
        if *server != self.server_name {
            return None;
        }
        let old = self.old.iter().map(|old| {
            (old.id.clone(), ServerKey { public: old.public.clone(), valid_until: 0, expired: Some(old.expired) })
        });
        let current = ServerKey { public: self.key.public(), valid_until: Timestamp::MAX, expired: None };
        Some(old.chain([(self.key.id().clone(), current)]).collect())
    }
}

impl KeyRing {
    /// `GET /_matrix/key/v2/server`: our keys, signed.
    pub fn own_document(&self) -> Value {
        let own = &self.0.own;
        let old: Object = own
            .old
            .iter()
            .map(|old| (old.id.to_string(), json!({ "key": old.public.to_base64(), "expired_ts": old.expired })))
            .collect();
        let document = json!({
            "server_name": own.server_name,
            "verify_keys": { own.key.id().as_str(): { "key": own.key.public().to_base64() } },
            "old_verify_keys": old,
            "valid_until_ts": self.0.handles.clock.now() + millis(OWN_KEY_VALIDITY),
        });
        self.signed_by_us(document)
    }

    /// Adds our signature to a document of keys: ours, or another server's that we pass on as a notary.
    pub(super) fn signed_by_us(&self, document: Value) -> Value {
        let own = &self.0.own;
        match document {
            Value::Object(mut object) => {
                sign_json(&mut object, &own.server_name, &own.key);
                Value::Object(object)
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => other,
        }
    }
}

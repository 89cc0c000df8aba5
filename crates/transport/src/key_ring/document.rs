//! Reads a document of keys, as a server publishes it. S2S API, "Publishing Keys".

use std::collections::BTreeMap;

use events::signature::verify_json;
use events::{KeyId, Object, PublicKey, ServerName, Value};
use handles::Timestamp;

use super::{ServerKey, millis};
use crate::limits::{KEY_VALIDITY_MAX, KEYS_PER_SERVER_MAX};

/// Checks that `document` is `server`'s own, signed with a key that it publishes, and returns its keys.
pub(super) fn read(
    document: &Object,
    server: &ServerName,
    now: Timestamp,
) -> Result<BTreeMap<KeyId, ServerKey>, String> {
    if document.get("server_name").and_then(Value::as_str) != Some(server.as_str()) {
        return Err("its keys are not in its own name".to_owned());
    }
    let valid_until =
        document.get("valid_until_ts").and_then(Value::as_i64).ok_or("its keys have no `valid_until_ts`")?;
    let valid_until = valid_until.min(now + millis(KEY_VALIDITY_MAX));
    let mut keys = BTreeMap::new();
    for (id, entry) in entries(document, "old_verify_keys") {
        let Some(expired) = entry.get("expired_ts").and_then(Value::as_i64) else { continue };
        insert(&mut keys, id, entry, |public| ServerKey { public, valid_until: 0, expired: Some(expired) });
    }
    let mut current = BTreeMap::new();
    for (id, entry) in entries(document, "verify_keys") {
        insert(&mut current, id, entry, |public| ServerKey { public, valid_until, expired: None });
    }
    verify_json(document, server, |id| current.get(id).map(|key: &ServerKey| key.public.clone()))
        .map_err(|error| error.to_string())?;
    // A key in both lists is in use.
    keys.extend(current);
    Ok(keys)
}

fn entries<'a>(document: &'a Object, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    document.get(field).and_then(Value::as_object).into_iter().flatten().take(KEYS_PER_SERVER_MAX)
}

/// Keys of other algorithms, and weak ones, are left out.
fn insert(keys: &mut BTreeMap<KeyId, ServerKey>, id: &str, entry: &Value, make: impl FnOnce(PublicKey) -> ServerKey) {
    let public = entry.get("key").and_then(Value::as_str).and_then(|key| PublicKey::from_base64(key).ok());
    if let (Ok(id), Some(public)) = (KeyId::parse(id), public)
        && id.as_str().starts_with("ed25519:")
    {
        keys.insert(id, make(public));
    }
}

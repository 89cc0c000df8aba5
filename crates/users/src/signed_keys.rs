//! Keys that are signed by other keys: the one place that says which are good, whoever sends them.
//!
//! Keys that a stranger's server would refuse must not get in here either: they would go out with our own device lists.

use std::collections::BTreeMap;

use events::json::{Object, Value, canonical_without, check_strict};
use events::{PublicKey, UserId};
use persistence::transactions::devices::DeviceId;

/// Bytes of one key object as canonical JSON.
pub(crate) const KEY_SIZE_BYTES_MAX: usize = 16_384;
/// Bytes of the name of a key, algorithm included.
pub(crate) const KEY_NAME_BYTES_MAX: usize = 255;

/// Why keys were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// The form is wrong.
    #[error("{what}: {reason}")]
    Format {
        /// Which key or field.
        what: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A signature is missing or does not verify.
    #[error("{what} is not signed by {key}")]
    Signature {
        /// Which key.
        what: String,
        /// Which key should have signed.
        key: String,
    },
}

/// The identity keys of a device: format and signature are right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeviceKeys {
    object: Object,
    signing: PublicKey,
}

/// What a cross-signing key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usage {
    /// Stands for the user.
    Master,
    /// Signs the user's devices.
    SelfSigning,
    /// Signs other users' master keys.
    UserSigning,
}

/// A cross-signing key: the format is right. Who signed it is for the caller to check.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CrossSigningKey {
    object: Object,
    id: String,
    public: PublicKey,
}

impl Usage {
    /// As it stands in `usage`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::SelfSigning => "self_signing",
            Self::UserSigning => "user_signing",
        }
    }
}

impl DeviceKeys {
    /// Checks keys that claim to be those of `device`. C-S API, `POST /keys/upload`.
    pub(crate) fn check(mut object: Object, user: &UserId, device: &DeviceId) -> Result<Self, InvalidKeys> {
        check_object("device_keys", &object)?;
        object.remove("unsigned");
        check_text(&object, "user_id", user.as_str(), "is not the user whose keys these are")?;
        check_text(&object, "device_id", device.as_str(), "is not the device whose keys these are")?;
        let are_texts = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
        if !object.get("algorithms").is_some_and(are_texts) {
            return Err(format_error("device_keys.algorithms", "must be a list of texts"));
        }
        let keys = texts(&object, "keys").ok_or_else(|| format_error("device_keys.keys", "must map names to texts"))?;
        for (name, key) in &keys {
            let belongs = name.split_once(':').is_some_and(|(_, id)| id == device.as_str());
            if !belongs || name.len() > KEY_NAME_BYTES_MAX {
                return Err(format_error(name, "a key of a device is named ALGORITHM:DEVICE_ID"));
            }
            check_curve_key(name, key)?;
        }
        let signing_name = format!("ed25519:{device}");
        let signing = keys.get(&signing_name).ok_or_else(|| format_error(&signing_name, "is missing"))?;
        let signing = public_key(&signing_name, signing)?;
        check_signature("device_keys", &object, user, &signing_name, &signing)?;
        Ok(Self { object, signing })
    }

    /// Reads back what was checked before it was stored.
    pub(crate) fn from_store(text: &str, user: &UserId, device: &DeviceId) -> Option<Self> {
        Self::check(serde_json::from_str(text).ok()?, user, device).ok()
    }

    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    /// The key that signs for the device.
    pub(crate) fn signing(&self) -> &PublicKey {
        &self.signing
    }
}

impl CrossSigningKey {
    /// Checks a key that claims to be `user`'s, for `usage`. C-S API, `POST /keys/device_signing/upload`.
    pub(crate) fn check(mut object: Object, user: &UserId, usage: Usage) -> Result<Self, InvalidKeys> {
        let what = format!("{}_key", usage.name());
        check_object(&what, &object)?;
        object.remove("unsigned");
        check_text(&object, "user_id", user.as_str(), "is not the user whose key this is")?;
        let is_usage =
            |value: &Value| value.as_array().is_some_and(|items| items.iter().any(|item| item == usage.name()));
        if !object.get("usage").is_some_and(is_usage) {
            return Err(format_error(&format!("{what}.usage"), "does not name what the key is for"));
        }
        let keys = texts(&object, "keys").unwrap_or_default();
        let mut keys = keys.into_iter();
        let (Some((id, key)), None) = (keys.next(), keys.next()) else {
            return Err(format_error(&format!("{what}.keys"), "must have exactly one key"));
        };
        if id.strip_prefix("ed25519:") != Some(&key) {
            return Err(format_error(&id, "a cross-signing key is named after itself, ed25519:KEY"));
        }
        let public = public_key(&id, &key)?;
        Ok(Self { object, id, public })
    }

    /// Reads back what was checked before it was stored.
    pub(crate) fn from_store(text: &str, user: &UserId, usage: Usage) -> Option<Self> {
        Self::check(serde_json::from_str(text).ok()?, user, usage).ok()
    }

    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    /// `ed25519:…`
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What stands behind `ed25519:`, by which signatures name it.
    pub(crate) fn target(&self) -> &str {
        self.id.split_once(':').map_or("", |(_, key)| key)
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }
}

/// Checks a one-time or fallback key. An object must be signed by the device.
pub(crate) fn check_one_time_key(
    name: &str,
    key: &Value,
    user: &UserId,
    device: &DeviceId,
    signing: &PublicKey,
) -> Result<(), InvalidKeys> {
    let is_named = name.split_once(':').is_some_and(|(algorithm, id)| !algorithm.is_empty() && !id.is_empty());
    if !is_named || name.len() > KEY_NAME_BYTES_MAX {
        return Err(format_error(name, "a one-time key is named ALGORITHM:KEY_ID"));
    }
    match key {
        Value::String(key) => check_curve_key("curve25519:", key).map_err(|_| format_error(name, "is no key")),
        Value::Object(object) => {
            check_object(name, object)?;
            let key = object.get("key").and_then(Value::as_str).ok_or_else(|| format_error(name, "lacks `key`"))?;
            check_curve_key("curve25519:", key).map_err(|_| format_error(name, "`key` is no key"))?;
            check_signature(name, object, user, &format!("ed25519:{device}"), signing)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(format_error(name, "a key is a text or an object"))
        }
    }
}

/// Says whether `object` carries a signature of `user` with the key named `key_id`, and that it verifies.
pub(crate) fn check_signature(
    what: &str,
    object: &Object,
    user: &UserId,
    key_id: &str,
    key: &PublicKey,
) -> Result<(), InvalidKeys> {
    let message = canonical_without(object, &["signatures", "unsigned"]);
    let verifies =
        signature_of(object, user, key_id).is_some_and(|signature| key.verifies(message.as_bytes(), signature));
    if verifies {
        Ok(())
    } else {
        Err(InvalidKeys::Signature { what: what.to_owned(), key: format!("{key_id} of {user}") })
    }
}

/// Returns the signature of `user` with the key named `key_id`.
pub(crate) fn signature_of<'a>(object: &'a Object, user: &UserId, key_id: &str) -> Option<&'a str> {
    object.get("signatures")?.get(user.as_str())?.get(key_id)?.as_str()
}

/// Adds a signature to `object`.
pub(crate) fn add_signature(object: &mut Object, user: &UserId, key_id: &str, signature: String) {
    let signatures = object.entry("signatures").or_insert_with(|| Value::Object(Object::new()));
    if let Some(signatures) = signatures.as_object_mut() {
        let of_user = signatures.entry(user.as_str()).or_insert_with(|| Value::Object(Object::new()));
        if let Some(of_user) = of_user.as_object_mut() {
            of_user.insert(key_id.to_owned(), Value::String(signature));
        }
    }
}

/// Small, and JSON that every server can hash.
fn check_object(what: &str, object: &Object) -> Result<(), InvalidKeys> {
    if check_strict(object).is_err() {
        return Err(format_error(what, "has numbers that are no integers of canonical JSON"));
    }
    if events::json::canonical(object).len() > KEY_SIZE_BYTES_MAX {
        return Err(format_error(what, "is larger than 16384 bytes"));
    }
    Ok(())
}

fn check_text(object: &Object, field: &str, expected: &str, reason: &'static str) -> Result<(), InvalidKeys> {
    match object.get(field).and_then(Value::as_str) {
        Some(text) if text == expected => Ok(()),
        Some(_) => Err(format_error(field, reason)),
        None => Err(format_error(field, "is missing or no text")),
    }
}

/// Keys of the two curves have 32 bytes in base64; of others nothing is known.
fn check_curve_key(name: &str, key: &str) -> Result<(), InvalidKeys> {
    let is_of_a_curve = name.starts_with("curve25519:") || name.starts_with("ed25519:");
    let has_32_bytes = || events::hash::decode_base64(key).is_some_and(|bytes| bytes.len() == 32);
    if is_of_a_curve && !has_32_bytes() {
        return Err(format_error(name, "is not 32 bytes in base64"));
    }
    Ok(())
}

fn public_key(name: &str, key: &str) -> Result<PublicKey, InvalidKeys> {
    PublicKey::from_base64(key).map_err(|_| format_error(name, "is no ed25519 key"))
}

fn texts(object: &Object, field: &str) -> Option<BTreeMap<String, String>> {
    let entries = object.get(field)?.as_object()?;
    entries.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn format_error(what: &str, reason: &'static str) -> InvalidKeys {
    InvalidKeys::Format { what: what.chars().take(KEY_NAME_BYTES_MAX).collect(), reason }
}

#[cfg(test)]
mod tests;

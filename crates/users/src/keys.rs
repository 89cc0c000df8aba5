//! The keys of devices: upload, query, claim. C-S API, "End-to-End Encryption".

use std::collections::BTreeMap;

use events::json::{Object, Value, canonical, canonical_value};
use events::{PublicKey, ServerName, UserId};
use persistence::transactions::cross_signing::{self, KeySignature};
use persistence::transactions::device_keys::{self, StoredKey};
use persistence::transactions::devices::{self, DeviceId};
use persistence::transactions::remote_devices::RemoteDevice;
use persistence::{Position, ReadTx, StoreError, WriteTx};
use serde_json::json;

use crate::Users;
use crate::signed_keys::{DeviceKeys, Usage, add_signature, check_one_time_key};

pub use crate::signed_keys::InvalidKeys;

/// One-time keys of one device.
pub const ONE_TIME_KEYS_MAX: i64 = 1_000;
/// Keys claimed in one request.
pub const CLAIMS_MAX: usize = 10_000;
/// Clients look at this count to know when to upload more, also when it is 0.
const USUAL_ALGORITHM: &str = "signed_curve25519";

/// What a device uploads.
#[derive(Debug, Clone, Default)]
pub struct KeyUpload {
    /// Its identity keys.
    pub device_keys: Option<Object>,
    /// One-time keys by name, `algorithm:id`.
    pub one_time_keys: Object,
    /// Fallback keys by name.
    pub fallback_keys: Object,
}

/// Why keys were not stored.
#[derive(Debug, thiserror::Error)]
pub enum KeyUploadError {
    /// They are not good.
    #[error(transparent)]
    Invalid(#[from] InvalidKeys),
    /// One-time keys are signed by identity keys, which must be there.
    #[error("the device {0} has no identity keys: upload `device_keys` first")]
    NoIdentityKeys(DeviceId),
    /// Another key has that name.
    #[error("the one-time key {0} is there already, with another content")]
    Taken(String),
    /// The device has too many.
    #[error("a device has at most {ONE_TIME_KEYS_MAX} one-time keys")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who asks for keys. Some things are only for some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// A user of ours.
    User(UserId),
    /// A server.
    Server(ServerName),
}

impl Users {
    /// Stores keys of a device. Returns how many one-time keys of each algorithm it has.
    pub async fn upload_keys(
        &self,
        user: &UserId,
        device: &DeviceId,
        upload: KeyUpload,
    ) -> Result<Value, KeyUploadError> {
        let known = self.known_device_keys(user, device).await?;
        let checked = {
            let (user, device) = (user.clone(), device.clone());
            self.0.handles.compute.run(move || CheckedUpload::check(upload, known, &user, &device)).await?
        };
        let (users, owner, device) = (self.clone(), user.clone(), device.clone());
        self.0
            .database
            .write(move |tx| -> Result<Value, KeyUploadError> {
                if checked.store(tx, &owner, &device)? {
                    users.note_device_changes(tx, &owner, std::slice::from_ref(&device))?;
                }
                Ok(one_time_key_counts(tx, &owner, &device)?)
            })
            .await
    }

    async fn known_device_keys(&self, user: &UserId, device: &DeviceId) -> Result<Option<DeviceKeys>, StoreError> {
        let (user, device) = (user.clone(), device.clone());
        let read = move |tx: &ReadTx<'_>| -> Result<_, StoreError> {
            let text = device_keys::get(tx, &user, &device)?;
            Ok(text.and_then(|text| DeviceKeys::from_store(&text, &user, &device)))
        };
        self.0.database.read(read).await
    }

    /// Returns the keys of users of ours and their devices: the body of the answer to `/keys/query`. An empty list of devices
    /// means all. Users of other servers are left out: [`Users::query_all_keys`] asks those.
    pub async fn query_keys(&self, wanted: BTreeMap<UserId, Vec<String>>, asker: Asker) -> Result<Object, StoreError> {
        let wanted: Vec<_> = wanted.into_iter().filter(|(user, _)| self.is_local(user)).collect();
        self.0
            .database
            .read(move |tx| {
                let mut answer = KeyAnswer::default();
                for (user, devices) in &wanted {
                    answer.add(tx, user, devices, &asker)?;
                }
                Ok(answer.into_body(&asker))
            })
            .await
    }

    /// Takes one-time keys, or else fallback keys: what stands under `one_time_keys` in the answer to `/keys/claim`. Users of
    /// other servers, devices that are not there or have no keys are left out. At most [`CLAIMS_MAX`] claims are looked at.
    pub async fn claim_keys(&self, claims: BTreeMap<UserId, BTreeMap<String, String>>) -> Result<Object, StoreError> {
        let claims: Vec<(UserId, DeviceId, String)> = claims
            .into_iter()
            .filter(|(user, _)| self.is_local(user))
            .flat_map(|(user, devices)| {
                devices.into_iter().map(move |(device, algorithm)| (user.clone(), device, algorithm))
            })
            .filter_map(|(user, device, algorithm)| Some((user, DeviceId::parse(&device)?, algorithm)))
            .take(CLAIMS_MAX)
            .collect();
        self.0
            .database
            .write(move |tx| {
                let mut taken = Object::new();
                for (user, device, algorithm) in &claims {
                    if let Some(key) = claim(tx, user, device, algorithm)? {
                        let name = format!("{}:{}", key.algorithm, key.key_id);
                        let content: Value = parse(&key.content, "one_time_keys")?;
                        entry(entry(&mut taken, user.as_str()), device.as_str()).insert(name, content);
                    }
                }
                Ok(taken)
            })
            .await
    }

    /// Returns what other servers get to know of a user's devices: the answer to `/user/devices/{userId}`.
    pub async fn device_list(&self, user: &UserId) -> Result<Object, StoreError> {
        let (user, asker) = (user.clone(), Asker::Server(self.server_name().clone()));
        self.0
            .database
            .read(move |tx| {
                let mut answer = KeyAnswer::default();
                answer.add(tx, &user, &[], &asker)?;
                let Position(stream_id) = devices::announced(tx, &user)?;
                let devices: Vec<Value> = answer
                    .devices
                    .remove(user.as_str())
                    .and_then(|devices| devices.as_object().cloned())
                    .into_iter()
                    .flatten()
                    .map(|(device_id, keys)| json!({ "device_id": device_id, "keys": keys }))
                    .collect();
                let mut body = Object::new();
                body.insert("user_id".to_owned(), user.as_str().into());
                body.insert("stream_id".to_owned(), stream_id.into());
                body.insert("devices".to_owned(), devices.into());
                if let Some(key) = answer.master_keys.remove(user.as_str()) {
                    body.insert("master_key".to_owned(), key);
                }
                if let Some(key) = answer.self_signing_keys.remove(user.as_str()) {
                    body.insert("self_signing_key".to_owned(), key);
                }
                Ok(body)
            })
            .await
    }
}

/// Returns how many one-time keys of each algorithm a device has left, as an object. For /sync too.
pub fn one_time_key_counts(tx: &ReadTx<'_>, user: &UserId, device: &DeviceId) -> Result<Value, StoreError> {
    let mut counts = json!({ USUAL_ALGORITHM: 0 });
    for (algorithm, count) in device_keys::one_time_key_counts(tx, user, device)? {
        counts[algorithm] = count.into();
    }
    Ok(counts)
}

/// An upload whose every key is good.
struct CheckedUpload {
    identity: Option<String>,
    one_time: Vec<StoredKey>,
    fallback: Vec<StoredKey>,
}

impl CheckedUpload {
    fn check(
        upload: KeyUpload,
        known: Option<DeviceKeys>,
        user: &UserId,
        device: &DeviceId,
    ) -> Result<Self, KeyUploadError> {
        let uploaded = upload.device_keys.map(|keys| DeviceKeys::check(keys, user, device)).transpose()?;
        let identity = uploaded.as_ref().map(|keys| canonical(keys.object()));
        let signing = uploaded.as_ref().or(known.as_ref()).map(DeviceKeys::signing);
        let check_all = |keys: &Object| -> Result<Vec<StoredKey>, KeyUploadError> {
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            let signing = signing.ok_or_else(|| KeyUploadError::NoIdentityKeys(device.clone()))?;
            check_one_time_keys(keys, user, device, signing)
        };
        Ok(Self { identity, one_time: check_all(&upload.one_time_keys)?, fallback: check_all(&upload.fallback_keys)? })
    }

    /// Returns whether the identity keys are others than before.
    fn store(&self, tx: &mut WriteTx<'_>, user: &UserId, device: &DeviceId) -> Result<bool, KeyUploadError> {
        let changed = match &self.identity {
            Some(keys) => device_keys::get(tx, user, device)?.as_ref() != Some(keys),
            None => false,
        };
        if let (Some(keys), true) = (&self.identity, changed) {
            device_keys::put(tx, user, device, keys)?;
        }
        for key in &self.one_time {
            match device_keys::one_time_key(tx, user, device, &key.algorithm, &key.key_id)? {
                Some(content) if content == key.content => {}
                Some(_) => return Err(KeyUploadError::Taken(format!("{}:{}", key.algorithm, key.key_id))),
                None => device_keys::insert_one_time_key(tx, user, device, key)?,
            }
        }
        let counts = device_keys::one_time_key_counts(tx, user, device)?;
        if counts.iter().map(|(_, count)| count).sum::<i64>() > ONE_TIME_KEYS_MAX {
            return Err(KeyUploadError::TooMany);
        }
        for key in &self.fallback {
            device_keys::put_fallback_key(tx, user, device, key)?;
        }
        Ok(changed)
    }
}

fn check_one_time_keys(
    keys: &Object,
    user: &UserId,
    device: &DeviceId,
    signing: &PublicKey,
) -> Result<Vec<StoredKey>, KeyUploadError> {
    if i64::try_from(keys.len()).unwrap_or(i64::MAX) > ONE_TIME_KEYS_MAX {
        return Err(KeyUploadError::TooMany);
    }
    let mut checked = Vec::with_capacity(keys.len());
    for (name, key) in keys {
        check_one_time_key(name, key, user, device, signing)?;
        let (algorithm, key_id) = name.split_once(':').unwrap_or_default();
        checked.push(StoredKey {
            algorithm: algorithm.to_owned(),
            key_id: key_id.to_owned(),
            content: canonical_value(key),
        });
    }
    Ok(checked)
}

/// A one-time key goes to one asker; only when there is none, the fallback key serves.
fn claim(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &DeviceId,
    algorithm: &str,
) -> Result<Option<StoredKey>, StoreError> {
    match device_keys::claim_one_time_key(tx, user, device, algorithm)? {
        Some(key) => Ok(Some(key)),
        None => device_keys::claim_fallback_key(tx, user, device, algorithm),
    }
}

/// Returns what other servers are told of the keys of one device: with the user's own signatures, without its name.
pub(crate) fn device_for_servers(
    tx: &ReadTx<'_>,
    user: &UserId,
    device: &DeviceId,
) -> Result<Option<Object>, StoreError> {
    let Some(keys) = device_keys::get(tx, user, device)? else { return Ok(None) };
    let mut keys: Object = parse(&keys, "device_keys")?;
    add_signatures(&mut keys, device.as_str(), &cross_signing::signatures(tx, user, None)?);
    Ok(Some(keys))
}

/// Returns a cross-signing key of one of our users as other servers are told.
pub(crate) fn cross_signing_key_for_servers(
    tx: &ReadTx<'_>,
    user: &UserId,
    usage: Usage,
) -> Result<Option<Object>, StoreError> {
    let Some(key) = cross_signing::get(tx, user, usage.name())? else { return Ok(None) };
    let mut key: Object = parse(&key, "cross_signing_keys")?;
    let target = target_of(&key);
    add_signatures(&mut key, &target, &cross_signing::signatures(tx, user, None)?);
    Ok(Some(key))
}

/// The answer to `/keys/query`, as it grows.
#[derive(Default)]
pub(crate) struct KeyAnswer {
    devices: Object,
    master_keys: Object,
    self_signing_keys: Object,
    user_signing_keys: Object,
}

impl KeyAnswer {
    /// Adds the keys of one of our users, as far as `asker` may know them.
    pub(crate) fn add(
        &mut self,
        tx: &ReadTx<'_>,
        user: &UserId,
        wanted: &[String],
        asker: &Asker,
    ) -> Result<(), StoreError> {
        let asking_user = match asker {
            Asker::User(asker) => Some(asker),
            Asker::Server(_) => None,
        };
        let devices = device_keys::all_of(tx, user)?.into_iter().map(|(device_id, keys, display_name)| {
            // As Synapse by default: other servers do not learn what devices are called.
            RemoteDevice { device_id, keys, display_name: display_name.filter(|_| asking_user.is_some()) }
        });
        let mut keys = BTreeMap::new();
        for usage in [Usage::Master, Usage::SelfSigning, Usage::UserSigning] {
            let is_for_asker = usage != Usage::UserSigning || asking_user == Some(user);
            if let Some(key) = cross_signing::get(tx, user, usage.name())?.filter(|_| is_for_asker) {
                keys.insert(usage, key);
            }
        }
        self.add_keys(tx, user, wanted, &devices.collect::<Vec<_>>(), &keys, asking_user)
    }

    /// Adds keys that are known already, with the signatures that are `asking_user`'s to know.
    pub(crate) fn add_keys(
        &mut self,
        tx: &ReadTx<'_>,
        user: &UserId,
        wanted: &[String],
        devices: &[RemoteDevice],
        cross_signing_keys: &BTreeMap<Usage, String>,
        asking_user: Option<&UserId>,
    ) -> Result<(), StoreError> {
        let signatures = cross_signing::signatures(tx, user, asking_user)?;
        let by_device = entry(&mut self.devices, user.as_str());
        for device in devices {
            let name = device.device_id.as_str();
            if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
                continue;
            }
            let mut keys: Object = parse(&device.keys, "device_keys")?;
            add_signatures(&mut keys, name, &signatures);
            if let Some(display_name) = &device.display_name {
                keys.insert("unsigned".to_owned(), json!({ "device_display_name": display_name }));
            }
            by_device.insert(name.to_owned(), Value::Object(keys));
        }
        for (usage, key) in cross_signing_keys {
            let mut key: Object = parse(key, "cross_signing_keys")?;
            let target = target_of(&key);
            add_signatures(&mut key, &target, &signatures);
            let by_user = match usage {
                Usage::Master => &mut self.master_keys,
                Usage::SelfSigning => &mut self.self_signing_keys,
                Usage::UserSigning => &mut self.user_signing_keys,
            };
            by_user.insert(user.as_str().to_owned(), Value::Object(key));
        }
        Ok(())
    }

    /// The body of the answer.
    pub(crate) fn into_body(self, asker: &Asker) -> Object {
        let mut body = Object::new();
        body.insert("device_keys".to_owned(), self.devices.into());
        body.insert("master_keys".to_owned(), self.master_keys.into());
        body.insert("self_signing_keys".to_owned(), self.self_signing_keys.into());
        match asker {
            Asker::User(_) => {
                body.insert("user_signing_keys".to_owned(), self.user_signing_keys.into());
            }
            Asker::Server(_) => {}
        }
        body
    }
}

fn add_signatures(object: &mut Object, target: &str, signatures: &[KeySignature]) {
    for signature in signatures.iter().filter(|signature| signature.target == target) {
        add_signature(object, &signature.signer, &signature.key_id, signature.signature.clone());
    }
}

/// The name by which signatures refer to a cross-signing key.
fn target_of(key: &Object) -> String {
    let keys = key.get("keys").and_then(Value::as_object);
    keys.and_then(|keys| keys.values().next()).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns the object at `key`, made if it is not there.
pub(crate) fn entry<'a>(object: &'a mut Object, key: &str) -> &'a mut Object {
    let value = object.entry(key).or_insert_with(|| Value::Object(Object::new()));
    if !value.is_object() {
        *value = Value::Object(Object::new());
    }
    value.as_object_mut().expect("it was made an object above")
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, table: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Inconsistent(format!("{table}: a row is not JSON")))
}

#[cfg(test)]
mod tests;

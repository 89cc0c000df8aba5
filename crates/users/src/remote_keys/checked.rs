//! Which keys of other servers' users are good, and which updates follow on which.

use std::collections::BTreeMap;

use events::UserId;
use events::json::{Object, Value, canonical};
use persistence::transactions::devices::DeviceId;
use persistence::transactions::remote_devices::{RemoteDevice, RemoteList};

use crate::cross_signing::Usage;
use crate::devices::DISPLAY_NAME_CHARS_MAX;
use crate::sessions::DEVICES_PER_USER_MAX;
use crate::signed_keys::{CrossSigningKey, DeviceKeys, check_signature};

/// The keys of one user, as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyList {
    /// The devices, by their ids.
    pub(super) devices: Vec<RemoteDevice>,
    /// The master and the self-signing key, as JSON.
    pub(super) cross_signing: BTreeMap<Usage, String>,
}

/// The keys of one user: format and signatures of each are right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CheckedKeys {
    pub(super) list: KeyList,
    /// The latest update that they contain, if their server said.
    pub(super) stream_id: Option<i64>,
}

/// What an update says, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Update {
    /// `m.device_list_update`
    Device {
        device_id: DeviceId,
        stream_id: i64,
        prev_ids: Vec<i64>,
        /// `None`: the device is gone, or has no keys.
        keys: Option<RemoteDevice>,
    },
    /// `m.signing_key_update`
    Signing(BTreeMap<Usage, String>),
}

/// How an update stands to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequel {
    /// It comes next.
    Follows,
    /// It is in the list already.
    Known,
    /// Others between them are missing.
    Gap,
}

impl CheckedKeys {
    /// Reads the answer to `GET /user/devices/{userId}`. Keys that are not good are left out.
    pub(super) fn from_devices(user: &UserId, body: &Object) -> Result<Self, String> {
        let items = body.get("devices").and_then(Value::as_array).ok_or("`devices` is missing or no list")?;
        let devices = items.iter().filter_map(|item| {
            let id = item.get("device_id")?.as_str()?;
            check_device(user, id, item.get("keys")?, item.get("device_display_name"))
        });
        let cross_signing = check_cross_signing(user, body.get("master_key"), body.get("self_signing_key"), None);
        let stream_id = body.get("stream_id").and_then(Value::as_i64).filter(|number| *number >= 0);
        Ok(Self { list: KeyList { devices: sorted(devices), cross_signing }, stream_id })
    }

    /// Reads what the answer to `POST /user/keys/query` says of `user`. Keys that are not good are left out.
    pub(super) fn from_query(user: UserId, body: &Object) -> (UserId, Self) {
        let of_user = |field: &str| body.get(field).and_then(|by_user| by_user.get(user.as_str()));
        let items = of_user("device_keys").and_then(Value::as_object);
        let devices = items.into_iter().flatten().filter_map(|(id, keys)| {
            let name = keys.get("unsigned").and_then(|unsigned| unsigned.get("device_display_name"));
            check_device(&user, id, keys, name)
        });
        let cross_signing = check_cross_signing(&user, of_user("master_keys"), of_user("self_signing_keys"), None);
        let keys = Self { list: KeyList { devices: sorted(devices), cross_signing }, stream_id: None };
        (user, keys)
    }
}

impl Update {
    /// Reads and checks the content of an `m.device_list_update` of `user`.
    pub(super) fn of_device(user: &UserId, content: &Object) -> Result<Self, String> {
        let device = content.get("device_id").and_then(Value::as_str).and_then(DeviceId::parse);
        let device_id = device.ok_or("`device_id` is missing or no device id")?;
        let stream_id =
            content.get("stream_id").and_then(Value::as_i64).ok_or("`stream_id` is missing or no number")?;
        let prev_ids = match content.get("prev_id") {
            None | Some(Value::Null) => Vec::new(),
            Some(list) => {
                let numbers = list.as_array().map(|items| items.iter().map(Value::as_i64).collect::<Option<Vec<_>>>());
                numbers.flatten().ok_or("`prev_id` is no list of numbers")?
            }
        };
        let is_deleted = content.get("deleted").and_then(Value::as_bool).unwrap_or(false);
        let keys = match content.get("keys").filter(|_| !is_deleted) {
            None | Some(Value::Null) => None,
            Some(keys) => {
                let checked = check_device(user, device_id.as_str(), keys, content.get("device_display_name"));
                Some(checked.ok_or_else(|| format!("the keys of {device_id} are not good"))?)
            }
        };
        Ok(Self::Device { device_id, stream_id, prev_ids, keys })
    }

    /// Reads and checks the content of an `m.signing_key_update` of `user`, whose master key is `master` so far.
    pub(super) fn of_signing_keys(user: &UserId, content: &Object, master: Option<&str>) -> Result<Self, String> {
        let given: Vec<_> = ["master_key", "self_signing_key"]
            .into_iter()
            .filter_map(|field| content.get(field).filter(|key| !key.is_null()))
            .collect();
        let keys = check_cross_signing(user, content.get("master_key"), content.get("self_signing_key"), master);
        if keys.len() == given.len() { Ok(Self::Signing(keys)) } else { Err("a key in it is not good".to_owned()) }
    }
}

/// Says how the update `stream_id`, which refers to `prev_ids`, stands to `list`.
///
/// An update that refers to none may be the first of all, or of a server that lost its own memory: nothing tells.
pub(super) fn sequel(list: &RemoteList, stream_id: i64, prev_ids: &[i64]) -> Sequel {
    let has = |number: &i64| *number <= list.base || list.seen.contains(number);
    if has(&stream_id) {
        Sequel::Known
    } else if !prev_ids.is_empty() && prev_ids.iter().all(has) {
        Sequel::Follows
    } else {
        Sequel::Gap
    }
}

fn sorted(devices: impl Iterator<Item = RemoteDevice>) -> Vec<RemoteDevice> {
    let by_id: BTreeMap<DeviceId, RemoteDevice> =
        devices.take(DEVICES_PER_USER_MAX).map(|device| (device.device_id.clone(), device)).collect();
    by_id.into_values().collect()
}

fn check_device(user: &UserId, id: &str, keys: &Value, name: Option<&Value>) -> Option<RemoteDevice> {
    let device_id = DeviceId::parse(id)?;
    match DeviceKeys::check(keys.as_object()?.clone(), user, &device_id) {
        Ok(checked) => {
            let name = name.and_then(Value::as_str).map(|name| name.chars().take(DISPLAY_NAME_CHARS_MAX).collect());
            Some(RemoteDevice { keys: canonical(checked.object()), device_id, display_name: name })
        }
        Err(reason) => {
            tracing::debug!(user.id = %user, "the device {device_id} of {user} is left out: {reason}");
            None
        }
    }
}

/// The self-signing key must be signed by the master key that comes with it, or else by the one there was.
fn check_cross_signing(
    user: &UserId,
    master: Option<&Value>,
    self_signing: Option<&Value>,
    master_before: Option<&str>,
) -> BTreeMap<Usage, String> {
    let check = |key: Option<&Value>, usage: Usage| -> Option<CrossSigningKey> {
        let object = key?.as_object()?.clone();
        let checked = CrossSigningKey::check(object, user, usage);
        checked.inspect_err(|reason| tracing::debug!(user.id = %user, "a key of {user} is left out: {reason}")).ok()
    };
    let new_master = check(master, Usage::Master);
    let stored_master = || master_before.and_then(|text| CrossSigningKey::from_store(text, user, Usage::Master));
    let mut keys = BTreeMap::new();
    if let Some(key) = &new_master {
        keys.insert(Usage::Master, canonical(key.object()));
    }
    if let (Some(key), Some(signer)) = (check(self_signing, Usage::SelfSigning), new_master.or_else(stored_master))
        && check_signature("self_signing_key", key.object(), user, signer.id(), signer.public()).is_ok()
    {
        keys.insert(Usage::SelfSigning, canonical(key.object()));
    }
    keys
}

#[cfg(test)]
mod tests;

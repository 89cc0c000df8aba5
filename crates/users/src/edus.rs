//! What servers tell each other about users without being asked: messages to devices, new devices, new keys. S2S API,
//! "Device Management", "End-to-End Encryption" and "Send-to-device messaging".
//!
//! What comes is stored in the transaction that acknowledges it. Signatures are checked afterwards, by [`remote_keys`](crate::remote_keys).

use std::collections::BTreeSet;

use events::json::{Object, Value};
use events::{ServerName, UserId};
use persistence::transactions::companions;
use persistence::transactions::devices::{self, DeviceId};
use persistence::{Position, StoreError, WriteTx};
use serde_json::json;
use transaction::EduIntake;
use transport::questions::Edu;

use crate::Users;
use crate::cross_signing::Usage;
use crate::keys::{cross_signing_key_for_servers, device_for_servers};

/// A message to a device.
pub(crate) const DIRECT_TO_DEVICE: &str = "m.direct_to_device";
/// A device that is new, changed or gone.
pub(crate) const DEVICE_LIST_UPDATE: &str = "m.device_list_update";
/// Cross-signing keys that are new.
pub(crate) const SIGNING_KEY_UPDATE: &str = "m.signing_key_update";

impl EduIntake for Users {
    fn handles(&self, edu_type: &str) -> bool {
        matches!(edu_type, DIRECT_TO_DEVICE | DEVICE_LIST_UPDATE | SIGNING_KEY_UPDATE)
    }

    fn apply(&self, tx: &mut WriteTx<'_>, origin: &ServerName, edu: &Edu) -> Result<(), StoreError> {
        let ignored = match edu.edu_type.as_str() {
            DIRECT_TO_DEVICE => self.receive_messages(tx, origin, &edu.content)?,
            _ => self.receive_key_update(tx, origin, edu)?,
        };
        if let Err(reason) = ignored {
            tracing::info!(server.name = %origin, "ignored an EDU of type {} from {origin}: {reason}", edu.edu_type);
        }
        Ok(())
    }
}

impl Users {
    /// Writes down that a device of one of our users changed or is gone, tells the servers that share a room with the user, and
    /// wakes those of ours who do after the commit.
    pub(crate) fn note_device_change(
        &self,
        tx: &mut WriteTx<'_>,
        user: &UserId,
        device: &DeviceId,
    ) -> Result<(), StoreError> {
        let (position, before) = devices::note_announcement(tx, user)?;
        let destinations = self.servers_that_follow(tx, user)?;
        if !destinations.is_empty() {
            let content = self.device_list_update(tx, user, device, position, before)?;
            let edu = Edu { edu_type: DEVICE_LIST_UPDATE.to_owned(), content };
            self.0.neighbours.other_servers.enqueue(tx, &destinations, &edu)?;
        }
        self.wake_companions_after_commit(tx, user)
    }

    /// Writes down that the cross-signing keys of one of our users changed, and tells everybody as
    /// [`Users::note_device_change`] does.
    pub(crate) fn note_signing_change(&self, tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
        devices::note_change(tx, user)?;
        let destinations = self.servers_that_follow(tx, user)?;
        let mut content = json!({ "user_id": user });
        for (field, usage) in [("master_key", Usage::Master), ("self_signing_key", Usage::SelfSigning)] {
            if let Some(key) = cross_signing_key_for_servers(tx, user, usage)? {
                content[field] = Value::Object(key);
            }
        }
        let is_news = content.get("master_key").is_some();
        if is_news && !destinations.is_empty() {
            let edu = Edu { edu_type: SIGNING_KEY_UPDATE.to_owned(), content };
            self.0.neighbours.other_servers.enqueue(tx, &destinations, &edu)?;
        }
        self.wake_companions_after_commit(tx, user)
    }

    /// Tells `servers`, which have come to share a room with one of our users, which devices there are. S2S API, "Device
    /// Management".
    pub async fn introduce_devices(&self, user: &UserId, servers: BTreeSet<ServerName>) -> Result<(), StoreError> {
        let (users, user) = (self.clone(), user.clone());
        self.0
            .database
            .write(move |tx| {
                for device in devices::all_of(tx, &user)? {
                    // Each needs a number of its own; that the others miss it, they notice with the next one they get.
                    let (position, before) = devices::note_announcement(tx, &user)?;
                    let content = users.device_list_update(tx, &user, &device.device_id, position, before)?;
                    let edu = Edu { edu_type: DEVICE_LIST_UPDATE.to_owned(), content };
                    users.0.neighbours.other_servers.enqueue(tx, &servers, &edu)?;
                }
                Ok(())
            })
            .await
    }

    fn device_list_update(
        &self,
        tx: &WriteTx<'_>,
        user: &UserId,
        device: &DeviceId,
        position: Position,
        before: Position,
    ) -> Result<Value, StoreError> {
        let mut content = json!({ "user_id": user, "device_id": device.as_str(), "stream_id": position.0 });
        if before.0 > 0 {
            content["prev_id"] = json!([before.0]);
        }
        if devices::get(tx, user, device)?.is_none() {
            content["deleted"] = json!(true);
        } else if let Some(keys) = device_for_servers(tx, user, device)? {
            content["keys"] = Value::Object(keys);
        }
        Ok(content)
    }

    fn servers_that_follow(&self, tx: &WriteTx<'_>, user: &UserId) -> Result<BTreeSet<ServerName>, StoreError> {
        let servers = companions::servers_sharing_room(tx, user)?;
        Ok(servers.into_iter().filter(|server| server != self.server_name()).collect())
    }

    /// Wakes the users of ours who share a room with `user`, and `user` if they are one of ours.
    pub(crate) fn wake_companions_after_commit(&self, tx: &mut WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
        for companion in companions::companions_of_server(tx, user, self.server_name())? {
            self.wake_after_commit(tx, &companion);
        }
        self.wake_after_commit(tx, user);
        Ok(())
    }

    /// Wakes whoever waits for news of `user` after the commit.
    pub(crate) fn wake_after_commit(&self, tx: &mut WriteTx<'_>, user: &UserId) {
        let (notifier, user) = (self.0.notifier.clone(), user.clone());
        tx.after_commit(move || notifier.wake(user));
    }
}

/// Returns the user that the content of an EDU names as `field`, if `origin` may speak for them.
pub(crate) fn user_of_origin(content: &Object, field: &str, origin: &ServerName) -> Result<UserId, String> {
    let text = content.get(field).and_then(Value::as_str).ok_or_else(|| format!("`{field}` is missing or no text"))?;
    let user = UserId::parse(text).map_err(|error| format!("`{field}`: {error}"))?;
    if user.server() == *origin { Ok(user) } else { Err(format!("{user} is no user of {origin}")) }
}

#[cfg(test)]
mod tests;

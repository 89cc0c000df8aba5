//! Messages from device to device. C-S API, "Send-to-Device messaging".

use std::collections::BTreeMap;

use events::UserId;
use events::json::{Object, canonical_value};
use persistence::transactions::devices::{self, DeviceId};
use persistence::transactions::to_device::{self, Sending};
use persistence::{ReadTx, StoreError};
use serde_json::json;

use crate::Users;

/// Bytes of one message as canonical JSON, as in Synapse.
pub const MESSAGE_SIZE_BYTES_MAX: usize = 65_536;
/// Devices addressed by one request.
pub const MESSAGES_PER_REQUEST_MAX: usize = 10_000;
/// Stands for all devices of a user.
const ALL_DEVICES: &str = "*";

/// The contents for each user and device; `*` stands for all devices of a user.
pub type Messages = BTreeMap<UserId, BTreeMap<String, Object>>;

/// Why messages were not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// One is too large.
    #[error("the message to {0} has more than {MESSAGE_SIZE_BYTES_MAX} bytes")]
    TooLarge(UserId),
    /// There are too many.
    #[error("a request sends at most {MESSAGES_PER_REQUEST_MAX} messages")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Puts messages into the inboxes of devices of ours, once for each transaction id of the sending device. Devices that are
    /// not there get nothing; users of other servers neither, which the log says.
    pub async fn send_to_devices(
        &self,
        sender: &UserId,
        device: &DeviceId,
        event_type: &str,
        transaction_id: &str,
        messages: Messages,
    ) -> Result<(), SendError> {
        check(&messages)?;
        let (local, remote): (Vec<_>, Vec<_>) = messages.into_iter().partition(|(user, _)| self.is_local(user));
        if let Some((user, _)) = remote.first() {
            tracing::info!(user.id = %user, "to-device messages to {} users of other servers were not sent", remote.len());
        }
        let (users, sender, device) = (self.clone(), sender.clone(), device.clone());
        let (event_type, transaction_id) = (event_type.to_owned(), transaction_id.to_owned());
        let now = self.0.handles.clock.now();
        self.0
            .database
            .write(move |tx| {
                match to_device::note_sent(tx, &sender, &device, &event_type, &transaction_id, now)? {
                    Sending::Repeated => return Ok(()),
                    Sending::New => {}
                }
                for (user, by_device) in &local {
                    for (recipient, content) in recipients(tx, user, by_device)? {
                        let event = json!({ "type": event_type, "sender": sender.as_str(), "content": content });
                        to_device::put(tx, user, &recipient, &canonical_value(&event))?;
                    }
                    users.wake_after_commit(tx, user);
                }
                Ok(())
            })
            .await
    }
}

fn check(messages: &Messages) -> Result<(), SendError> {
    if messages.values().map(BTreeMap::len).sum::<usize>() > MESSAGES_PER_REQUEST_MAX {
        return Err(SendError::TooMany);
    }
    for (user, by_device) in messages {
        if by_device.values().any(|content| events::json::canonical(content).len() > MESSAGE_SIZE_BYTES_MAX) {
            return Err(SendError::TooLarge(user.clone()));
        }
    }
    Ok(())
}

/// Returns the devices that are there with what each of them gets: what names it goes before what goes to all.
fn recipients<'a>(
    tx: &ReadTx<'_>,
    user: &UserId,
    by_device: &'a BTreeMap<String, Object>,
) -> Result<Vec<(DeviceId, &'a Object)>, StoreError> {
    let to_all = by_device.get(ALL_DEVICES);
    let all = devices::all_of(tx, user)?.into_iter().map(|device| device.device_id);
    Ok(all.filter_map(|device| by_device.get(device.as_str()).or(to_all).map(|content| (device, content))).collect())
}

#[cfg(test)]
mod tests;

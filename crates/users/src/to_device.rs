//! Messages from device to device. C-S API, "Send-to-Device messaging".

use std::collections::{BTreeMap, BTreeSet};

use events::json::{Object, Value, canonical_value};
use events::{ServerName, UserId};
use persistence::transactions::devices::{self, DeviceId};
use persistence::transactions::to_device::{self, Sending};
use persistence::{ReadTx, StoreError, WriteTx};
use serde_json::json;
use transport::questions::Edu;

use crate::Users;
use crate::edus::{DIRECT_TO_DEVICE, user_of_origin};

/// Bytes of one message as canonical JSON: so many that the EDU around it has no more than 65,536, beyond which Synapse
/// refuses it.
pub const MESSAGE_SIZE_BYTES_MAX: usize = 64_000;
/// Bytes of messages in one EDU, if there are several.
const EDU_MESSAGES_BYTES_MAX: usize = 48_000;
/// Bytes of the type of a message.
pub const TYPE_BYTES_MAX: usize = 255;
/// Characters of the ids that we give to messages. At most 32. S2S API, `m.direct_to_device`.
const MESSAGE_ID_CHARS: usize = 32;
/// Bytes of the ids that others give to messages.
const MESSAGE_ID_BYTES_MAX: usize = 255;
/// Devices addressed by one request.
pub const MESSAGES_PER_REQUEST_MAX: usize = 10_000;
/// Stands for all devices of a user.
const ALL_DEVICES: &str = "*";

/// The contents for each user and device; `*` stands for all devices of a user.
pub type Messages = BTreeMap<UserId, BTreeMap<String, Object>>;

/// Why messages were not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The type is too long.
    #[error("the type of a message has at most {TYPE_BYTES_MAX} bytes")]
    TypeTooLong,
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
    /// Puts messages into the inboxes of devices of ours, and into the queues to the servers of others, once for each
    /// transaction id of the sending device. Devices of ours that are not there get nothing.
    pub async fn send_to_devices(
        &self,
        sender: &UserId,
        device: &DeviceId,
        event_type: &str,
        transaction_id: &str,
        messages: Messages,
    ) -> Result<(), SendError> {
        if event_type.len() > TYPE_BYTES_MAX {
            return Err(SendError::TypeTooLong);
        }
        check(&messages)?;
        let (local, remote): (Vec<_>, Vec<_>) = messages.into_iter().partition(|(user, _)| self.is_local(user));
        let edus = self.edus(sender, event_type, remote);
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
                    users.deliver(tx, &sender, &event_type, user, by_device)?;
                }
                for (server, edu) in &edus {
                    users.0.neighbours.other_servers.enqueue(tx, &BTreeSet::from([server.clone()]), edu)?;
                }
                Ok(())
            })
            .await
    }

    /// Puts the contents that one user of ours gets into the inboxes of their devices.
    fn deliver(
        &self,
        tx: &mut WriteTx<'_>,
        sender: &UserId,
        event_type: &str,
        user: &UserId,
        by_device: &BTreeMap<String, Object>,
    ) -> Result<(), StoreError> {
        for (recipient, content) in recipients(tx, user, by_device)? {
            let event = json!({ "type": event_type, "sender": sender.as_str(), "content": content });
            to_device::put(tx, user, &recipient, &canonical_value(&event))?;
        }
        self.wake_after_commit(tx, user);
        Ok(())
    }

    /// Makes the EDUs for messages to users of other servers, as few as the limit of their size allows.
    fn edus(
        &self,
        sender: &UserId,
        event_type: &str,
        messages: Vec<(UserId, BTreeMap<String, Object>)>,
    ) -> Vec<(ServerName, Edu)> {
        let mut open: BTreeMap<ServerName, (usize, Object)> = BTreeMap::new();
        let mut full: Vec<(ServerName, Object)> = Vec::new();
        for (user, by_device) in messages {
            let server = user.server();
            for (device, content) in by_device {
                let size = events::json::canonical(&content).len();
                let (bytes, by_user) = open.entry(server.clone()).or_default();
                if *bytes > 0 && *bytes + size > EDU_MESSAGES_BYTES_MAX {
                    full.push((server.clone(), std::mem::take(by_user)));
                    *bytes = 0;
                }
                *bytes += size;
                crate::keys::entry(by_user, user.as_str()).insert(device, Value::Object(content));
            }
        }
        let last = open.into_iter().map(|(server, (_, by_user))| (server, by_user));
        let edus = full.into_iter().chain(last).filter(|(_, by_user)| !by_user.is_empty());
        edus.map(|(server, by_user)| {
            let content = json!({
                "sender": sender,
                "type": event_type,
                "message_id": self.0.handles.random.token(MESSAGE_ID_CHARS),
                "messages": by_user,
            });
            (server, Edu { edu_type: DIRECT_TO_DEVICE.to_owned(), content })
        })
        .collect()
    }

    /// Puts the messages of an EDU into the inboxes of devices of ours, once for each message id. What is wrong with it is an
    /// inner error: nothing of it is stored then.
    pub(crate) fn receive_messages(
        &self,
        tx: &mut WriteTx<'_>,
        origin: &ServerName,
        content: &Value,
    ) -> Result<Result<(), String>, StoreError> {
        let received = match Received::parse(origin, content) {
            Ok(received) => received,
            Err(reason) => return Ok(Err(reason)),
        };
        match to_device::note_received(tx, origin, &received.message_id)? {
            Sending::Repeated => return Ok(Ok(())),
            Sending::New => {}
        }
        for (user, by_device) in received.messages.iter().filter(|(user, _)| self.is_local(user)) {
            self.deliver(tx, &received.sender, &received.event_type, user, by_device)?;
        }
        Ok(Ok(()))
    }
}

/// The content of `m.direct_to_device`.
struct Received {
    sender: UserId,
    event_type: String,
    message_id: String,
    messages: Messages,
}

impl Received {
    fn parse(origin: &ServerName, content: &Value) -> Result<Self, String> {
        let content = content.as_object().ok_or("the content is no object")?;
        let text = |field: &str, bytes_max: usize| match content.get(field).and_then(Value::as_str) {
            Some(text) if text.len() <= bytes_max => Ok(text.to_owned()),
            Some(_) => Err(format!("`{field}` has more than {bytes_max} bytes")),
            None => Err(format!("`{field}` is missing or no text")),
        };
        let messages = content.get("messages").cloned().unwrap_or_default();
        let messages: Messages = serde_json::from_value(messages).map_err(|error| format!("`messages`: {error}"))?;
        check(&messages).map_err(|error| error.to_string())?;
        Ok(Self {
            sender: user_of_origin(content, "sender", origin)?,
            event_type: text("type", TYPE_BYTES_MAX)?,
            message_id: text("message_id", MESSAGE_ID_BYTES_MAX)?,
            messages,
        })
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

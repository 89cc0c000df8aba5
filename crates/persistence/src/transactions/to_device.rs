//! The inboxes of devices. C-S API, "Send-to-Device messaging".

use events::{ServerName, UserId};

use super::devices::DeviceId;
use super::streams::{self, Stream};
use crate::numbers::Position;
use crate::tx::{ReadTx, StoreError, WriteTx};

/// Messages that wait for one device at most; the oldest go first.
pub const QUEUED_MAX: i64 = 10_000;
/// How long a repetition of a message is recognised, in ms.
pub const SENT_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;

/// Messages of one origin whose repetition is recognised. A transaction that is repeated has at most 100.
pub const RECEIVED_PER_ORIGIN_MAX: i64 = 10_000;

/// Says whether a message is sent for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// It is; it has been noted.
    New,
    /// It has been sent before.
    Repeated,
}

/// Notes that a device sends something under a transaction id.
pub fn note_sent(
    tx: &mut WriteTx<'_>,
    sender: &UserId,
    device: &DeviceId,
    event_type: &str,
    transaction_id: &str,
    now: i64,
) -> Result<Sending, StoreError> {
    tx.execute("DELETE FROM to_device_sent WHERE sent_at < ?1", &[&(now - SENT_KEPT_MS)])?;
    let inserted = tx.execute(
        "INSERT INTO to_device_sent (user_id, device_id, event_type, transaction_id, sent_at)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id, device_id, event_type, transaction_id) DO NOTHING",
        &[sender, device, &event_type, &transaction_id, &now],
    )?;
    Ok(if inserted == 1 { Sending::New } else { Sending::Repeated })
}

/// Notes that `origin` sent the message called `message_id`.
pub fn note_received(tx: &mut WriteTx<'_>, origin: &ServerName, message_id: &str) -> Result<Sending, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO to_device_received (origin, message_id)
         VALUES (?1, ?2)
         ON CONFLICT (origin, message_id) DO NOTHING",
        &[origin, &message_id],
    )?;
    if inserted == 0 {
        return Ok(Sending::Repeated);
    }
    tx.execute(
        "DELETE FROM to_device_received
          WHERE origin = ?1
            AND number <= (SELECT number
                             FROM to_device_received
                            WHERE origin = ?1
                            ORDER BY number DESC
                            LIMIT 1 OFFSET ?2)",
        &[origin, &RECEIVED_PER_ORIGIN_MAX],
    )?;
    Ok(Sending::New)
}

/// Puts a message into the inbox of a device. `event` is the JSON with `type`, `sender` and `content`.
pub fn put(tx: &mut WriteTx<'_>, user: &UserId, device: &DeviceId, event: &str) -> Result<Position, StoreError> {
    let position = streams::next(tx, Stream::ToDevice)?;
    tx.execute(
        "INSERT INTO to_device (position, user_id, device_id, content) VALUES (?1, ?2, ?3, ?4)",
        &[&position, user, device, &event],
    )?;
    tx.execute(
        "DELETE FROM to_device
          WHERE user_id = ?1 AND device_id = ?2
            AND position <= (SELECT position
                               FROM to_device
                              WHERE user_id = ?1 AND device_id = ?2
                              ORDER BY position DESC
                              LIMIT 1 OFFSET ?3)",
        &[user, device, &QUEUED_MAX],
    )?;
    Ok(position)
}

/// Returns the first `limit` messages for a device after `from` and up to `to`: position and JSON.
///
/// If there are `limit` of them, there may be more: continue from the last position.
pub fn page(
    tx: &ReadTx<'_>,
    user: &UserId,
    device: &DeviceId,
    from: Position,
    to: Position,
    limit: i64,
) -> Result<Vec<(Position, String)>, StoreError> {
    tx.query_all(
        "SELECT position, content
           FROM to_device
          WHERE user_id = ?1 AND device_id = ?2 AND position > ?3 AND position <= ?4
          ORDER BY position
          LIMIT ?5",
        &[user, device, &from, &to, &limit],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Says whether the device has messages up to `to`. /sync asks this before it writes an acknowledgement.
pub fn has_any(tx: &ReadTx<'_>, user: &UserId, device: &DeviceId, to: Position) -> Result<bool, StoreError> {
    let found = tx.query_optional(
        "SELECT 1 FROM to_device WHERE user_id = ?1 AND device_id = ?2 AND position <= ?3 LIMIT 1",
        &[user, device, &to],
        |row| row.get::<i64>(0),
    )?;
    Ok(found.is_some())
}

/// Deletes the messages up to `to`: the device has asked for what follows it.
pub fn acknowledge(tx: &mut WriteTx<'_>, user: &UserId, device: &DeviceId, to: Position) -> Result<usize, StoreError> {
    tx.execute("DELETE FROM to_device WHERE user_id = ?1 AND device_id = ?2 AND position <= ?3", &[user, device, &to])
}

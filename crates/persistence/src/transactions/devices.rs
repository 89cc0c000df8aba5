//! The devices of our users, and the stream of changes in users' device lists.

use std::fmt;

use events::UserId;

use super::streams::{self, Stream};
use crate::numbers::Position;
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::{FromValue, Row, ToValue, ValueRef};

/// Bytes of a device id.
pub const DEVICE_ID_BYTES_MAX: usize = 255;

/// The id of a device, unique for its user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// Accepts a text of 1 to [`DEVICE_ID_BYTES_MAX`] bytes without control characters. `*` is no device: it addresses all.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= DEVICE_ID_BYTES_MAX && text != "*";
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ToValue for DeviceId {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(&self.0)
    }
}

impl FromValue for DeviceId {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        String::from_value(value).map(Self)
    }
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub device_id: DeviceId,
    /// What its user calls it.
    pub display_name: Option<String>,
    /// When it was last active, in ms, give or take some minutes.
    pub last_seen_at: i64,
    /// From where.
    pub last_seen_address: Option<String>,
}

/// Stores a device, or notes that it logged in again, in which case it keeps its name.
pub fn log_in(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &DeviceId,
    display_name: Option<&str>,
    address: Option<&str>,
    now: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO devices (user_id, device_id, display_name, created_at, last_seen_at, last_seen_address)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5)
         ON CONFLICT (user_id, device_id)
         DO UPDATE SET last_seen_at = excluded.last_seen_at, last_seen_address = excluded.last_seen_address",
        &[user, device, &display_name, &now, &address],
    )?;
    Ok(())
}

/// Notes when and from where a device was active.
pub fn set_last_seen(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &DeviceId,
    address: Option<&str>,
    now: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE devices SET last_seen_at = ?3, last_seen_address = ?4 WHERE user_id = ?1 AND device_id = ?2",
        &[user, device, &now, &address],
    )?;
    Ok(())
}

/// Renames a device. Returns how many there are of that id: 0 or 1.
pub fn set_display_name(
    tx: &mut WriteTx<'_>,
    user: &UserId,
    device: &DeviceId,
    display_name: &str,
) -> Result<usize, StoreError> {
    tx.execute(
        "UPDATE devices SET display_name = ?3 WHERE user_id = ?1 AND device_id = ?2",
        &[user, device, &display_name],
    )
}

/// Returns a device.
pub fn get(tx: &ReadTx<'_>, user: &UserId, device: &DeviceId) -> Result<Option<Device>, StoreError> {
    tx.query_optional(
        "SELECT device_id, display_name, last_seen_at, last_seen_address
           FROM devices
          WHERE user_id = ?1 AND device_id = ?2",
        &[user, device],
        read_device,
    )
}

/// Returns the devices of a user, by their ids.
pub fn all_of(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<Device>, StoreError> {
    tx.query_all(
        "SELECT device_id, display_name, last_seen_at, last_seen_address
           FROM devices
          WHERE user_id = ?1
          ORDER BY device_id",
        &[user],
        read_device,
    )
}

/// Deletes a device with everything that is its own: token, keys, inbox. Returns how many there were of that id: 0 or 1.
pub fn delete(tx: &mut WriteTx<'_>, user: &UserId, device: &DeviceId) -> Result<usize, StoreError> {
    for statement in [
        "DELETE FROM access_tokens WHERE user_id = ?1 AND device_id = ?2",
        "DELETE FROM refresh_tokens WHERE user_id = ?1 AND device_id = ?2",
        "DELETE FROM device_keys WHERE user_id = ?1 AND device_id = ?2",
        "DELETE FROM one_time_keys WHERE user_id = ?1 AND device_id = ?2",
        "DELETE FROM fallback_keys WHERE user_id = ?1 AND device_id = ?2",
        "DELETE FROM to_device WHERE user_id = ?1 AND device_id = ?2",
        "DELETE FROM to_device_sent WHERE user_id = ?1 AND device_id = ?2",
    ] {
        tx.execute(statement, &[user, device])?;
    }
    tx.execute("DELETE FROM devices WHERE user_id = ?1 AND device_id = ?2", &[user, device])
}

/// Notes that the devices or keys of `user` changed, and returns the position of the change.
pub fn note_change(tx: &mut WriteTx<'_>, user: &UserId) -> Result<Position, StoreError> {
    let position = streams::next(tx, Stream::DeviceLists)?;
    tx.execute(
        "INSERT INTO device_list_changes (user_id, position)
         VALUES (?1, ?2)
         ON CONFLICT (user_id) DO UPDATE SET position = excluded.position",
        &[user, &position],
    )?;
    Ok(position)
}

/// Notes that a device of `user` changed, as [`note_change`] does, and that other servers are told so under that position.
/// Returns the position, and the one that they were told before, 0 if none.
pub fn note_announcement(tx: &mut WriteTx<'_>, user: &UserId) -> Result<(Position, Position), StoreError> {
    let before = announced(tx, user)?;
    let position = note_change(tx, user)?;
    tx.execute("UPDATE device_list_changes SET announced = ?2 WHERE user_id = ?1", &[user, &position])?;
    Ok((position, before))
}

/// Returns the latest position that other servers were told for `user`, 0 if none.
pub fn announced(tx: &ReadTx<'_>, user: &UserId) -> Result<Position, StoreError> {
    let position =
        tx.query_optional("SELECT announced FROM device_list_changes WHERE user_id = ?1", &[user], |row| row.get(0))?;
    Ok(position.unwrap_or_default())
}

/// Returns when the devices or keys of `user` last changed, 0 if never.
pub fn last_change(tx: &ReadTx<'_>, user: &UserId) -> Result<Position, StoreError> {
    let position =
        tx.query_optional("SELECT position FROM device_list_changes WHERE user_id = ?1", &[user], |row| row.get(0))?;
    Ok(position.unwrap_or_default())
}

/// Returns the users whose devices or keys changed after `from`, in the order of their latest change.
///
/// Only the latest change of a user is known, so ask on the snapshot that `from`'s successor comes from; whether the asker
/// shares a room with them is for the caller to say.
pub fn changed_since(tx: &ReadTx<'_>, from: Position) -> Result<Vec<UserId>, StoreError> {
    tx.query_all("SELECT user_id FROM device_list_changes WHERE position > ?1 ORDER BY position", &[&from], |row| {
        row.get(0)
    })
}

fn read_device(row: &Row<'_>) -> Result<Device, StoreError> {
    Ok(Device {
        device_id: row.get(0)?,
        display_name: row.get(1)?,
        last_seen_at: row.get(2)?,
        last_seen_address: row.get(3)?,
    })
}

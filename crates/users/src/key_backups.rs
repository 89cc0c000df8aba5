//! Backups of room keys, encrypted by clients. C-S API, "Server-side key backups".

use std::collections::BTreeMap;

use events::json::{Object, Value, canonical};
use events::{RoomId, UserId};
use persistence::transactions::key_backups::{self, BackedUpKey, Backup};
use persistence::{StoreError, WriteTx};
use serde_json::json;

use crate::Users;

/// Keys in one backup.
pub const KEYS_PER_BACKUP_MAX: i64 = 200_000;
/// Bytes of one key's entry as canonical JSON.
pub const KEY_SIZE_BYTES_MAX: usize = 16_384;
/// Bytes of the data that belongs to the algorithm.
pub const AUTH_DATA_SIZE_BYTES_MAX: usize = 65_536;
/// Bytes of a session id or an algorithm.
pub const NAME_BYTES_MAX: usize = 255;

/// The entries for each room and session, as they come.
pub type Keys = BTreeMap<RoomId, BTreeMap<String, Object>>;

/// What of a backup is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    All,
    /// The keys of a room.
    Room(RoomId),
    /// The key of a session.
    Session(RoomId, String),
}

/// Why a backup does not do what it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is no such backup, or nothing in it.
    #[error("there is no such key backup, or no such key in it")]
    NotFound,
    /// Keys go only into the latest backup.
    #[error("keys are stored only in the latest backup, version {current}")]
    WrongVersion {
        /// The version to use.
        current: i64,
    },
    /// Something about the content is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Part {
    fn room(&self) -> Option<&RoomId> {
        match self {
            Self::All => None,
            Self::Room(room) | Self::Session(room, _) => Some(room),
        }
    }

    fn session(&self) -> Option<&str> {
        match self {
            Self::All | Self::Room(_) => None,
            Self::Session(_, session) => Some(session),
        }
    }
}

impl Users {
    /// Starts a backup and returns its version.
    pub async fn create_key_backup(
        &self,
        user: &UserId,
        algorithm: String,
        auth_data: &Object,
    ) -> Result<String, BackupError> {
        if algorithm.len() > NAME_BYTES_MAX {
            return Err(BackupError::Invalid("`algorithm` is too long".to_owned()));
        }
        let (user, auth_data) = (user.clone(), checked_auth_data(auth_data)?);
        let create = move |tx: &mut WriteTx<'_>| key_backups::create(tx, &user, &algorithm, &auth_data);
        Ok(self.0.database.write(create).await?.to_string())
    }

    /// Returns a backup, the latest one for `None`, as clients get it.
    pub async fn key_backup(&self, user: &UserId, version: Option<String>) -> Result<Value, BackupError> {
        let user = user.clone();
        self.0
            .database
            .read(move |tx| {
                let version = match version {
                    Some(version) => parse_version(&version),
                    None => key_backups::latest(tx, &user)?,
                };
                let backup = match version {
                    Some(version) => key_backups::get(tx, &user, version)?,
                    None => None,
                };
                to_json(&backup.ok_or(BackupError::NotFound)?)
            })
            .await
    }

    /// Changes the data that belongs to a backup's algorithm, which must stay the same.
    pub async fn update_key_backup(
        &self,
        user: &UserId,
        version: String,
        algorithm: String,
        auth_data: &Object,
    ) -> Result<(), BackupError> {
        let (user, auth_data) = (user.clone(), checked_auth_data(auth_data)?);
        self.0
            .database
            .write(move |tx| {
                let version = parse_version(&version).ok_or(BackupError::NotFound)?;
                let backup = key_backups::get(tx, &user, version)?.ok_or(BackupError::NotFound)?;
                if backup.algorithm != algorithm {
                    return Err(BackupError::Invalid(format!("the algorithm of this backup is {}", backup.algorithm)));
                }
                Ok(key_backups::set_auth_data(tx, &user, version, &auth_data)?)
            })
            .await
    }

    /// Deletes a backup with its keys.
    pub async fn delete_key_backup(&self, user: &UserId, version: String) -> Result<(), BackupError> {
        let user = user.clone();
        self.0
            .database
            .write(move |tx| {
                let version = parse_version(&version).ok_or(BackupError::NotFound)?;
                match key_backups::delete(tx, &user, version)? {
                    0 => Err(BackupError::NotFound),
                    _ => Ok(()),
                }
            })
            .await
    }

    /// Stores keys in the latest backup, each only if it is better than what is there. Returns `count` and `etag`.
    pub async fn put_backed_up_keys(&self, user: &UserId, version: String, keys: Keys) -> Result<Value, BackupError> {
        let keys = checked_keys(keys)?;
        let user = user.clone();
        self.0
            .database
            .write(move |tx| {
                let backup = latest(tx, &user, &version)?;
                let mut changed = false;
                for key in &keys {
                    let part = Part::Session(key.room_id.clone(), key.session_id.clone());
                    let before = key_backups::keys(tx, &user, backup.version, part.room(), part.session())?;
                    if before.first().is_none_or(|before| is_better(key, before)) {
                        key_backups::put_key(tx, &user, backup.version, key)?;
                        changed = true;
                    }
                }
                if changed {
                    key_backups::bump_etag(tx, &user, backup.version)?;
                }
                let after = key_backups::get(tx, &user, backup.version)?.ok_or(BackupError::NotFound)?;
                if after.count > KEYS_PER_BACKUP_MAX {
                    return Err(BackupError::Invalid(format!("a backup has at most {KEYS_PER_BACKUP_MAX} keys")));
                }
                Ok(count_and_etag(&after))
            })
            .await
    }

    /// Returns keys of a backup, for each room and session.
    pub async fn backed_up_keys(
        &self,
        user: &UserId,
        version: String,
        part: Part,
    ) -> Result<BTreeMap<RoomId, Object>, BackupError> {
        let user = user.clone();
        self.0
            .database
            .read(move |tx| {
                let version = parse_version(&version).ok_or(BackupError::NotFound)?;
                key_backups::get(tx, &user, version)?.ok_or(BackupError::NotFound)?;
                let mut rooms: BTreeMap<RoomId, Object> = BTreeMap::new();
                for key in key_backups::keys(tx, &user, version, part.room(), part.session())? {
                    let content = serde_json::from_str(&key.content)
                        .map_err(|_| StoreError::Inconsistent("backed_up_keys: a row is not JSON".to_owned()))?;
                    rooms.entry(key.room_id).or_default().insert(key.session_id, content);
                }
                Ok(rooms)
            })
            .await
    }

    /// Deletes keys of a backup. Returns `count` and `etag`.
    pub async fn delete_backed_up_keys(
        &self,
        user: &UserId,
        version: String,
        part: Part,
    ) -> Result<Value, BackupError> {
        let user = user.clone();
        self.0
            .database
            .write(move |tx| {
                let version = parse_version(&version).ok_or(BackupError::NotFound)?;
                key_backups::get(tx, &user, version)?.ok_or(BackupError::NotFound)?;
                if key_backups::delete_keys(tx, &user, version, part.room(), part.session())? > 0 {
                    key_backups::bump_etag(tx, &user, version)?;
                }
                let after = key_backups::get(tx, &user, version)?.ok_or(BackupError::NotFound)?;
                Ok(count_and_etag(&after))
            })
            .await
    }
}

/// Returns the backup of that version if it is the latest.
fn latest(tx: &WriteTx<'_>, user: &UserId, version: &str) -> Result<Backup, BackupError> {
    let current = key_backups::latest(tx, user)?.ok_or(BackupError::NotFound)?;
    if parse_version(version) != Some(current) {
        return Err(BackupError::WrongVersion { current });
    }
    key_backups::get(tx, user, current)?.ok_or(BackupError::NotFound)
}

/// C-S API, `PUT /room_keys/keys/{roomId}/{sessionId}`: verified, then the lower first index, then fewer forwards.
fn is_better(new: &BackedUpKey, old: &BackedUpKey) -> bool {
    let rank = |key: &BackedUpKey| (!key.is_verified, key.first_message_index, key.forwarded_count);
    rank(new) < rank(old)
}

fn checked_keys(keys: Keys) -> Result<Vec<BackedUpKey>, BackupError> {
    let mut checked = Vec::new();
    for (room_id, sessions) in keys {
        for (session_id, entry) in sessions {
            let invalid = |what: &str| BackupError::Invalid(format!("the key of {room_id}, {session_id}: {what}"));
            let content = canonical(&entry);
            if content.len() > KEY_SIZE_BYTES_MAX || session_id.len() > NAME_BYTES_MAX {
                return Err(invalid("too large"));
            }
            let number = |field: &str| entry.get(field).and_then(Value::as_i64).filter(|number| *number >= 0);
            checked.push(BackedUpKey {
                is_verified: entry
                    .get("is_verified")
                    .and_then(Value::as_bool)
                    .ok_or_else(|| invalid("`is_verified` is missing or no truth value"))?,
                first_message_index: number("first_message_index")
                    .ok_or_else(|| invalid("`first_message_index` is missing or no number"))?,
                forwarded_count: number("forwarded_count")
                    .ok_or_else(|| invalid("`forwarded_count` is missing or no number"))?,
                content: entry
                    .get("session_data")
                    .and_then(Value::as_object)
                    .map(|_| content)
                    .ok_or_else(|| invalid("`session_data` is missing or no object"))?,
                room_id: room_id.clone(),
                session_id: session_id.clone(),
            });
        }
    }
    Ok(checked)
}

fn checked_auth_data(auth_data: &Object) -> Result<String, BackupError> {
    let text = canonical(auth_data);
    if text.len() > AUTH_DATA_SIZE_BYTES_MAX {
        return Err(BackupError::Invalid("`auth_data` is too large".to_owned()));
    }
    Ok(text)
}

fn parse_version(version: &str) -> Option<i64> {
    version.parse().ok()
}

fn count_and_etag(backup: &Backup) -> Value {
    json!({ "count": backup.count, "etag": backup.etag.to_string() })
}

fn to_json(backup: &Backup) -> Result<Value, BackupError> {
    let auth_data: Value = serde_json::from_str(&backup.auth_data)
        .map_err(|_| StoreError::Inconsistent("key_backups.auth_data is not JSON".to_owned()))?;
    Ok(json!({
        "version": backup.version.to_string(),
        "algorithm": backup.algorithm,
        "auth_data": auth_data,
        "count": backup.count,
        "etag": backup.etag.to_string(),
    }))
}

#[cfg(test)]
mod tests;

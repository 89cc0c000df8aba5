//! Profiles. C-S API, "Profiles".

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use events::UserId;
use events::json::{Object, Value};
use persistence::transactions::{accounts, profiles};
use persistence::{ReadTx, StoreError};

use crate::{RemoteError, Users};

/// Bytes of a profile, keys and values as JSON. C-S API, `PUT /profile/{userId}/{keyName}`.
pub const PROFILE_SIZE_BYTES_MAX: usize = 65_536;
/// Bytes of the name of a field.
pub const FIELD_NAME_BYTES_MAX: usize = 255;
/// Characters of a display name, as in Synapse: it stands in each member event of the user.
pub const DISPLAY_NAME_CHARS_MAX: usize = 256;
/// Characters of an avatar's URL, as in Synapse.
pub const AVATAR_URL_CHARS_MAX: usize = 1_000;

/// How long a profile of another server is not asked for again.
pub const CACHED_PROFILE_AGE_MAX: Duration = Duration::from_mins(5);
/// Profiles of other servers, or fields of them, kept in memory.
const CACHED_PROFILES_MAX: usize = 1_000;
/// Bytes of one of them: 4 MiB in all.
const CACHED_PROFILE_BYTES_MAX: usize = 4_096;

/// The display name.
pub const DISPLAY_NAME: &str = "displayname";
/// The avatar.
pub const AVATAR_URL: &str = "avatar_url";
/// The time zone.
const TIME_ZONE: &str = "m.tz";

/// Why a profile cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no such user, or the profile lacks the field.
    #[error("there is no such user or profile field")]
    NotFound,
    /// The user's server does not answer.
    #[error("the server of {user} cannot be asked: {reason}")]
    Remote {
        /// Whose profile was wanted.
        user: UserId,
        /// What happened.
        reason: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a profile was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ProfileChangeError {
    /// No field has such a name.
    #[error("a profile field is displayname, avatar_url, m.tz, or has a name like org.example.field")]
    InvalidField,
    /// The name of the field is too long.
    #[error("the name of a profile field has at most {FIELD_NAME_BYTES_MAX} bytes")]
    FieldNameTooLong,
    /// The value does not fit its field.
    #[error("{field} must be {expected}")]
    InvalidValue {
        /// Which field.
        field: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// The profile would be too large.
    #[error("a profile has at most {PROFILE_SIZE_BYTES_MAX} bytes")]
    TooLarge,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Returns the profile of anybody, or only `field` of it, asking the user's server if it is not ours.
    pub async fn profile(&self, user: &UserId, field: Option<&str>) -> Result<Object, ProfileError> {
        let mut profile = if self.is_local(user) {
            self.local_profile(user).await?.ok_or(ProfileError::NotFound)?
        } else {
            self.remote_profile(user, field).await?
        };
        match field {
            Some(field) => {
                profile.retain(|name, _| name == field);
                if profile.is_empty() { Err(ProfileError::NotFound) } else { Ok(profile) }
            }
            None => Ok(profile),
        }
    }

    async fn remote_profile(&self, user: &UserId, field: Option<&str>) -> Result<Object, ProfileError> {
        let key = (user.clone(), field.map(str::to_owned));
        if let Some(profile) = self.0.remote_profiles.get(&key, self.0.handles.clock.monotonic()) {
            return Ok(profile);
        }
        let remote = |reason: String| ProfileError::Remote { user: user.clone(), reason };
        let asked = self.0.neighbours.other_servers.profile(user, field).await;
        let profile = asked.map_err(|error| match error {
            RemoteError::NotFound => ProfileError::NotFound,
            RemoteError::Failed(reason) => remote(reason),
        })?;
        if events::json::canonical(&profile).len() > PROFILE_SIZE_BYTES_MAX {
            return Err(remote(format!("the profile has more than {PROFILE_SIZE_BYTES_MAX} bytes")));
        }
        self.0.remote_profiles.put(key, profile.clone(), self.0.handles.clock.monotonic());
        Ok(profile)
    }

    /// Returns the profile of one of our users; `None` if there is no such account.
    pub async fn local_profile(&self, user: &UserId) -> Result<Option<Object>, StoreError> {
        let user = user.clone();
        self.0
            .database
            .read(move |tx| match accounts::get(tx, &user)? {
                Some(_) => read_profile(tx, &user).map(Some),
                None => Ok(None),
            })
            .await
    }

    /// Sets a field of the profile of one of our users. An empty or absent display name or avatar is none.
    pub async fn set_profile_field(&self, user: &UserId, field: &str, value: Value) -> Result<(), ProfileChangeError> {
        check_field(field, &value)?;
        let removes = matches!(field, DISPLAY_NAME | AVATAR_URL) && matches!(value.as_str(), None | Some(""));
        if removes {
            return self.delete_profile_field(user, field).await;
        }
        let (owner, name) = (user.clone(), field.to_owned());
        self.0
            .database
            .write(move |tx| {
                let mut profile = read_profile(tx, &owner)?;
                let text = value.to_string();
                profile.insert(name.clone(), value);
                if events::json::canonical(&profile).len() > PROFILE_SIZE_BYTES_MAX {
                    return Err(ProfileChangeError::TooLarge);
                }
                Ok(profiles::put(tx, &owner, &name, &text)?)
            })
            .await?;
        self.propagate(user, field).await;
        Ok(())
    }

    /// Deletes a field of the profile of one of our users.
    pub async fn delete_profile_field(&self, user: &UserId, field: &str) -> Result<(), ProfileChangeError> {
        check_field_name(field)?;
        let (owner, name) = (user.clone(), field.to_owned());
        self.0.database.write(move |tx| profiles::delete(tx, &owner, &name)).await?;
        self.propagate(user, field).await;
        Ok(())
    }

    /// Member events have the display name and the avatar, nothing else of a profile.
    async fn propagate(&self, user: &UserId, field: &str) {
        if matches!(field, DISPLAY_NAME | AVATAR_URL) {
            self.0.neighbours.profile_listener.profile_changed(user.clone()).await;
        }
    }
}

/// Profiles of other servers' users, for as long as clients show one list of members.
#[derive(Default)]
pub(crate) struct RemoteProfiles(Mutex<BTreeMap<ProfileKey, (Duration, Object)>>);

/// Whose profile, and which field of it.
type ProfileKey = (UserId, Option<String>);

impl RemoteProfiles {
    fn get(&self, key: &ProfileKey, now: Duration) -> Option<Object> {
        let profiles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, profile) = profiles.get(key)?;
        (now < *until).then(|| profile.clone())
    }

    fn put(&self, key: ProfileKey, profile: Object, now: Duration) {
        if events::json::canonical(&profile).len() > CACHED_PROFILE_BYTES_MAX {
            return;
        }
        let mut profiles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if profiles.len() >= CACHED_PROFILES_MAX {
            profiles.retain(|_, (until, _)| now < *until);
        }
        if profiles.len() >= CACHED_PROFILES_MAX {
            profiles.pop_first();
        }
        profiles.insert(key, (now + CACHED_PROFILE_AGE_MAX, profile));
    }
}

/// Returns the profile of one of our users, as `messaging` needs it for member events.
pub fn read_profile(tx: &ReadTx<'_>, user: &UserId) -> Result<Object, StoreError> {
    let mut profile = Object::new();
    for (field, value) in profiles::all_of(tx, user)? {
        let value = serde_json::from_str(&value)
            .map_err(|_| StoreError::Inconsistent(format!("profile_fields: {field} of {user} is not JSON")))?;
        profile.insert(field, value);
    }
    Ok(profile)
}

fn check_field(field: &str, value: &Value) -> Result<(), ProfileChangeError> {
    check_field_name(field)?;
    let invalid = |expected| ProfileChangeError::InvalidValue { field: field.to_owned(), expected };
    let is_text = |chars_max: usize| match value {
        Value::Null => true,
        Value::String(text) => text.chars().count() <= chars_max,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    };
    match field {
        DISPLAY_NAME if !is_text(DISPLAY_NAME_CHARS_MAX) => Err(invalid("a text of at most 256 characters")),
        AVATAR_URL if !is_text(AVATAR_URL_CHARS_MAX) => Err(invalid("a text of at most 1000 characters")),
        TIME_ZONE if !value.is_string() => Err(invalid("the name of a time zone")),
        _ => Ok(()),
    }
}

/// `displayname`, `avatar_url`, `m.tz`, or the common namespaced identifier grammar with at least one dot.
fn check_field_name(field: &str) -> Result<(), ProfileChangeError> {
    if field.len() > FIELD_NAME_BYTES_MAX {
        return Err(ProfileChangeError::FieldNameTooLong);
    }
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_lowercase())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-')
    };
    let is_namespaced = field.contains('.') && field.split('.').all(is_part);
    if matches!(field, DISPLAY_NAME | AVATAR_URL) || is_namespaced {
        Ok(())
    } else {
        Err(ProfileChangeError::InvalidField)
    }
}

#[cfg(test)]
mod tests;

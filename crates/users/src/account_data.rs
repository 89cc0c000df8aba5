//! Account data and tags. C-S API, "Client Config" and "Room Tagging".

use events::json::{Object, Value, canonical};
use events::{EventId, RoomId, UserId};
use persistence::StoreError;
use persistence::transactions::account_data;

use crate::{Users, push_rules};

/// Bytes of the content of one piece of account data.
pub const CONTENT_SIZE_BYTES_MAX: usize = 262_144;
/// Bytes of a type.
pub const TYPE_BYTES_MAX: usize = 255;
/// Pieces of account data of one user, in all rooms.
pub const PIECES_PER_USER_MAX: i64 = 50_000;
/// Bytes of the name of a tag. C-S API, "m.tag".
pub const TAG_BYTES_MAX: usize = 255;

/// The tags of a room are the content of this type.
const TAGS: &str = "m.tag";
/// Set by endpoints of their own.
const MANAGED: [&str; 2] = [push_rules::TYPE, "m.fully_read"];

/// Why account data was not stored.
#[derive(Debug, thiserror::Error)]
pub enum AccountDataError {
    /// It has endpoints of its own.
    #[error("{0} is not set as account data: it has endpoints of its own")]
    Managed(String),
    /// Type or content is too large.
    #[error("account data has at most {TYPE_BYTES_MAX} bytes of type and {CONTENT_SIZE_BYTES_MAX} of content")]
    TooLarge,
    /// The user has too much of it.
    #[error("a user has at most {PIECES_PER_USER_MAX} pieces of account data")]
    TooMany,
    /// The name of a tag is too long.
    #[error("a tag has at most {TAG_BYTES_MAX} bytes")]
    TagTooLong,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Returns one piece of account data: of a room, or of the account.
    pub async fn account_data(
        &self,
        user: &UserId,
        room: Option<&RoomId>,
        data_type: &str,
    ) -> Result<Option<Object>, StoreError> {
        let (user, room, data_type) = (user.clone(), room.cloned(), data_type.to_owned());
        let content = self.0.database.read(move |tx| account_data::get(tx, &user, room.as_ref(), &data_type)).await?;
        content.map(|content| parse(&content)).transpose()
    }

    /// Stores a piece of account data, in place of what was there, and wakes the user's devices.
    pub async fn set_account_data(
        &self,
        user: &UserId,
        room: Option<&RoomId>,
        data_type: &str,
        content: &Object,
    ) -> Result<(), AccountDataError> {
        if MANAGED.contains(&data_type) {
            return Err(AccountDataError::Managed(data_type.to_owned()));
        }
        let content = content.clone();
        self.change_account_data(user, room, data_type, move |_| content).await
    }

    /// Notes up to where a user has read a room, on all of their devices. C-S API, "Fully read markers".
    pub async fn set_fully_read(&self, user: &UserId, room: &RoomId, event: &EventId) -> Result<(), AccountDataError> {
        let content = Object::from_iter([("event_id".to_owned(), Value::from(event.as_str()))]);
        self.change_account_data(user, Some(room), "m.fully_read", move |_| content).await
    }

    /// Returns the tags of a room: name and content.
    pub async fn tags(&self, user: &UserId, room: &RoomId) -> Result<Object, StoreError> {
        let content = self.account_data(user, Some(room), TAGS).await?;
        Ok(content.as_ref().map(tags_of).unwrap_or_default())
    }

    /// Adds a tag to a room, or changes it.
    pub async fn set_tag(
        &self,
        user: &UserId,
        room: &RoomId,
        tag: String,
        content: Object,
    ) -> Result<(), AccountDataError> {
        if tag.len() > TAG_BYTES_MAX {
            return Err(AccountDataError::TagTooLong);
        }
        self.change_tags(user, room, move |tags| {
            tags.insert(tag, Value::Object(content));
        })
        .await
    }

    /// Removes a tag from a room, if it is there.
    pub async fn delete_tag(&self, user: &UserId, room: &RoomId, tag: String) -> Result<(), AccountDataError> {
        self.change_tags(user, room, move |tags| {
            tags.remove(&tag);
        })
        .await
    }

    async fn change_tags(
        &self,
        user: &UserId,
        room: &RoomId,
        change: impl FnOnce(&mut Object) + Send + 'static,
    ) -> Result<(), AccountDataError> {
        self.change_account_data(user, Some(room), TAGS, move |mut content| {
            let mut tags = tags_of(&content);
            change(&mut tags);
            content.insert("tags".to_owned(), Value::Object(tags));
            content
        })
        .await
    }

    async fn change_account_data(
        &self,
        user: &UserId,
        room: Option<&RoomId>,
        data_type: &str,
        change: impl FnOnce(Object) -> Object + Send + 'static,
    ) -> Result<(), AccountDataError> {
        if data_type.len() > TYPE_BYTES_MAX {
            return Err(AccountDataError::TooLarge);
        }
        let (users, user, room, data_type) = (self.clone(), user.clone(), room.cloned(), data_type.to_owned());
        self.0
            .database
            .write(move |tx| {
                let before = account_data::get(tx, &user, room.as_ref(), &data_type)?;
                if before.is_none() && account_data::count(tx, &user)? >= PIECES_PER_USER_MAX {
                    return Err(AccountDataError::TooMany);
                }
                let before = before.map(|content| parse(&content)).transpose()?.unwrap_or_default();
                let content = canonical(&change(before));
                if content.len() > CONTENT_SIZE_BYTES_MAX {
                    return Err(AccountDataError::TooLarge);
                }
                account_data::put(tx, &user, room.as_ref(), &data_type, &content)?;
                users.wake_after_commit(tx, &user);
                Ok(())
            })
            .await
    }
}

fn tags_of(content: &Object) -> Object {
    content.get("tags").and_then(Value::as_object).cloned().unwrap_or_default()
}

fn parse(content: &str) -> Result<Object, StoreError> {
    serde_json::from_str(content)
        .map_err(|_| StoreError::Inconsistent("account_data.content is not a JSON object".to_owned()))
}

#[cfg(test)]
mod tests;

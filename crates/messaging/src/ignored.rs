//! Whom a user does not want to hear. C-S API, "Ignoring Users".

use std::collections::BTreeSet;

use events::{Object, UserId};
use persistence::transactions::account_data;
use persistence::{Position, ReadTx, StoreError};

use crate::limits::IGNORED_USERS_MAX;

const TYPE: &str = "m.ignored_user_list";

/// The users that somebody ignores.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ignored {
    users: BTreeSet<String>,
    /// When the list was last changed.
    pub(crate) changed_at: Position,
}

impl Ignored {
    /// Reads whom `user` ignores. What clients stored there and is no list ignores nobody.
    pub(crate) fn read(tx: &ReadTx<'_>, user: &UserId) -> Result<Self, StoreError> {
        let Some(content) = account_data::get(tx, user, None, TYPE)? else { return Ok(Self::default()) };
        let content: Object = serde_json::from_str(&content)
            .map_err(|_| StoreError::Inconsistent(format!("account_data: {TYPE} of {user} is no JSON object")))?;
        let listed = content.get("ignored_users").and_then(events::Value::as_object).into_iter().flatten();
        let users = listed.map(|(ignored, _)| ignored.clone()).filter(|ignored| ignored != user.as_str());
        Ok(Self { users: users.take(IGNORED_USERS_MAX).collect(), changed_at: account_data::position(tx, user, TYPE)? })
    }

    /// Says whether what `sender` sends is kept from the user. State is not: rooms would look different.
    pub(crate) fn hides(&self, sender: &UserId, is_state: bool) -> bool {
        !is_state && self.contains(sender)
    }

    /// Says whether a user is ignored.
    pub(crate) fn contains(&self, user: &UserId) -> bool {
        self.users.contains(user.as_str())
    }
}

//! Filters. C-S API, "Filtering". What they say is for /sync and /messages; here they are only kept.

use events::UserId;
use events::json::{Object, canonical};
use persistence::StoreError;
use persistence::transactions::filters;

use crate::Users;

/// Filters of one user; the oldest are forgotten.
pub const FILTERS_PER_USER_MAX: i64 = 1_000;
/// Bytes of a filter as canonical JSON.
pub const FILTER_SIZE_BYTES_MAX: usize = 65_536;

/// Why a filter was not stored.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It is too large.
    #[error("a filter has at most {FILTER_SIZE_BYTES_MAX} bytes")]
    TooLarge,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Users {
    /// Stores a filter and returns its id. An equal one has the same id.
    pub async fn store_filter(&self, user: &UserId, filter: &Object) -> Result<String, FilterError> {
        let content = canonical(filter);
        if content.len() > FILTER_SIZE_BYTES_MAX {
            return Err(FilterError::TooLarge);
        }
        let user = user.clone();
        let id = self.0.database.write(move |tx| filters::put(tx, &user, &content, FILTERS_PER_USER_MAX)).await?;
        Ok(id.to_string())
    }

    /// Returns a stored filter.
    pub async fn filter(&self, user: &UserId, filter_id: &str) -> Result<Option<Object>, StoreError> {
        let Ok(id) = filter_id.parse() else { return Ok(None) };
        let owner = user.clone();
        let content = self.0.database.read(move |tx| filters::get(tx, &owner, id)).await?;
        content
            .map(|content| serde_json::from_str(&content))
            .transpose()
            .map_err(|_| StoreError::Inconsistent(format!("filters: {filter_id} of {user} is not a JSON object")))
    }
}

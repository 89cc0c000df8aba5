//! Numbers for (type, state key) pairs.

use crate::numbers::StateKeyNumber;
use crate::tx::{ReadTx, StoreError, WriteTx};

/// Returns the number of (`event_type`, `state_key`), made if new.
pub fn intern_key(tx: &mut WriteTx<'_>, event_type: &str, state_key: &str) -> Result<StateKeyNumber, StoreError> {
    if let Some(number) = key_number(tx, event_type, state_key)? {
        return Ok(number);
    }
    tx.insert_numbered("INSERT INTO state_keys (type, state_key) VALUES (?1, ?2)", &[&event_type, &state_key])
        .map(StateKeyNumber)
}

/// Returns the number of (`event_type`, `state_key`), or `None` if no event with that pair was ever stored.
pub fn key_number(tx: &ReadTx<'_>, event_type: &str, state_key: &str) -> Result<Option<StateKeyNumber>, StoreError> {
    tx.query_optional(
        "SELECT number FROM state_keys WHERE type = ?1 AND state_key = ?2",
        &[&event_type, &state_key],
        |row| row.get(0),
    )
}

/// Returns the type and the state key that `key` stands for.
pub fn key_text(tx: &ReadTx<'_>, key: StateKeyNumber) -> Result<(String, String), StoreError> {
    tx.query_optional("SELECT type, state_key FROM state_keys WHERE number = ?1", &[&key], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?
    .ok_or_else(|| StoreError::Inconsistent(format!("table state_keys has no number {}", key.0)))
}

/// Returns the types and state keys that `keys` stand for, in the same order.
pub fn key_texts(tx: &ReadTx<'_>, keys: &[StateKeyNumber]) -> Result<Vec<(String, String)>, StoreError> {
    keys.iter().map(|key| key_text(tx, *key)).collect()
}

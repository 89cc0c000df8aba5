//! Where followers of the events stream are.

use super::streams::{self, Stream};
use crate::numbers::Position;
use crate::tx::{StoreError, WriteTx};

/// Returns where the follower `name` is; a new one starts behind the newest event.
pub fn take_up(tx: &mut WriteTx<'_>, name: &str) -> Result<Position, StoreError> {
    let newest = streams::current(tx, Stream::Events)?;
    tx.execute(
        "INSERT INTO subscriptions (name, position) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
        &[&name, &newest],
    )?;
    tx.query_one("SELECT position FROM subscriptions WHERE name = ?1", &[&name], |row| row.get(0))
}

/// Moves the follower `name` forward.
pub fn acknowledge(tx: &mut WriteTx<'_>, name: &str, position: Position) -> Result<(), StoreError> {
    tx.execute("UPDATE subscriptions SET position = ?2 WHERE name = ?1 AND position < ?2", &[&name, &position])?;
    Ok(())
}

//! Read receipts.

use events::{EventId, UserId};

use crate::numbers::{Position, RoomNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};
use crate::value::Row;

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Who has read.
    pub user: UserId,
    /// `m.read` or `m.read.private`.
    pub receipt_type: String,
    /// A thread's root, `main`, or empty for all threads.
    pub thread: String,
    /// Up to which event.
    pub event_id: EventId,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

/// Sets a receipt; it takes the place of the one before.
pub fn set(tx: &mut WriteTx<'_>, room: RoomNumber, receipt: &Receipt, position: Position) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO receipts (room, user_id, receipt_type, thread, event_id, at, position)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (room, user_id, receipt_type, thread) DO UPDATE
            SET event_id = excluded.event_id, at = excluded.at, position = excluded.position",
        &[&room, &receipt.user, &receipt.receipt_type, &receipt.thread, &receipt.event_id, &receipt.at, &position],
    )?;
    Ok(())
}

/// Returns the receipts of a room that were set after `from` and up to `to`, in their order.
pub fn between(tx: &ReadTx<'_>, room: RoomNumber, from: Position, to: Position) -> Result<Vec<Receipt>, StoreError> {
    tx.query_all(
        "SELECT user_id, receipt_type, thread, event_id, at
           FROM receipts
          WHERE room = ?1 AND position > ?2 AND position <= ?3
          ORDER BY position",
        &[&room, &from, &to],
        receipt,
    )
}

/// Returns a user's receipts in a room.
pub fn of_user(tx: &ReadTx<'_>, room: RoomNumber, user: &UserId) -> Result<Vec<Receipt>, StoreError> {
    tx.query_all(
        "SELECT user_id, receipt_type, thread, event_id, at
           FROM receipts
          WHERE room = ?1 AND user_id = ?2
          ORDER BY position",
        &[&room, user],
        receipt,
    )
}

fn receipt(row: &Row<'_>) -> Result<Receipt, StoreError> {
    Ok(Receipt {
        user: row.get(0)?,
        receipt_type: row.get(1)?,
        thread: row.get(2)?,
        event_id: row.get(3)?,
        at: row.get(4)?,
    })
}

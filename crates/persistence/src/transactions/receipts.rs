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

/// Threads that a user has a receipt of one type in, for each room: another server may name any number. Those set last stay.
pub const THREADS_MAX: i64 = 100;

/// Sets a receipt; it takes the place of the one before.
pub fn set(tx: &mut WriteTx<'_>, room: RoomNumber, receipt: &Receipt, position: Position) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO receipts (room, user_id, receipt_type, thread, event_id, at, position)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (room, user_id, receipt_type, thread) DO UPDATE
            SET event_id = excluded.event_id, at = excluded.at, position = excluded.position",
        &[&room, &receipt.user, &receipt.receipt_type, &receipt.thread, &receipt.event_id, &receipt.at, &position],
    )?;
    if !receipt.thread.is_empty() {
        tx.execute(
            "DELETE FROM receipts
              WHERE room = ?1 AND user_id = ?2 AND receipt_type = ?3 AND thread <> ''
                AND position <= (SELECT position
                                   FROM receipts
                                  WHERE room = ?1 AND user_id = ?2 AND receipt_type = ?3 AND thread <> ''
                                  ORDER BY position DESC
                                  LIMIT 1 OFFSET ?4)",
            &[&room, &receipt.user, &receipt.receipt_type, &THREADS_MAX],
        )?;
    }
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

/// Returns the receipt that a user has of a type for a thread.
pub fn find(
    tx: &ReadTx<'_>,
    room: RoomNumber,
    user: &UserId,
    receipt_type: &str,
    thread: &str,
) -> Result<Option<Receipt>, StoreError> {
    tx.query_optional(
        "SELECT user_id, receipt_type, thread, event_id, at
           FROM receipts
          WHERE room = ?1 AND user_id = ?2 AND receipt_type = ?3 AND thread = ?4",
        &[&room, user, &receipt_type, &thread],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    #[tokio::test]
    async fn of_threads_the_latest_stay_and_the_receipt_for_all_of_them() {
        let database = Database::open_inline(None).unwrap();
        let room = RoomNumber(1);
        let user = UserId::parse("@a:remote.example").unwrap();
        let receipt = |thread: String, event: i64| Receipt {
            user: user.clone(),
            receipt_type: "m.read".to_owned(),
            thread,
            event_id: EventId::parse(format!("${event:043}")).unwrap(),
            at: event,
        };
        let all = receipt(String::new(), 0);
        let threads: Vec<Receipt> =
            (1..=THREADS_MAX + 5).map(|number| receipt(format!("$thread{number}"), number)).collect();
        let again = receipt("$thread3".to_owned(), 1_000);
        let work = move |tx: &mut WriteTx<'_>| {
            set(tx, room, &all, Position(1))?;
            for receipt in &threads {
                set(tx, room, receipt, Position(receipt.at + 1))?;
                if receipt.at == 50 {
                    // It is among the latest from here on.
                    set(tx, room, &again, Position(51))?;
                }
            }
            of_user(tx, room, &user)
        };
        let kept = database.write(work).await.unwrap();
        assert_eq!(kept.len(), 1 + THREADS_MAX as usize);
        assert_eq!((kept[0].thread.as_str(), kept[0].at), ("", 0));
        assert!(kept.iter().any(|receipt| receipt.thread == "$thread3" && receipt.at == 1_000));
        assert!(!kept.iter().any(|receipt| receipt.thread == "$thread1" || receipt.thread == "$thread4"));
        assert_eq!(kept.last().unwrap().at, THREADS_MAX + 5);
    }
}

//! Read receipts and read markers.

use std::collections::BTreeSet;

use events::{EventId, RoomId, ServerName, UserId};
use persistence::transactions::receipts::{self as receipt_rows, Receipt};
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{events as event_rows, graph as graph_rows, rooms as room_rows};
use persistence::{Position, ReadTx, RoomNumber, StoreError};
use serde_json::json;
use transport::questions::Edu;

use crate::{Messaging, MessagingError};

/// The kind of receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptType {
    /// Everybody is told.
    Read,
    /// Only the user's own devices are told. Never leaves the server.
    ReadPrivate,
}

impl ReceiptType {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "m.read",
            Self::ReadPrivate => "m.read.private",
        }
    }
}

impl Messaging {
    /// Says that `user` has read up to `event_id`; `thread` is a thread's root, `main`, or `None` for all.
    pub async fn send_receipt(
        &self,
        user: &UserId,
        room_id: &RoomId,
        receipt_type: ReceiptType,
        event_id: &EventId,
        thread: Option<&str>,
    ) -> Result<(), MessagingError> {
        let row = self.joined_room(room_id, user).await?;
        let now = self.handles().clock.now();
        let receipt = Receipt {
            user: user.clone(),
            receipt_type: receipt_type.as_str().to_owned(),
            thread: thread.unwrap_or_default().to_owned(),
            event_id: event_id.clone(),
            at: now,
        };
        let (us, this, room_id) = (self.server_name().clone(), self.clone(), room_id.clone());
        self.database()
            .write(move |tx| {
                if is_behind(tx, row.number, &receipt)? {
                    return Ok(());
                }
                let position = streams::next(tx, Stream::Receipts)?;
                receipt_rows::set(tx, row.number, &receipt, position)?;
                if receipt_type == ReceiptType::Read {
                    let servers = room_rows::servers(tx, row.number)?;
                    let others: BTreeSet<ServerName> = servers.into_iter().filter(|server| *server != us).collect();
                    let key = format!("{room_id} {} {}", receipt.user, receipt.thread);
                    this.graph().outbound().enqueue_edu(tx, &others, &edu(&room_id, &receipt), Some(&key))?;
                }
                let mut readers = room_rows::members_of_server(tx, row.number, "join", &us)?;
                if receipt_type == ReceiptType::ReadPrivate {
                    readers.retain(|reader| *reader == receipt.user);
                }
                let notifier = this.notifier().clone();
                tx.after_commit(move || readers.iter().for_each(|reader| notifier.wake(reader)));
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(())
    }
}

/// Says whether a receipt of ours would go back to an event that came before the one of the receipt in its place, or stay
/// there. The specification is silent about that; like Synapse we leave what is further.
fn is_behind(tx: &ReadTx<'_>, room: RoomNumber, receipt: &Receipt) -> Result<bool, StoreError> {
    let arrival = |event: &EventId| -> Result<Option<Position>, StoreError> {
        let Some(number) = event_rows::number(tx, room, event)? else { return Ok(None) };
        Ok(graph_rows::place(tx, number)?.and_then(|place| place.arrival))
    };
    let Some(before) = receipt_rows::find(tx, room, &receipt.user, &receipt.receipt_type, &receipt.thread)? else {
        return Ok(false);
    };
    if before.event_id == receipt.event_id {
        return Ok(true);
    }
    Ok(matches!((arrival(&receipt.event_id)?, arrival(&before.event_id)?), (Some(new), Some(old)) if new < old))
}

/// S2S API, "Receipts".
fn edu(room_id: &RoomId, receipt: &Receipt) -> Edu {
    let mut data = json!({ "ts": receipt.at });
    if !receipt.thread.is_empty() {
        data["thread_id"] = json!(receipt.thread);
    }
    let content = json!({
        room_id.as_str(): { "m.read": { receipt.user.as_str(): { "event_ids": [receipt.event_id], "data": data } } },
    });
    Edu { edu_type: "m.receipt".to_owned(), content }
}

//! Who is typing, and who has read up to where.

use events::{Object, Value};
use persistence::transactions::receipts as receipt_rows;
use persistence::{Position, StoreError};
use serde_json::json;

use super::RoomSync;

impl RoomSync<'_, '_> {
    /// The ephemeral events since the client's last sync; for a room that the user has come into, all receipts.
    pub(super) fn ephemeral(&self, entered: bool) -> Result<Vec<Value>, StoreError> {
        let filter = &self.filter().room.ephemeral;
        let mut ephemeral = Vec::new();
        if !filter.allows_room(&self.room.room_id) {
            return Ok(ephemeral);
        }
        if filter.events.allows_type("m.typing")
            && let Some(users) = self.request.typing.get(&self.room.room_id)
        {
            let users: Vec<_> = users.iter().filter(|user| filter.events.allows_sender(user)).collect();
            ephemeral.push(json!({ "type": "m.typing", "content": { "user_ids": users } }));
        }
        if filter.events.allows_type("m.receipt") {
            let content = self.receipts(entered)?;
            if !content.is_empty() {
                ephemeral.push(json!({ "type": "m.receipt", "content": content }));
            }
        }
        Ok(ephemeral)
    }

    fn receipts(&self, entered: bool) -> Result<Object, StoreError> {
        let from = self.request.since.filter(|_| !entered).map_or(Position(0), |since| since.receipts);
        let mut content = Object::new();
        for receipt in receipt_rows::between(self.tx, self.room.number, from, self.to.receipts)? {
            let is_others_secret = receipt.receipt_type == "m.read.private" && receipt.user != self.viewer().user;
            if is_others_secret || !self.filter().room.ephemeral.events.allows_sender(&receipt.user) {
                continue;
            }
            let mut data = json!({ "ts": receipt.at });
            if !receipt.thread.is_empty() {
                data["thread_id"] = json!(receipt.thread);
            }
            let of_event = content.entry(receipt.event_id.as_str()).or_insert_with(|| json!({}));
            of_event[&receipt.receipt_type][receipt.user.as_str()] = data;
        }
        Ok(content)
    }
}

//! Typing notices and receipts, from other servers and to them.

use std::collections::BTreeSet;
use std::time::Duration;

use events::{EventId, RoomId, ServerName, UserId, Value};

use persistence::transactions::receipts::{self as receipt_rows, Receipt};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::streams::{self, Stream};
use persistence::{ReadTx, RoomNumber, StoreError, WriteTx};
use serde_json::json;
use transaction::EduIntake;
use transport::questions::Edu;

use crate::limits::{RECEIPTS_PER_EDU_MAX, TYPING_TIMEOUT_MAX};
use crate::{Messaging, MessagingError};

/// How often typing users are looked at, to forget those who stopped without a word.
const TYPING_EXPIRY_INTERVAL: Duration = Duration::from_secs(5);

/// How far, in milliseconds, a receipt may be in the future by our clock, and still be later than others.
const CLOCK_AHEAD_MAX_MS: i64 = 3_600_000;

impl Messaging {
    /// Says that a user of ours types, or has stopped (`None`).
    pub async fn set_typing(
        &self,
        user: &UserId,
        room_id: &RoomId,
        timeout: Option<Duration>,
    ) -> Result<(), MessagingError> {
        let row = self.joined_room(room_id, user).await?;
        let is_news = match timeout {
            Some(timeout) => self.typing().started(room_id, user, timeout),
            None => self.typing().stopped(room_id, user),
        };
        // Other servers forget who does not repeat it; so a repetition is sent too.
        if !is_news && timeout.is_none() {
            return Ok(());
        }
        let us = self.server_name().clone();
        let (servers, readers) = self
            .database()
            .read(move |tx| {
                let servers = room_rows::servers(tx, row.number)?;
                let readers = room_rows::members_of_server(tx, row.number, "join", &us)?;
                Ok::<_, StoreError>((servers, readers))
            })
            .await?;
        let others: BTreeSet<ServerName> = servers.into_iter().filter(|server| server != self.server_name()).collect();
        let content = json!({ "room_id": room_id, "user_id": user, "typing": timeout.is_some() });
        let edu = Edu { edu_type: "m.typing".to_owned(), content };
        self.graph().outbound().send_ephemeral(&others, edu, &format!("typing {room_id} {user}"));
        readers.iter().for_each(|reader| self.notifier().wake(reader));
        Ok(())
    }

    /// Forgets, now and then, those who typed and fell silent, and tells their rooms.
    pub fn start(&self) {
        let this = self.clone();
        self.handles().tasks.spawn("typing-expiry", async move {
            loop {
                this.handles().clock.sleep(TYPING_EXPIRY_INTERVAL).await;
                for room_id in this.typing().expire() {
                    this.wake_readers(&room_id).await;
                }
            }
        });
    }

    pub(crate) async fn wake_readers(&self, room_id: &RoomId) {
        let (id, us) = (room_id.clone(), self.server_name().clone());
        let readers = self
            .database()
            .read(move |tx| match room_rows::by_id(tx, &id)? {
                Some(row) => room_rows::members_of_server(tx, row.number, "join", &us),
                None => Ok(Vec::new()),
            })
            .await;
        match readers {
            Ok(readers) => readers.iter().for_each(|reader| self.notifier().wake(reader)),
            Err(error) => tracing::error!(room.id = %room_id, "nobody was told who stopped typing: {error}"),
        }
    }

    fn apply_typing(&self, tx: &mut WriteTx<'_>, origin: &ServerName, content: &Value) -> Result<(), StoreError> {
        let text = |key: &str| content.get(key).and_then(Value::as_str).unwrap_or_default();
        let (Ok(room_id), Ok(user)) = (RoomId::parse(text("room_id")), UserId::parse(text("user_id"))) else {
            return Ok(());
        };
        let Some(row) = self.open_room(tx, &room_id, origin)? else { return Ok(()) };
        let is_member = room_rows::membership(tx, row.number, &user)?.as_deref() == Some("join");
        if user.server() != *origin || !is_member {
            return Ok(());
        }
        let readers = room_rows::members_of_server(tx, row.number, "join", self.server_name())?;
        let types = content.get("typing").and_then(Value::as_bool).unwrap_or(false);
        let this = self.clone();
        tx.after_commit(move || {
            let is_news = if types {
                this.typing().started(&room_id, &user, TYPING_TIMEOUT_MAX)
            } else {
                this.typing().stopped(&room_id, &user)
            };
            if is_news {
                readers.iter().for_each(|reader| this.notifier().wake(reader));
            }
        });
        Ok(())
    }

    fn apply_receipts(&self, tx: &mut WriteTx<'_>, origin: &ServerName, content: &Value) -> Result<(), StoreError> {
        let mut left = RECEIPTS_PER_EDU_MAX;
        for (room_id, types) in content.as_object().into_iter().flatten().take(RECEIPTS_PER_EDU_MAX) {
            let Ok(room_id) = RoomId::parse(room_id) else { continue };
            let Some(row) = self.open_room(tx, &room_id, origin)? else { continue };
            for (user, receipt) in types.get("m.read").and_then(Value::as_object).into_iter().flatten() {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                self.apply_receipt(tx, origin, &row, user, receipt)?;
            }
        }
        Ok(())
    }

    fn apply_receipt(
        &self,
        tx: &mut WriteTx<'_>,
        origin: &ServerName,
        row: &RoomRow,
        user: &str,
        receipt: &Value,
    ) -> Result<(), StoreError> {
        let event_id = receipt.get("event_ids").and_then(|ids| ids.get(0)).and_then(Value::as_str);
        let (Ok(user), Some(Ok(event_id))) = (UserId::parse(user), event_id.map(EventId::parse)) else { return Ok(()) };
        if user.server() != *origin || room_rows::membership(tx, row.number, &user)?.as_deref() != Some("join") {
            return Ok(());
        }
        let data = receipt.get("data");
        let thread = match data.and_then(|data| data.get("thread_id")).and_then(Value::as_str) {
            None => "",
            Some(thread) if thread == "main" || EventId::parse(thread).is_ok() => thread,
            // C-S API, "Threaded read receipts".
            Some(_) => return Ok(()),
        };
        let at = data.and_then(|data| data.get("ts")).and_then(Value::as_i64).unwrap_or(0);
        let receipt = Receipt { user, receipt_type: "m.read".to_owned(), thread: thread.to_owned(), event_id, at };
        if self.is_older(tx, row.number, &receipt)? {
            return Ok(());
        }
        let position = streams::next(tx, Stream::Receipts)?;
        receipt_rows::set(tx, row.number, &receipt, position)?;
        let readers = room_rows::members_of_server(tx, row.number, "join", self.server_name())?;
        let notifier = self.notifier().clone();
        tx.after_commit(move || readers.iter().for_each(|reader| notifier.wake(reader)));
        Ok(())
    }

    /// Says whether a receipt was made before the one in its place: what we missed is told again while newer transactions come. Clocks
    /// may be ahead; one that was far ahead, and is no more, keeps no receipt out.
    fn is_older(&self, tx: &ReadTx<'_>, room: RoomNumber, receipt: &Receipt) -> Result<bool, StoreError> {
        let before = receipt_rows::find(tx, room, &receipt.user, &receipt.receipt_type, &receipt.thread)?;
        let now = self.handles().clock.now();
        Ok(before.is_some_and(|before| receipt.at < before.at && before.at <= now + CLOCK_AHEAD_MAX_MS))
    }

    /// Returns a room that is known here and whose ACL lets `origin` take part.
    fn open_room(&self, tx: &ReadTx<'_>, room_id: &RoomId, origin: &ServerName) -> Result<Option<RoomRow>, StoreError> {
        let Some(row) = room_rows::by_id(tx, room_id)? else { return Ok(None) };
        let acl = self.graph().server_acl(tx, row.number, row.version)?;
        Ok(acl.is_none_or(|acl| acl.allows(origin)).then_some(row))
    }
}

impl EduIntake for Messaging {
    fn handles(&self, edu_type: &str) -> bool {
        matches!(edu_type, "m.typing" | "m.receipt")
    }

    fn apply(&self, tx: &mut WriteTx<'_>, origin: &ServerName, edu: &Edu) -> Result<(), StoreError> {
        match edu.edu_type.as_str() {
            "m.typing" => self.apply_typing(tx, origin, &edu.content),
            "m.receipt" => self.apply_receipts(tx, origin, &edu.content),
            _ => Ok(()),
        }
    }
}

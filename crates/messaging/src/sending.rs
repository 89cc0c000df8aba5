//! Sending: messages, state, redactions.

use std::sync::Arc;

use events::{EventId, Object, RoomId, UserId, Value};
use pdu::{Beside, Draft};
use persistence::Position;
use persistence::transactions::rooms as room_rows;

use crate::limits::TRANSACTION_IDS_AGE_MAX;
use crate::{Messaging, MessagingError};

/// What makes a client's request the same one when it comes again. C-S API, "Transaction identifiers".
#[derive(Debug, Clone)]
pub struct ClientTransaction {
    /// The device that sends.
    pub device: String,
    /// The endpoint: an id counts for each by itself.
    pub scope: String,
    /// The client's id.
    pub id: String,
}

/// An event that was sent.
#[derive(Debug, Clone)]
pub struct SentEvent {
    /// Its id.
    pub event_id: EventId,
    /// Its position in the events stream; `None` if it had been sent before.
    pub position: Option<Position>,
}

impl Messaging {
    /// Sends a message event. A repeated transaction returns the first event.
    pub async fn send_message(
        &self,
        sender: &UserId,
        room_id: &RoomId,
        event_type: &str,
        content: Object,
        transaction: Option<ClientTransaction>,
    ) -> Result<SentEvent, MessagingError> {
        let redacts = content.get("redacts").and_then(Value::as_str).and_then(|id| EventId::parse(id).ok());
        let redacts = redacts.filter(|_| event_type == "m.room.redaction");
        let draft =
            Draft { sender: sender.clone(), event_type: event_type.to_owned(), state_key: None, content, redacts };
        self.send_draft(room_id, draft, transaction).await
    }

    /// Redacts an event.
    pub async fn redact(
        &self,
        sender: &UserId,
        room_id: &RoomId,
        target: &EventId,
        content: Object,
        transaction: Option<ClientTransaction>,
    ) -> Result<SentEvent, MessagingError> {
        let draft = Draft {
            sender: sender.clone(),
            event_type: "m.room.redaction".to_owned(),
            state_key: None,
            content,
            redacts: Some(target.clone()),
        };
        self.send_draft(room_id, draft, transaction).await
    }

    /// Sets a state event. Setting what is there already sends nothing and returns the event that is there.
    pub async fn set_state(
        &self,
        sender: &UserId,
        room_id: &RoomId,
        event_type: &str,
        state_key: &str,
        content: Object,
    ) -> Result<SentEvent, MessagingError> {
        self.joined_room(room_id, sender).await?;
        if event_type == "m.room.canonical_alias" {
            self.check_canonical_alias(room_id, &content).await?;
        }
        if let Some(same) = self.same_state(room_id, event_type, state_key, &content).await? {
            return Ok(SentEvent { event_id: same, position: None });
        }
        let draft = Draft {
            sender: sender.clone(),
            event_type: event_type.to_owned(),
            state_key: Some(state_key.to_owned()),
            content,
            redacts: None,
        };
        self.send_draft(room_id, draft, None).await
    }

    /// Returns the state event that is there, if it has this very content.
    async fn same_state(
        &self,
        room_id: &RoomId,
        event_type: &str,
        state_key: &str,
        content: &Object,
    ) -> Result<Option<EventId>, MessagingError> {
        let current = self.state_event(room_id, event_type, state_key).await?;
        Ok(current.filter(|pdu| pdu.content() == content).map(|pdu| pdu.event_id().clone()))
    }

    /// Returns a state event of the current state, as it may be shown.
    pub(crate) async fn state_event(
        &self,
        room_id: &RoomId,
        event_type: &str,
        state_key: &str,
    ) -> Result<Option<events::Pdu>, MessagingError> {
        let (id, event_type, state_key) = (room_id.clone(), event_type.to_owned(), state_key.to_owned());
        let pdu = self
            .database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(None) };
                let Some(event) = room_rows::current(tx, row.number, &event_type, &state_key)? else { return Ok(None) };
                persistence::transactions::events::load(tx, row.version, event)
            })
            .await?;
        Ok(pdu.map(|stored| stored.visible()))
    }

    pub(crate) async fn send_draft(
        &self,
        room_id: &RoomId,
        draft: Draft,
        transaction: Option<ClientTransaction>,
    ) -> Result<SentEvent, MessagingError> {
        let sender = draft.sender.clone();
        if let Some(transaction) = &transaction
            && let Some(event_id) = self.sent_before(&sender, transaction).await?
        {
            return Ok(SentEvent { event_id, position: None });
        }
        let room = self.joined_room(room_id, &sender).await?;
        let beside = transaction.clone().map(|transaction| self.remember(sender.clone(), transaction));
        let sent = self.graph().send(&room.room_id, vec![draft], beside).await;
        let sent = match (sent, &transaction) {
            (Ok(sent), _) => sent,
            (Err(error), None) => return Err(error.into()),
            // The same request may have come twice at once, and the other was faster.
            (Err(error), Some(transaction)) => {
                return match self.sent_before(&sender, transaction).await? {
                    Some(event_id) => Ok(SentEvent { event_id, position: None }),
                    None => Err(error.into()),
                };
            }
        };
        let sent = sent.into_iter().next().ok_or_else(|| MessagingError::Internal("nothing was sent".to_owned()))?;
        if self.typing().stopped(&room.room_id, &sender) {
            self.wake_readers(&room.room_id).await;
        }
        Ok(SentEvent { event_id: sent.pdu.event_id().clone(), position: Some(sent.position) })
    }

    async fn sent_before(
        &self,
        sender: &UserId,
        transaction: &ClientTransaction,
    ) -> Result<Option<EventId>, MessagingError> {
        let (sender, transaction) = (sender.clone(), transaction.clone());
        let before = self.database().read(move |tx| {
            room_rows::client_transaction(tx, &sender, &transaction.device, &transaction.scope, &transaction.id)
        });
        Ok(before.await?)
    }

    /// Remembers the transaction together with its event; fails the send if it was remembered meanwhile.
    fn remember(&self, sender: UserId, transaction: ClientTransaction) -> Beside {
        let now = self.handles().clock.now();
        let horizon = now - i64::try_from(TRANSACTION_IDS_AGE_MAX.as_millis()).unwrap_or(i64::MAX);
        Arc::new(move |tx, ids| {
            let ClientTransaction { device, scope, id } = &transaction;
            if room_rows::client_transaction(tx, &sender, device, scope, id)?.is_some() {
                return Err(persistence::StoreError::Inconsistent(format!("the transaction {id} was sent meanwhile")));
            }
            match ids.first() {
                Some(event) => {
                    room_rows::remember_client_transaction(tx, &sender, device, scope, id, event, now, horizon)
                }
                None => Ok(()),
            }
        })
    }
}

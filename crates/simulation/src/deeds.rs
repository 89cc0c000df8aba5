//! Has users do things, and remembers what they were told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::{EventId, Object, RoomId, ServerName, UserId, Value};
use messaging::membership::RoomRef;
use messaging::reading::Viewer;
use messaging::receipts::ReceiptType;
use messaging::{Messaging, MessagingError};
use persistence::StoreError;
use persistence::transactions::{events as event_rows, graph as graph_rows, rooms as room_rows};
use serde_json::json;

use crate::plan::{Deed, User};

/// How long somebody types who says no more of it.
const TYPES_FOR: Duration = Duration::from_secs(30);

/// What users were told that they have done.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Acknowledged>>>);

/// An event that a user was told is sent.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) user: User,
    pub(crate) room: RoomId,
    pub(crate) event: EventId,
    /// How often the server had gone on with a backup by then.
    pub(crate) restored: usize,
}

impl Ledger {
    pub(crate) fn note(&self, user: User, room: &RoomId, event: EventId, restored: usize) {
        self.lock().push(Acknowledged { user, room: room.clone(), event, restored });
    }

    /// What was acknowledged in a room.
    pub(crate) fn of(&self, room: &RoomId) -> Vec<Acknowledged> {
        self.lock().iter().filter(|sent| sent.room == *room).cloned().collect()
    }

    fn last_of(&self, user: User, room: &RoomId) -> Option<EventId> {
        let log = self.lock();
        log.iter().rev().find(|sent| sent.user == user && sent.room == *room).map(|sent| sent.event.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Acknowledged>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a server of a simulation.
pub(crate) fn server_name(number: usize) -> ServerName {
    ServerName::parse(format!("s{number}.test")).expect("it follows the grammar")
}

/// A user of a simulation.
pub(crate) fn user_id(user: User) -> UserId {
    UserId::parse(user.to_string()).expect("it follows the grammar")
}

/// A user who does something in a room.
pub(crate) struct Actor {
    pub(crate) user: User,
    pub(crate) room: RoomId,
    /// Whose members a room with restricted joins lets in.
    pub(crate) hall: RoomId,
    pub(crate) messaging: Messaging,
    pub(crate) ledger: Ledger,
}

impl Actor {
    /// Does it. Returns the new event, where the user is told which.
    pub(crate) async fn perform(&self, deed: &Deed, number: usize) -> Result<Option<EventId>, MessagingError> {
        let (messaging, room, me) = (&self.messaging, &self.room, user_id(self.user));
        let nothing = Object::new;
        match deed {
            Deed::Say => self.say(&format!("message {number}")).await.map(Some),
            Deed::Topic => {
                let content = object(&json!({ "topic": format!("topic {number}") }));
                self.set_state("m.room.topic", content).await
            }
            Deed::Redact => match self.ledger.last_of(self.user, room) {
                Some(target) => {
                    let sent = messaging.redact(&me, room, &target, nothing(), None).await?;
                    Ok(Some(sent.event_id))
                }
                None => Err(MessagingError::NotFound("they have sent nothing".to_owned())),
            },
            Deed::Join(via) => {
                messaging.join(&me, &RoomRef::Id(room.clone()), &[server_name(*via)], nothing()).await?;
                Ok(None)
            }
            Deed::Leave => messaging.leave(&me, room, nothing()).await.map(|()| None),
            Deed::Knock(via) => {
                messaging.knock(&me, &RoomRef::Id(room.clone()), &[server_name(*via)], nothing()).await?;
                Ok(None)
            }
            Deed::Invite(user) => messaging.invite(&me, room, &user_id(*user), nothing()).await.map(|()| None),
            Deed::Kick(user) => messaging.kick(&me, room, &user_id(*user), nothing()).await.map(|()| None),
            Deed::Ban(user) => messaging.ban(&me, room, &user_id(*user), nothing()).await.map(|()| None),
            Deed::Unban(user) => messaging.unban(&me, room, &user_id(*user), nothing()).await.map(|()| None),
            Deed::Power(user, level) => self.give_power(*user, *level).await,
            Deed::JoinRule(rule) => self.set_state("m.room.join_rules", join_rule(rule, &self.hall)).await,
            Deed::Read => self.read().await.map(|()| None),
            Deed::Type => messaging.set_typing(&me, room, Some(TYPES_FOR)).await.map(|()| None),
        }
    }

    pub(crate) async fn say(&self, text: &str) -> Result<EventId, MessagingError> {
        let content = object(&json!({ "msgtype": "m.text", "body": text }));
        let me = user_id(self.user);
        let sent = self.messaging.send_message(&me, &self.room, "m.room.message", content, None).await?;
        Ok(sent.event_id)
    }

    /// Says that they have read the last event that their server has.
    async fn read(&self) -> Result<(), MessagingError> {
        let room = self.room.clone();
        let last = self.messaging.database().read(move |tx| {
            let Some(row) = room_rows::by_id(tx, &room)? else { return Ok(None) };
            let last = graph_rows::extremities(tx, row.number)?.into_iter().max();
            last.map(|event| event_rows::id(tx, event)).transpose()
        });
        match last.await.map_err(|error: StoreError| MessagingError::from(error))? {
            Some(event) => self.read_up_to(&event).await,
            None => Err(MessagingError::NotFound("there is nothing to read".to_owned())),
        }
    }

    /// Says that they have read up to this event.
    pub(crate) async fn read_up_to(&self, event: &EventId) -> Result<(), MessagingError> {
        let me = user_id(self.user);
        self.messaging.send_receipt(&me, &self.room, ReceiptType::Read, event, None).await
    }

    /// What is there already is sent by nobody.
    async fn set_state(&self, event_type: &str, content: Object) -> Result<Option<EventId>, MessagingError> {
        let me = user_id(self.user);
        let sent = self.messaging.set_state(&me, &self.room, event_type, "", content).await?;
        Ok(sent.position.map(|_| sent.event_id))
    }

    async fn give_power(&self, user: User, level: i64) -> Result<Option<EventId>, MessagingError> {
        let viewer = Viewer { user: user_id(self.user), device: "SIMULATED".to_owned() };
        let levels = self.messaging.room_state_event(&viewer, &self.room, "m.room.power_levels", "").await?;
        let mut content = object(&levels["content"]);
        let users = content.entry("users".to_owned()).or_insert_with(|| json!({}));
        if let Some(users) = users.as_object_mut() {
            users.insert(user.to_string(), json!(level));
        }
        self.set_state("m.room.power_levels", content).await
    }
}

/// The content of a join rule. Those with conditions let in the members of `hall`.
pub(crate) fn join_rule(rule: &str, hall: &RoomId) -> Object {
    match rule {
        "restricted" | "knock_restricted" => object(&json!({
            "join_rule": rule, "allow": [{ "type": "m.room_membership", "room_id": hall }],
        })),
        _ => object(&json!({ "join_rule": rule })),
    }
}

fn object(value: &Value) -> Object {
    value.as_object().cloned().unwrap_or_default()
}

//! Rooms that a user of ours is in by what we know, while the others count them out.
//!
//! Whoever removes a user tells their server, and tells it again when the user goes on to speak (`removed`). It may not be able to place
//! that. It was off for long, and who is not in a room any more is given nothing of it (S2S API, `GET /state_ids`): the room between
//! what it knows and the removal cannot be had. Or somebody has let the user in anew with a state from before the removal, which is
//! known from an earlier stay and was told by nobody in this one. Its users would talk to themselves for ever.
//!
//! Or it came when its sender was out of the room, and was soft-failed.
//!
//! So when an event removes a user of ours, and they are still in a while later, the others are asked how they would leave. If most of
//! the room say that there is nothing to leave, and by what we know its sender may remove them, or might when they did, they leave, with
//! what removed them as the reason. One server alone cannot bring that about, and somebody without the power to remove them cannot, either. Whoever counts
//! them in is asked where the room is: they may know by what they are in. This is kept in memory only: who counts them out after a
//! restart tells us again.

use events::auth::{AuthEvent, check_state};
use events::{EventId, Object, Pdu, RoomId, ServerName, UserId};
use futures_util::StreamExt;
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, staging};
use persistence::{EventNumber, ReadTx, StoreError};
use serde_json::json;
use transport::questions::Handshake;

use crate::fetch::Effort;
use crate::graph::Graph;
use crate::join::JoinError;
use crate::limits::{COUNTED_OUT_SERVERS_MAX, LEAVE_TIME_MAX, REMOVAL_REASON_MAX, SINGLE_EVENTS_AT_ONCE};
use crate::room::View;
use crate::send::{Draft, SendError};
use crate::serve::auth_chain;

/// The event that removed a user of ours from a room.
pub(crate) type Removal = (RoomId, EventId);

/// A removal that does not count here.
struct Uncounted {
    row: RoomRow,
    removal: Pdu,
    /// It has its place, and was allowed there.
    was_allowed: bool,
    user: UserId,
    /// By which they are in.
    join: EventNumber,
    /// Who else is in the room, as far as they are asked.
    others: Vec<ServerName>,
}

/// What a server says of a user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    In,
    Out,
    Nothing,
}

impl Graph {
    /// `server` tells of an event that removes a user of ours from a room that we are in.
    pub(crate) fn note_counted_out(&self, room: &RoomId, removal: &EventId, server: &ServerName) {
        self.counted_out().note(server, &(room.clone(), removal.clone()), self.handles().clock.now());
    }

    /// Starts the task that leaves rooms in which nobody hears us.
    pub(crate) fn start_leaving_unheard(&self) {
        let graph = self.clone();
        self.handles().tasks.spawn("leaving unheard", async move {
            let clock = &*graph.handles().clock;
            loop {
                let (_, (room, removal)) = graph.counted_out().next(clock).await;
                if let Err(error) = graph.leave_if_removed(&room, &removal).await {
                    tracing::error!(room.id = %room, "It is not found out now whether {removal} counts, since the database failed: {error}");
                }
            }
        });
    }

    async fn leave_if_removed(&self, room: &RoomId, removal: &EventId) -> Result<(), StoreError> {
        let Some(uncounted) = self.uncounted(room, removal).await? else { return Ok(()) };
        let Uncounted { row, removal, was_allowed, user, join, others } = &uncounted;
        if !was_allowed && !self.may_remove_by_what_we_know(room, removal).await? {
            return Ok(());
        }
        let effort = Effort::new(self.handles(), LEAVE_TIME_MAX);
        let ask = |server: ServerName| {
            let effort = &effort;
            async move {
                let says = effort.within(self.does_count_in(room, user, &server)).await;
                (server, says.unwrap_or(Says::Nothing))
            }
        };
        let asked = futures_util::stream::iter(others.iter().cloned().map(ask));
        let said: Vec<(ServerName, Says)> = asked.buffered(SINGLE_EVENTS_AT_ONCE).collect().await;
        if 2 * said.iter().filter(|(_, says)| *says == Says::Out).count() > others.len() {
            return self.leave_unheard(row, user, *join, removal).await;
        }
        for (server, _) in said.iter().filter(|(_, says)| *says == Says::In) {
            self.hear_from(server, room, user).await?;
        }
        Ok(())
    }

    /// `None` if the removal counts here, or whoever it removed has come back since.
    async fn uncounted(&self, room: &RoomId, removal: &EventId) -> Result<Option<Uncounted>, StoreError> {
        let (us, id, removal, graph) = (self.server_name().clone(), room.clone(), removal.clone(), self.clone());
        let found = self
            .database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &id)? else { return Ok(None) };
                let Some(removal) = find(tx, &row, &removal)? else { return Ok(None) };
                let user = removal.state_key().and_then(|key| UserId::parse(key).ok());
                let Some(user) = user.filter(|user| user.server() == us) else { return Ok(None) };
                let Some(join) = join_of(tx, &row, &user)? else { return Ok(None) };
                let mut was_allowed = false;
                if let Some(removal) = event_rows::number(tx, row.number, removal.event_id())? {
                    if auth_chain(tx, &[join])?.contains(&removal) {
                        return Ok(None);
                    }
                    let place = graph_rows::place(tx, removal)?;
                    was_allowed = place.is_some_and(|place| place.outcome != Outcome::Rejected);
                }
                let acl = graph.server_acl(tx, row.number, row.version)?;
                let mut others = room_rows::servers(tx, row.number)?;
                others.retain(|server| *server != us && acl.as_ref().is_none_or(|acl| acl.allows(server)));
                Ok::<_, StoreError>(Some(Uncounted { row, removal, was_allowed, user, join, others }))
            })
            .await?;
        Ok(found.map(|mut found| {
            // Of many some are asked, and others next time.
            let first = self.handles().random.below(found.others.len().max(1) as u64);
            found.others.rotate_left(usize::try_from(first).unwrap_or(0));
            found.others.truncate(COUNTED_OUT_SERVERS_MAX);
            found
        }))
    }

    async fn may_remove_by_what_we_know(&self, room: &RoomId, removal: &Pdu) -> Result<bool, StoreError> {
        let turn = self.turn(room).await?;
        let Some(room) = turn.as_ref().and_then(|turn| turn.room()) else { return Ok(false) };
        let Some(current) = &room.current else { return Ok(false) };
        Ok(check_state(&AuthEvent::new(removal), &View { graph: &room.graph, map: &current.map }).is_ok())
    }

    async fn does_count_in(&self, room: &RoomId, user: &UserId, server: &ServerName) -> Says {
        match self.take_template(Handshake::Leave, room, user, &Object::new(), server).await {
            Ok(_) => Says::In,
            // S2S API, `GET /make_leave`: "This could mean that the user is not in the room."
            Err(JoinError::Refused { status: 403, .. }) => Says::Out,
            Err(_) => Says::Nothing,
        }
    }

    /// A user of ours leaves, unless they came in anew while others were asked.
    async fn leave_unheard(
        &self,
        row: &RoomRow,
        user: &UserId,
        join: EventNumber,
        removal: &Pdu,
    ) -> Result<(), StoreError> {
        let (owned, who) = (row.clone(), user.clone());
        if self.database().read(move |tx| join_of(tx, &owned, &who)).await? != Some(join) {
            return Ok(());
        }
        let leave = Draft {
            sender: user.clone(),
            event_type: "m.room.member".to_owned(),
            state_key: Some(user.to_string()),
            content: Object::from_iter([
                ("membership".to_owned(), json!("leave")),
                ("reason".to_owned(), json!(reason(removal, user))),
            ]),
            redacts: None,
        };
        match self.send(&row.room_id, vec![leave], None).await {
            Ok(_) => {
                tracing::info!(room.id = %row.room_id, event.id = %removal.event_id(), "{user} has left {}: the others count them out since {}, which cannot be placed", row.room_id, removal.event_id());
                Ok(())
            }
            Err(SendError::Store(error)) => Err(error),
            Err(error) => {
                tracing::info!(room.id = %row.room_id, "{user} cannot leave {}, where the others count them out: {error}", row.room_id);
                Ok(())
            }
        }
    }
}

/// An event that is stored, or waits for what it refers to.
fn find(tx: &ReadTx<'_>, row: &RoomRow, id: &EventId) -> Result<Option<Pdu>, StoreError> {
    if let Some(staged) = staging::find(tx, row.number, row.version, id)? {
        return Ok(Some(staged.pdu));
    }
    let Some(event) = event_rows::number(tx, row.number, id)? else { return Ok(None) };
    Ok(event_rows::load(tx, row.version, event)?.map(|stored| stored.pdu))
}

/// The event by which a user is in the room.
fn join_of(tx: &ReadTx<'_>, row: &RoomRow, user: &UserId) -> Result<Option<EventNumber>, StoreError> {
    match room_rows::membership(tx, row.number, user)?.as_deref() {
        Some("join") => room_rows::current(tx, row.number, "m.room.member", user.as_str()),
        _ => Ok(None),
    }
}

/// What the user reads.
fn reason(removal: &Pdu, user: &UserId) -> String {
    if removal.sender() == user {
        return "you have left, which this server does not know any more".to_owned();
    }
    let done = if removal.membership() == Some("ban") { "banned" } else { "removed" };
    let reason = removal.content().get("reason").and_then(|reason| reason.as_str());
    let short = |reason: &str| reason.chars().take(REMOVAL_REASON_MAX).collect::<String>();
    let reason = reason.map(|reason| format!(": {}", short(reason))).unwrap_or_default();
    format!("{done} by {}{reason}", removal.sender())
}

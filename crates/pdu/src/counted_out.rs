//! Rooms that a user of ours is in by what we know, while the others count them out.
//!
//! Whoever removes a user tells their server, and tells it again when the user goes on to speak (`removed`). It may not be able to place
//! that. It was off for long, and who is not in a room any more is given nothing of it (S2S API, `GET /state_ids`): the room between
//! what it knows and the removal cannot be had. Or somebody has let the user in anew with a state from before the removal, which is
//! known from an earlier stay and was told by nobody in this one. Or it came when its sender was out of the room, and was soft-failed;
//! or the others have soft-failed what the user came in by since. The user would talk to themselves for ever.
//!
//! So when an event removes a user of ours, and they are still in a while later, the others are asked how they would leave. If most of
//! the room say that there is nothing to leave, they leave, with what removed them as the reason. One server alone cannot bring that
//! about, and nobody by an event that is not allowed by what we know; of one that cites what cannot be had more have to say so. Whoever
//! counts them in is asked where the room is: they may know by what they are in. This is kept in memory only: who counts them out after
//! a restart tells us again.

use events::auth::{AuthEvent, check_state};
use events::{EventId, Object, Pdu, RoomId, ServerName, UserId};
use futures_util::StreamExt;
use persistence::transactions::graph::{self as graph_rows, Outcome};
use persistence::transactions::rooms::{self as room_rows, RoomRow};
use persistence::transactions::{events as event_rows, staging};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError};
use serde_json::json;
use transport::questions::Handshake;

use crate::fetch::Effort;
use crate::graph::Graph;
use crate::join::{JoinError, join_of};
use crate::limits::{COUNTED_OUT_SERVERS_MAX, LEAVE_TIME_MAX, REMOVAL_REASON_MAX, SINGLE_EVENTS_AT_ONCE};
use crate::partial::with_cited_members;
use crate::room::View;
use crate::send::{Draft, SendError};
use crate::serve::{auth_chain, has_body};
use crate::waiting::is_placed;

/// An event that removes a user of ours from a room.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Removal {
    room: RoomId,
    event: EventId,
    /// It had its place when it came, or is told by another server than that which made it: whoever tells it so does not count what the
    /// user came in by since. Else it may just be late.
    is_told_again: bool,
}

/// A removal that does not count here.
struct Uncounted {
    row: RoomRow,
    removal: Pdu,
    allowed: Allowed,
    user: UserId,
    /// By which they are in.
    join: EventNumber,
    /// Who else is in the room, as far as they are asked.
    others: Vec<ServerName>,
}

/// Whether a removal is allowed by what we know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Yes,
    No,
    /// It cites what we do not have.
    Unknown,
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
    pub(crate) async fn note_counted_out(
        &self,
        (room, number): (&RoomId, RoomNumber),
        event: &Pdu,
        server: &ServerName,
    ) -> Result<(), StoreError> {
        let id = event.event_id().clone();
        let is_told_again =
            event.sender().server() != *server || self.database().read(move |tx| is_placed(tx, number, &id)).await?;
        let removal = Removal { room: room.clone(), event: event.event_id().clone(), is_told_again };
        self.counted_out().note(server, &removal, self.handles().clock.now());
        Ok(())
    }

    /// Starts the task that leaves rooms in which nobody hears us.
    pub(crate) fn start_leaving_unheard(&self) {
        let graph = self.clone();
        self.handles().tasks.spawn("leaving unheard", async move {
            let clock = &*graph.handles().clock;
            loop {
                let (_, removal) = graph.counted_out().next(clock).await;
                if let Err(error) = graph.leave_if_removed(&removal).await {
                    let Removal { room, event, .. } = removal;
                    tracing::error!(room.id = %room, "It is not found out now whether {event} counts, since the database failed: {error}");
                }
            }
        });
    }

    async fn leave_if_removed(&self, removal: &Removal) -> Result<(), StoreError> {
        let Some(uncounted) = self.uncounted(removal).await? else { return Ok(()) };
        let Uncounted { row, removal, allowed, user, join, others } = &uncounted;
        let room = &row.room_id;
        let allowed = match allowed {
            Allowed::No if self.is_allowed_now(room, removal).await? => Allowed::Yes,
            Allowed::Yes | Allowed::No | Allowed::Unknown => *allowed,
        };
        // How many of so many have to say so, for each that is asked.
        let (parts, of) = match allowed {
            Allowed::Yes => (1, 2),
            Allowed::Unknown => (2, 3),
            Allowed::No => return Ok(()),
        };
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
        if of * said.iter().filter(|(_, says)| *says == Says::Out).count() > parts * others.len() {
            return self.leave_unheard(row, user, *join, removal).await;
        }
        for (server, _) in said.iter().filter(|(_, says)| *says == Says::In) {
            self.hear_from(server, room, user).await?;
        }
        Ok(())
    }

    /// `None` if the removal counts here, or whoever it removed has come back since.
    async fn uncounted(&self, removal: &Removal) -> Result<Option<Uncounted>, StoreError> {
        let Removal { room, event, is_told_again } = removal.clone();
        let (us, graph) = (self.server_name().clone(), self.clone());
        let found = self
            .database()
            .read(move |tx| {
                let Some(row) = room_rows::by_id(tx, &room)? else { return Ok(None) };
                let Some(removal) = find(tx, &row, &event)? else { return Ok(None) };
                let user = removal.state_key().and_then(|key| UserId::parse(key).ok());
                let Some(user) = user.filter(|user| user.server() == us) else { return Ok(None) };
                let Some(join) = join_of(tx, row.number, &user)? else { return Ok(None) };
                if !is_told_again && is_before(tx, row.number, &event, join)? {
                    return Ok(None);
                }
                let allowed = was_allowed(tx, row.number, &removal)?;
                let acl = graph.server_acl(tx, row.number, row.version)?;
                let mut others = room_rows::servers(tx, row.number)?;
                others.retain(|server| *server != us && acl.as_ref().is_none_or(|acl| acl.allows(server)));
                Ok::<_, StoreError>(Some(Uncounted { row, removal, allowed, user, join, others }))
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

    async fn is_allowed_now(&self, room: &RoomId, removal: &Pdu) -> Result<bool, StoreError> {
        let turn = self.turn(room).await?;
        let Some(room) = turn.as_ref().and_then(|turn| turn.room()) else { return Ok(false) };
        let Some(current) = &room.current else { return Ok(false) };
        let event = AuthEvent::new(removal);
        let with_cited = with_cited_members(room, &event, &current.map);
        let map = with_cited.as_ref().unwrap_or(&current.map);
        Ok(check_state(&event, &View { graph: &room.graph, map }).is_ok())
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
        let (number, who) = (row.number, user.clone());
        if self.database().read(move |tx| join_of(tx, number, &who)).await? != Some(join) {
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
                tracing::info!(room.id = %row.room_id, event.id = %removal.event_id(), "{user} has left {}: the others count them out since {}, which does not count here", row.room_id, removal.event_id());
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

/// Whether a user came in knowing of `removal`: it is before their join, which is allowed all the same.
fn is_before(tx: &ReadTx<'_>, room: RoomNumber, removal: &EventId, join: EventNumber) -> Result<bool, StoreError> {
    match event_rows::number(tx, room, removal)? {
        Some(removal) => Ok(auth_chain(tx, &[join])?.contains(&removal)),
        None => Ok(false),
    }
}

/// Whether a removal was allowed where it has its place. `No` where it has none, and all that it cites is here.
fn was_allowed(tx: &ReadTx<'_>, room: RoomNumber, removal: &Pdu) -> Result<Allowed, StoreError> {
    if let Some(event) = event_rows::number(tx, room, removal.event_id())?
        && let Some(place) = graph_rows::place(tx, event)?
    {
        return Ok(if place.outcome == Outcome::Rejected { Allowed::No } else { Allowed::Yes });
    }
    for cited in removal.auth_events() {
        if !has_body(tx, room, cited)? {
            return Ok(Allowed::Unknown);
        }
    }
    Ok(Allowed::No)
}

/// What the user reads.
fn reason(removal: &Pdu, user: &UserId) -> String {
    if removal.sender() == user {
        return "you have left, by what the other servers in the room know".to_owned();
    }
    let done = if removal.membership() == Some("ban") { "banned" } else { "removed" };
    let reason = removal.content().get("reason").and_then(|reason| reason.as_str());
    let short = |reason: &str| reason.chars().take(REMOVAL_REASON_MAX).collect::<String>();
    let reason = reason.map(|reason| format!(": {}", short(reason))).unwrap_or_default();
    format!("{done} by {}{reason}", removal.sender())
}

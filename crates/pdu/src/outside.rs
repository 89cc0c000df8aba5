//! How users of ours stand to rooms that nobody here is in: invited, waiting after a knock, or out again.
//!
//! Nothing but an event from outside tells that, and there is no state to judge it by.

use events::{Pdu, ServerName, UserId, Value};
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{events as event_rows, rooms as room_rows};
use persistence::{EventNumber, ReadTx, RoomNumber, StoreError, WriteTx};

use crate::graph::Graph;

/// How a user of ours stands to a room that we are not in.
pub(crate) struct Outside {
    /// `invite`, `knock`, `leave` or `ban`.
    pub(crate) membership: &'static str,
    pub(crate) event: OutsideEvent,
    /// What an invite or a knock tells of the room.
    pub(crate) stripped: Option<Vec<Value>>,
    /// The server that a knock went through, or an invite came from. It is the one to ask when the knock is taken back or the invite
    /// refused.
    pub(crate) via: Option<ServerName>,
}

impl Outside {
    /// Says whether its event has been here before.
    pub(crate) fn is_known(&self, tx: &ReadTx<'_>, room: RoomNumber) -> Result<bool, StoreError> {
        let OutsideEvent::New(pdu) = &self.event else { return Ok(true) };
        let Some(event) = event_rows::number(tx, room, pdu.event_id())? else { return Ok(false) };
        Ok(event_rows::condition(tx, event)?.is_some())
    }
}

/// The event that says so.
pub(crate) enum OutsideEvent {
    /// It is not stored yet.
    New(Pdu),
    /// It is stored already.
    Known(EventNumber),
}

/// An invite or a knock of a user of ours that somebody in the room has ended.
pub(crate) struct Withdrawal {
    user: UserId,
    membership: &'static str,
    pdu: Pdu,
}

impl Graph {
    /// Says how a user of ours stands to a room that we are not in.
    pub(crate) async fn set_outside_standing(
        &self,
        room: RoomNumber,
        user: &UserId,
        outside: Outside,
    ) -> Result<(), StoreError> {
        let (graph, user) = (self.clone(), user.clone());
        self.database().write(move |tx| graph.write_outside_standing(tx, room, &user, &outside)).await
    }

    pub(crate) fn write_outside_standing(
        &self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        user: &UserId,
        outside: &Outside,
    ) -> Result<(), StoreError> {
        let event = match &outside.event {
            OutsideEvent::New(pdu) => event_rows::store(tx, room, pdu, false)?,
            OutsideEvent::Known(event) => *event,
        };
        let position = streams::next(tx, Stream::Events)?;
        let stripped = outside.stripped.clone().map(|stripped| Value::Array(stripped).to_string());
        room_rows::set_standing(tx, user, room, outside.membership, event, position, stripped.as_deref())?;
        if let Some(via) = &outside.via {
            room_rows::set_via(tx, user, room, via)?;
        }
        let is_out = matches!(outside.membership, "leave" | "ban");
        let (graph, user) = (self.clone(), user.clone());
        tx.after_commit(move || {
            graph.newest().send_modify(|commits| *commits += 1);
            graph.notifier().wake(&user);
            if is_out {
                graph.purger().look_after(user);
            }
        });
        Ok(())
    }

    /// Ends invites and knocks, if they still stand.
    pub(crate) fn apply_withdrawals(
        &self,
        tx: &mut WriteTx<'_>,
        withdrawals: Vec<(RoomNumber, Withdrawal)>,
    ) -> Result<(), StoreError> {
        for (room, withdrawal) in withdrawals {
            if ends_what_stands(tx, room, &withdrawal)? {
                let Withdrawal { user, membership, pdu } = withdrawal;
                let outside = Outside { membership, event: OutsideEvent::New(pdu), stripped: None, via: None };
                self.write_outside_standing(tx, room, &user, &outside)?;
            }
        }
        Ok(())
    }
}

impl Withdrawal {
    /// Reads a checked event of a room that we are not in. `None` if it takes nothing from a user of ours.
    pub(crate) fn of(pdu: &Pdu, us: &ServerName) -> Option<Self> {
        let membership = match pdu.membership()? {
            "leave" => "leave",
            "ban" => "ban",
            _ => return None,
        };
        let user = UserId::parse(pdu.state_key()?).ok().filter(|user| user.server() == *us)?;
        Some(Self { user, membership, pdu: pdu.clone() })
    }
}

/// Says whether the event follows the invite or the knock that stands.
///
/// The specification does not say how an invited server learns that an invite was withdrawn; Synapse sends it the event, which
/// cannot be judged without the room's state. So it must cite the very invite or knock among its auth events: whoever does not
/// know that cannot end it.
fn ends_what_stands(tx: &ReadTx<'_>, room: RoomNumber, withdrawal: &Withdrawal) -> Result<bool, StoreError> {
    let Some(standing) = room_rows::standing_in(tx, &withdrawal.user, room)? else { return Ok(false) };
    if !matches!(standing.membership.as_str(), "invite" | "knock") {
        return Ok(false);
    }
    let stands = event_rows::id(tx, standing.event)?;
    Ok(withdrawal.pdu.auth_events().contains(&stands))
}

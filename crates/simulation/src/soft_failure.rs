//! Who was not in the room any more is not heard. S2S API, "Soft failure": an event is also judged by the current state.

use std::collections::BTreeMap;

use events::UserId;
use persistence::transactions::graph::{Outcome, Place};
use persistence::transactions::rooms::RoomRow;
use persistence::transactions::{events as event_rows, news};
use persistence::{Position, ReadTx, StoreError};

/// Says which events a server took for news though their sender was not in the room by what it knew then.
///
/// What changed a state is noted with the position of the last event of its commit, so that somebody who comes and speaks in one
/// commit seems to come after they speak: who comes next after an event may send it.
pub(crate) fn let_through(tx: &ReadTx<'_>, room: &RoomRow, places: &[Place]) -> Result<Vec<String>, StoreError> {
    let mut standings: BTreeMap<String, Vec<(Position, bool)>> = BTreeMap::new();
    for change in news::state_changes(tx, room.number, Position(0), Position(i64::MAX))? {
        if change.event_type == "m.room.member" {
            let membership = change.event.map(|event| event_rows::membership(tx, event)).transpose()?.flatten();
            standings
                .entry(change.state_key)
                .or_default()
                .push((change.position, membership.as_deref() == Some("join")));
        }
    }
    let was_in = |sender: &UserId, at: Position| {
        let of = standings.get(sender.as_str()).map_or(&[][..], Vec::as_slice);
        let (before, after) = of.split_at(of.partition_point(|(position, _)| *position < at));
        before.last().is_some_and(|(_, joined)| *joined) || after.first().is_some_and(|(_, joined)| *joined)
    };
    let mut let_through = Vec::new();
    for place in places.iter().filter(|place| place.outcome == Outcome::Accepted) {
        let Some(arrival) = place.arrival else { continue };
        let Some(stored) = event_rows::load(tx, room.version, place.event)? else { continue };
        let (pdu, sender) = (&stored.pdu, stored.pdu.sender());
        if pdu.membership().is_none() && pdu.event_type() != "m.room.create" && !was_in(sender, arrival) {
            let_through.push(format!("takes {} for news, and {sender} was not in the room then", pdu.event_id()));
        }
    }
    Ok(let_through)
}

//! Who was not in the room any more is not heard. S2S API, "Soft failure": an event is also judged by the current state.

use std::collections::{BTreeMap, BTreeSet};

use persistence::transactions::graph::{Outcome, Place};
use persistence::transactions::rooms::RoomRow;
use persistence::transactions::{events as event_rows, news};
use persistence::{Position, ReadTx, StoreError};

use crate::second_opinion::verdict;

/// Says which events a server took for news though their sender was not in the room by what it knew then.
///
/// What changed a state is noted with the position of the last event of its commit, and only what came of all of them: somebody may
/// come, speak and leave in one, or be in the room again for a moment where forks meet. So a join that has arrived since their standing
/// last changed counts, too; of those whose standing changes with the commit nothing can be told, and nothing of what follows another
/// event in the same commit: what the forks made of each other in between is noted nowhere (seed 982869, where a ban lost to the power
/// that the other fork gave, for one message).
pub(crate) fn let_through(tx: &ReadTx<'_>, room: &RoomRow, places: &[Place]) -> Result<Vec<String>, StoreError> {
    let mut standings: BTreeMap<String, Vec<(Position, bool)>> = BTreeMap::new();
    let mut changed_at = BTreeSet::new();
    for change in news::state_changes(tx, room.number, Position(0), Position(i64::MAX))? {
        changed_at.insert(change.position);
        if change.event_type == "m.room.member" {
            let membership = change.event.map(|event| event_rows::membership(tx, event)).transpose()?.flatten();
            standings
                .entry(change.state_key)
                .or_default()
                .push((change.position, membership.as_deref() == Some("join")));
        }
    }
    let mut joins: BTreeMap<String, Position> = BTreeMap::new();
    let mut let_through = Vec::new();
    let mut arrived: Vec<(Position, &Place)> = places
        .iter()
        .filter(|place| place.outcome == Outcome::Accepted)
        .filter_map(|place| Some((place.arrival?, place)))
        .collect();
    arrived.sort_by_key(|(arrival, _)| *arrival);
    let mut decided_before = None;
    for (arrival, place) in arrived {
        let decided_at = verdict(tx, place)?.map(|verdict| verdict.decided_at);
        let is_first = decided_at != std::mem::replace(&mut decided_before, decided_at);
        let Some(stored) = event_rows::load(tx, room.version, place.event)? else { continue };
        let (pdu, sender) = (&stored.pdu, stored.pdu.sender());
        if pdu.membership() == Some("join") {
            joins.insert(sender.to_string(), arrival);
        }
        let of = standings.get(sender.as_str()).map_or(&[][..], Vec::as_slice);
        let (before, after) = of.split_at(of.partition_point(|(position, _)| *position < arrival));
        let changes_too = after.first().is_some_and(|(at, _)| changed_at.range(arrival..).next() == Some(at));
        let came_since = |changed: Position| joins.get(sender.as_str()).is_some_and(|join| *join > changed);
        // Of whom nothing was known the room was partial, and their own word counted. Else their events would be rejected.
        let was_in =
            !is_first || before.last().is_none_or(|(changed, joined)| *joined || changes_too || came_since(*changed));
        if pdu.membership().is_none() && pdu.event_type() != "m.room.create" && !was_in {
            let_through.push(format!("takes {} for news, and {sender} was not in the room then", pdu.event_id()));
        }
    }
    Ok(let_through)
}

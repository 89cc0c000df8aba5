//! Judges events before they are acknowledged, where nothing stands in the way.
//!
//! Most events build on what we have, in a room that nobody else advances just then. They are judged while the origin waits, and are
//! written by the transaction that stores its answer: one commit does for both, and our users have them when the origin has its
//! answer. All else is staged in that transaction, and judged when its turn has come. What it takes to judge is bounded, as for staged
//! events; nothing is fetched. Whoever has the room's turn, and what is staged, is waited for a moment only: else an origin that was
//! ahead of us once, and so has its events staged, would stay so.

use std::collections::BTreeSet;
use std::time::Duration;

use events::{EventId, Pdu};
use persistence::transactions::rooms as room_rows;
use persistence::{ReadTx, RoomNumber, StoreError, WriteTx};

use crate::before_us::are_of_earlier_stay;
use crate::commit::{Batch, CommitError, Entry};
use crate::graph::{Graph, RoomTurn};
use crate::judge::Surroundings;
use crate::limits::{AT_ONCE_PATIENCE, BATCH_EVENTS_MAX, EXTREMITIES_MAX};
use crate::receive::{BatchError, JudgedBatch};
use crate::room::{Head, Room};
use crate::sorting::{Sorted, sort};
use crate::surroundings::surroundings;
use crate::workers::Queue;

/// Judged events of one room, with the room's turn. Nothing changes if it is dropped: the room is loaded again at its next turn.
pub(crate) struct AtOnce {
    turn: RoomTurn,
    judged: JudgedBatch,
    batch: Batch,
}

impl Graph {
    /// Judges those events of a queue that can be judged now, or in a moment. `None`: none can.
    ///
    /// Whoever `holds` the turns of other rooms waits for nobody, and resolves no forks: whoever waits for those rooms would wait, too.
    pub(crate) async fn judge_at_once(
        &self,
        queue: &Queue,
        pdus: Vec<Pdu>,
        holds: &[AtOnce],
    ) -> Result<Option<AtOnce>, StoreError> {
        if pdus.is_empty() || pdus.len() > BATCH_EVENTS_MAX {
            return Ok(None);
        }
        let (number, origin) = queue;
        let patience = if holds.is_empty() { AT_ONCE_PATIENCE } else { Duration::ZERO };
        let Some((mut guard, mut room)) = self.room_if_free(queue, patience).await else { return Ok(None) };
        // Whoever judges them later looks after what the room lacks, and joins its extremities.
        if room.lacks_something() || room.heads.len() > EXTREMITIES_MAX {
            *guard = Some(room);
            return Ok(None);
        }
        let (number, now) = (*number, self.handles().clock.now());
        let look = move |room: &mut Room, tx: &ReadTx<'_>| {
            let row = room_rows::by_number(tx, number)?;
            if row.turn != room.turn {
                return Ok(None);
            }
            let Sorted { ready, known, .. } = sort(room, tx, pdus)?;
            // Its worker looks whether that is history.
            if are_of_earlier_stay(tx, room, &row, &ready)? {
                return Ok(Some((row, Vec::new(), Surroundings::default())));
            }
            let around = surroundings(room, tx, &ready, &known, now)?;
            Ok(Some((row, ready, around)))
        };
        let Some((row, ready, around)) = self.with_room(&mut room, look).await? else { return Ok(None) };
        let mut turn = RoomTurn::new(row, guard);
        let heads: Vec<&EventId> = room.heads.iter().map(Head::event_id).collect();
        if ready.is_empty() || !(holds.is_empty() || is_line(&heads, &ready)) {
            turn.put_back(room);
            return Ok(None);
        }
        match self.judge_batch(room, origin, ready, around).await {
            // What judging left in the room goes with it.
            Ok(judged) if judged.advance.heads.len() > EXTREMITIES_MAX => Ok(None),
            Ok(judged) => {
                self.make_space(number, judged.room.weight());
                let batch = Batch::new(&judged.room, &judged.advance, Entry::FromOthers, self.server_name());
                Ok(Some(AtOnce { turn, judged, batch }))
            }
            // Its worker tries them one by one, and says what is the matter.
            Err(BatchError::Judge(_, room)) => {
                turn.put_back(*room);
                Ok(None)
            }
            Err(BatchError::Store(error)) => Err(error),
            Err(BatchError::Overtaken | BatchError::StaleInMemory) => Ok(None),
        }
    }
}

/// Whether events follow the only extremity of a room one after the other, so that there is nothing to resolve.
fn is_line(extremities: &[&EventId], events: &[Pdu]) -> bool {
    let [extremity] = extremities else { return false };
    let mut last = *extremity;
    events.iter().all(|pdu| {
        let follows = matches!(pdu.prev_events(), [parent] if parent == last);
        last = pdu.event_id();
        follows
    })
}

impl AtOnce {
    /// Writes the events, and has the room go on after the commit. Returns which are written and need nothing more: none, if the room
    /// is not what it was; not mangled ones, of which a full copy may have come beside.
    pub(crate) fn write(
        self,
        graph: &Graph,
        tx: &mut WriteTx<'_>,
    ) -> Result<BTreeSet<(RoomNumber, EventId)>, StoreError> {
        let Self { mut turn, judged, batch } = self;
        let number = turn.row.number;
        if room_rows::by_number(tx, number)?.turn != turn.row.turn {
            return Ok(BTreeSet::new());
        }
        let written = graph.write_batch(tx, &batch).map_err(|error| match error {
            CommitError::Store(error) => error,
            CommitError::Overtaken => StoreError::Conflict("the room advanced meanwhile".to_owned()),
        })?;
        let JudgedBatch { mut room, advance, is_stale } = judged;
        let whole = advance.judged.iter().filter(|judged| !judged.pdu.is_mangled());
        let ids = whole.map(|judged| (number, judged.pdu.event_id().clone())).collect();
        tx.after_commit(move || {
            room.take_up(advance, batch, &written);
            if !is_stale {
                turn.put_back(room);
            }
        });
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use events::RoomVersion;
    use serde_json::json;

    use super::*;

    fn id(id: &str) -> EventId {
        EventId::parse(id).unwrap()
    }

    fn event(event: &str, prev: &[&str]) -> Pdu {
        let object = json!({
            "room_id": "!r:a.test", "sender": "@alice:a.test", "type": "m.room.message", "content": {}, "depth": 1,
            "origin_server_ts": 1, "prev_events": prev, "auth_events": [], "hashes": { "sha256": "" }, "signatures": {},
        });
        Pdu::from_store(object.as_object().unwrap().clone(), RoomVersion::V11, id(event), false).unwrap()
    }

    #[test]
    fn a_line_has_nothing_to_resolve() {
        let (head, other) = (id("$head"), id("$other"));
        assert!(is_line(&[&head], &[event("$1", &["$head"]), event("$2", &["$1"])]));
        assert!(!is_line(&[&head, &other], &[event("$1", &["$head"])]));
        assert!(!is_line(&[&head], &[event("$1", &["$head"]), event("$2", &["$head"])]));
        assert!(!is_line(&[&head], &[event("$1", &["$head", "$old"])]));
        assert!(!is_line(&[&head], &[event("$1", &["$old"])]));
        assert!(!is_line(&[], &[event("$1", &["$head"])]));
    }
}

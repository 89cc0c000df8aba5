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

use crate::commit::{Batch, CommitError, Entry};
use crate::graph::{Graph, RoomTurn};
use crate::limits::{BATCH_EVENTS_MAX, EXTREMITIES_MAX};
use crate::receive::{BatchError, JudgedBatch};
use crate::room::Room;
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
    /// Judges those events of a queue that can be judged now, or within `patience`. `None`: none can.
    pub(crate) async fn judge_at_once(
        &self,
        queue: &Queue,
        pdus: Vec<Pdu>,
        patience: Duration,
    ) -> Result<Option<AtOnce>, StoreError> {
        if pdus.is_empty() || pdus.len() > BATCH_EVENTS_MAX {
            return Ok(None);
        }
        let (number, origin) = queue;
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
            let Sorted { ready, .. } = sort(room, tx, pdus)?;
            let around = surroundings(room, tx, &ready, now)?;
            Ok(Some((row, ready, around)))
        };
        let Some((row, ready, around)) = self.with_room(&mut room, look).await? else { return Ok(None) };
        let mut turn = RoomTurn::new(row, guard);
        if ready.is_empty() {
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

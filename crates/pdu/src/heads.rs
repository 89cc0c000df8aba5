//! Moves the forward extremities of a room when its past becomes known.
//!
//! What lies behind a gap is where the room went while we did not hear: its end is an extremity, too. When the gap is filled, the
//! extremities that we had turn out to be ancestors, and are none any more.

use std::collections::BTreeSet;

use events::auth::{AuthEvent, check_state};
use events::auth_graph::StateMap;
use events::state_resolution::TooCostly;
use persistence::{EventNumber, StoreError};

use crate::commit::{CommitError, Entry};
use crate::graph::Graph;
use crate::judge::{NewHead, with_heads};
use crate::partial::with_cited_members;
use crate::past::JudgedPast;
use crate::room::{Room, View};

/// Whether an event behind a gap passes step 6 of S2S API, "Checks performed on receipt of a PDU".
///
/// The current state that we know of is as old as the gap: whoever joined behind it would be soft-failed for ever. So the state
/// before the event counts to the forks of the room, as in Synapse; a ban that the event's state does not know still wins.
pub(crate) fn stands_now(room: &mut Room, judged: &JudgedPast) -> Result<bool, TooCostly> {
    let (None, Some(before)) = (&judged.verdict.rejection, &judged.before) else { return Ok(false) };
    let heads: Vec<_> = room.heads.iter().map(|head| head.after.clone()).collect();
    let states: Vec<&StateMap> = heads.iter().chain([before]).map(|state| &state.map).collect();
    let event = AuthEvent::new(&judged.pdu);
    let now = room.resolve(&states)?.state;
    let now = with_cited_members(room, &event, &now).unwrap_or(now);
    Ok(check_state(&event, &View { graph: &room.graph, map: &now }).is_ok())
}

impl Graph {
    /// Makes `added` extremities, and those in `superseded` none. At least one stays.
    ///
    /// If an error is returned, the room is to be dropped from memory.
    pub(crate) async fn move_heads(
        &self,
        room: &mut Room,
        added: Vec<NewHead>,
        superseded: &BTreeSet<EventNumber>,
    ) -> Result<(), StoreError> {
        let stays = |head: &NewHead| !head.number.is_some_and(|number| superseded.contains(&number));
        let mut heads: Vec<NewHead> = room.heads.iter().map(NewHead::from).filter(stays).collect();
        let is_new = |head: &NewHead| room.heads.iter().all(|known| known.event_id() != head.event_id());
        heads.extend(added.into_iter().filter(is_new));
        let is_same =
            heads.len() == room.heads.len() && heads.iter().zip(&room.heads).all(|(a, b)| a.number == Some(b.number));
        if heads.is_empty() || is_same {
            return Ok(());
        }
        let mut taken = room.take();
        let (taken, advance) = self
            .handles()
            .compute
            .run(move || {
                let advance = with_heads(&mut taken, heads);
                (taken, advance)
            })
            .await;
        *room = taken;
        let advance = match advance {
            Ok(advance) => advance,
            Err(error) => {
                tracing::error!(room.id = %room.room_id, "The forward extremities stay as they are: {error}");
                return Ok(());
            }
        };
        match self.commit(room, advance, Entry::FromOthers, None).await {
            Ok(_) => Ok(()),
            Err(CommitError::Store(error)) => Err(error),
            Err(CommitError::Overtaken) => Err(StoreError::Conflict("the room advanced meanwhile".to_owned())),
        }
    }
}

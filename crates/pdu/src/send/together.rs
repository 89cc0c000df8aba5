//! Messages that wait for the same room's turn share one transaction: the disk is asked once for all of them.
//!
//! A room advances by one commit at a time, and a durable commit takes as long as the disk takes. Alone, each of many who speak
//! at once would wait for the disk as often as there are others before it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use events::auth::{AuthEvent, check_state};
use events::auth_graph::StateMap;
use events::{EventId, Pdu, Reference, RoomId};
use persistence::{StoreError, WriteTx};
use tokio::sync::oneshot;

use super::{Beside, Draft, SendError, Sent, deepest_heads, parents};
use crate::commit::Entry;
use crate::graph::{Graph, RoomTurn};
use crate::judge::{Candidate, Surroundings, judge_entering};
use crate::limits::{SENT_TOGETHER_MAX, WAITING_TO_SEND_MAX};
use crate::room::{Head, Room, View};

/// The messages that wait, by their rooms. A room is here as long as a task sends for it.
#[derive(Default)]
pub(crate) struct WaitingMessages(Mutex<BTreeMap<RoomId, Vec<Waiting>>>);

/// A message that waits for its room's turn.
struct Waiting {
    draft: Draft,
    beside: Option<Beside>,
    reply: oneshot::Sender<Result<Sent, SendError>>,
}

/// Whether a message was taken into the queue of its room.
enum Taken {
    /// Somebody must begin to send for the room.
    First,
    /// Somebody sends for the room already.
    Behind,
    /// There are too many.
    Refused(Waiting),
}

impl Graph {
    /// Sends a message together with those that wait as well.
    pub(super) async fn send_message(
        &self,
        room_id: &RoomId,
        draft: Draft,
        beside: Option<Beside>,
    ) -> Result<Sent, SendError> {
        let (reply, answer) = oneshot::channel();
        match self.waiting_messages().take_in(room_id, Waiting { draft, beside, reply }) {
            Taken::Behind => {}
            Taken::First => {
                let (graph, room_id) = (self.clone(), room_id.clone());
                self.handles().tasks.spawn("send", async move { graph.send_waiting(&room_id).await });
            }
            Taken::Refused(Waiting { draft, beside, .. }) => return self.send_one(room_id, draft, beside).await,
        }
        let stopped = || SendError::Stuck { room: room_id.clone(), reason: "this server stops".to_owned() };
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    async fn send_one(&self, room_id: &RoomId, draft: Draft, beside: Option<Beside>) -> Result<Sent, SendError> {
        let sent = self.send_alone(room_id, vec![draft], beside).await?;
        let nothing = || SendError::Stuck { room: room_id.clone(), reason: "there was nothing to send".to_owned() };
        sent.into_iter().next().ok_or_else(nothing)
    }

    /// Sends what waits for a room until nothing does.
    async fn send_waiting(&self, room_id: &RoomId) {
        loop {
            // Who comes while somebody else has the room's turn belongs to the same batch: the turn comes first.
            let turn = self.turn(room_id).await.ok().flatten();
            let Some(mut batch) = self.waiting_messages().next_batch(room_id) else { return };
            if let Some(turn) = turn {
                batch = self.send_batch(turn, batch).await;
            }
            // Something is wrong with at least one of them, or with the room: each finds out for itself.
            for waiting in batch {
                let sent = self.send_one(room_id, waiting.draft.clone(), waiting.beside.clone()).await;
                waiting.answer(sent);
            }
        }
    }

    /// Sends messages in one transaction, and refuses those that the room does not allow. Returns those that must be sent alone.
    async fn send_batch(&self, mut turn: RoomTurn, batch: Vec<Waiting>) -> Vec<Waiting> {
        let Some(mut room) = turn.take() else { return batch };
        if room.heads.is_empty() {
            turn.put_back(room);
            return batch;
        }
        let around =
            Surroundings { parents: parents(&room.heads), now: self.handles().clock.now(), ..Surroundings::default() };
        let heads = deepest_heads(&room);
        let Ok(map) = self.state_of_heads(&mut room, &heads, &around) else {
            turn.put_back(room);
            return batch;
        };
        let (allowed, pdus) = self.build_messages(&room, &heads, &map, batch);
        if allowed.is_empty() {
            turn.put_back(room);
            return allowed;
        }
        let candidates = pdus.iter().map(|pdu| Candidate { pdu: pdu.clone(), origin: None }).collect();
        let Ok(advance) = judge_entering(&mut room, candidates, &around) else {
            turn.put_back(room);
            return allowed;
        };
        let all: Vec<Option<Beside>> = allowed.iter().map(|waiting| waiting.beside.clone()).collect();
        let beside = move |tx: &mut WriteTx<'_>, ids: &[EventId]| {
            all.iter().zip(ids.chunks(1)).try_for_each(|(beside, id)| match beside {
                Some(beside) => beside(tx, id),
                None => Ok::<_, StoreError>(()),
            })
        };
        let Ok(committed) = self.commit(&mut room, advance, Entry::ThroughUs, Some(Arc::new(beside))).await else {
            return allowed;
        };
        turn.put_back(room);
        for ((waiting, pdu), committed) in allowed.into_iter().zip(pdus).zip(committed) {
            waiting.answer(Ok(Sent { pdu, position: committed.arrival }));
        }
        Vec::new()
    }

    /// Builds messages, each on the one before. None of them changes the state, so that one state decides about all.
    ///
    /// Those that are not allowed are answered and left out.
    fn build_messages(
        &self,
        room: &Room,
        heads: &[Head],
        map: &StateMap,
        batch: Vec<Waiting>,
    ) -> (Vec<Waiting>, Vec<Pdu>) {
        let mut prev_events: Vec<Reference> = heads.iter().map(|head| head.reference.clone()).collect();
        let mut depth = heads.iter().map(|head| head.depth).max().unwrap_or(0);
        let (mut allowed, mut pdus) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for waiting in batch {
            let built = self.sign(room, &waiting.draft, map, prev_events.clone(), depth + 1).and_then(|pdu| {
                let state = View { graph: &room.graph, map };
                check_state(&AuthEvent::new(&pdu), &state).map_err(SendError::Forbidden)?;
                Ok(pdu)
            });
            match built {
                Ok(pdu) => {
                    depth += 1;
                    prev_events = vec![pdu.reference()];
                    allowed.push(waiting);
                    pdus.push(pdu);
                }
                Err(error) => waiting.answer(Err(error)),
            }
        }
        (allowed, pdus)
    }
}

impl Waiting {
    fn answer(self, result: Result<Sent, SendError>) {
        // Nobody waits any longer: the request was cancelled, the decision stands.
        drop(self.reply.send(result));
    }
}

impl WaitingMessages {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<RoomId, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(&self, room_id: &RoomId, message: Waiting) -> Taken {
        match self.lock().entry(room_id.clone()) {
            MapEntry::Vacant(free) => {
                free.insert(vec![message]);
                Taken::First
            }
            MapEntry::Occupied(waiting) if waiting.get().len() >= WAITING_TO_SEND_MAX => Taken::Refused(message),
            MapEntry::Occupied(mut waiting) => {
                waiting.get_mut().push(message);
                Taken::Behind
            }
        }
    }

    /// Takes out those that have waited for longest. `None` if nobody waits: then nobody sends for the room any more.
    fn next_batch(&self, room_id: &RoomId) -> Option<Vec<Waiting>> {
        let mut rooms = self.lock();
        let waiting = rooms.get_mut(room_id)?;
        if waiting.is_empty() {
            rooms.remove(room_id);
            return None;
        }
        let count = waiting.len().min(SENT_TOGETHER_MAX);
        Some(waiting.drain(..count).collect())
    }
}

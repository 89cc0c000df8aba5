//! Rooms that we joined without being told most of their members. S2S API, `PUT /send_join`, `omit_members`.
//!
//! Users read and write in such a room at once; its members come in the background ([`complete`]). Until they are here, its states
//! are partial: what they say of others than members is whole; a member whom they do not name may be one all the same. So
//!
//! - a membership that an event cites counts if the state has none of that user ([`with_cited_members`]);
//! - where states are resolved, one counts that only some of them have ([`with_what_others_name`]);
//! - verdicts are provisional: when the members are here, everything since the join is judged again ([`replay`]);
//! - the servers in the room are those that whoever let us in has named, and those of the members that are known;
//! - nobody is let into the room by us, and nobody is told its state;
//! - what needs a certain member, or all of them, waits ([`Graph::until_whole`]).

mod arrivals;
mod complete;
mod keys;
mod replay;
mod undecided;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use events::auth::AuthEvent;
use events::auth_graph::{Standing, StateMap};
use events::{RoomId, ServerName};
use handles::watch;
use persistence::transactions::partial::{self as rows, PartialRoom};
use persistence::transactions::rooms as room_rows;
use persistence::{ReadTx, RoomNumber, StoreError};
use tokio::sync::Notify;

use crate::fetch::Effort;
use crate::graph::Graph;
use crate::limits::{ATTEMPTS_BEFORE_TELLING, WHOLE_WAIT_MAX};
use crate::room::Room;

pub use complete::{JoinProgress, joins_under_way};
pub(crate) use keys::{LackingKeys, keys_pause};
pub(crate) use undecided::end_undecided;

/// What is known of a partial room beside its states.
#[derive(Debug)]
pub(crate) struct Partial {
    /// The servers that were in it when we joined.
    pub(crate) servers: BTreeSet<ServerName>,
}

/// The members of a room are not all here yet.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the members of {room} are still being fetched{}: try again later", progress(*.wanted, *.lacking))]
pub struct StillPartial {
    /// Which room.
    pub room: RoomId,
    /// How many events of its state, and of what that cites, have been named.
    pub wanted: Option<i64>,
    /// How many of these are not here.
    pub lacking: Option<i64>,
}

/// Wakes the task that fetches members, and those who wait for it.
pub(crate) struct Joins {
    news: Notify,
    /// Changes whenever a room has become whole, or was given up.
    ended: watch::Sender<u64>,
    running: Mutex<BTreeSet<RoomNumber>>,
}

impl Default for Joins {
    fn default() -> Self {
        Self { news: Notify::new(), ended: watch::Sender::new(0), running: Mutex::default() }
    }
}

impl Joins {
    fn running(&self) -> std::sync::MutexGuard<'_, BTreeSet<RoomNumber>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partial {
    pub(crate) fn load(tx: &ReadTx<'_>, room: RoomNumber) -> Result<Option<Arc<Self>>, StoreError> {
        if rows::find(tx, room)?.is_none() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Self { servers: rows::servers(tx, room)?.into_iter().collect() })))
    }
}

impl StillPartial {
    fn new(room: RoomId, partial: &PartialRoom) -> Self {
        Self { room, wanted: partial.wanted, lacking: partial.lacking }
    }
}

fn progress(wanted: Option<i64>, lacking: Option<i64>) -> String {
    match (wanted, lacking) {
        (Some(wanted), Some(lacking)) => format!(" ({} of {wanted} events are here)", wanted - lacking),
        (None, _) | (_, None) => String::new(),
    }
}

/// A state with the memberships that an event cites and the state does not name. `None` if that is the state itself: always, in a
/// room that is not partial.
pub(crate) fn with_cited_members(room: &Room, event: &AuthEvent, map: &StateMap) -> Option<StateMap> {
    room.partial.as_ref()?;
    let mut with: Option<StateMap> = None;
    for id in event.auth_events() {
        let Some(index) = room.graph.index_of(id) else { continue };
        let is_member = room.graph.event(index).event_type() == "m.room.member";
        let key = room.graph.state_key_of(index);
        if is_member && room.graph.standing(index) == Standing::Accepted && map.get(key).is_none() {
            with.get_or_insert_with(|| map.clone()).insert(key, index);
        }
    }
    with
}

/// States that are to be resolved, each with what only others of them name and it may just not know: members in a partial room, any
/// entry in one that lacks keys. Were that taken for gone, members would have to join anew by the rules of today, and we might be lost
/// among them. `None` if that are the states themselves: always, in a room of which all is known.
pub(crate) fn with_what_others_name(room: &Room, states: &[&StateMap]) -> Option<Vec<StateMap>> {
    if !room.lacks_something() {
        return None;
    }
    let [first, others @ ..] = states else { return None };
    let mut all = (*first).clone();
    for other in others {
        add_unknown(room, &mut all, other);
    }
    let completed: Vec<StateMap> = states
        .iter()
        .map(|state| {
            let mut completed = (*state).clone();
            add_unknown(room, &mut completed, &all);
            completed
        })
        .collect();
    let is_more = |(completed, state): (&StateMap, &&StateMap)| completed.len() > state.len();
    completed.iter().zip(states).any(is_more).then_some(completed)
}

/// Adds to a state the entries of another that it does not name and may not know.
fn add_unknown(room: &Room, state: &mut StateMap, other: &StateMap) {
    for (key, event) in state.diff(other).iter() {
        if let Some(event) = event
            && state.get(key).is_none()
            && (room.lacks_keys_of.is_some() || room.graph.state_key(key).0 == "m.room.member")
        {
            state.insert(key, event);
        }
    }
}

impl Graph {
    /// Waits until all members of a room are here, but not for ever.
    pub async fn until_whole(&self, room: RoomNumber) -> Result<Result<(), StillPartial>, StoreError> {
        let effort = Effort::new(self.handles(), WHOLE_WAIT_MAX);
        let mut ended = self.joins().ended.subscribe();
        loop {
            let found = self.database().read(move |tx| rows::find(tx, room)).await?;
            let Some(partial) = found else { return Ok(Ok(())) };
            let is_given_up = partial.retry_at == complete::NEVER;
            if is_given_up || !matches!(effort.within(ended.changed()).await, Some(Ok(()))) {
                let row = self.database().read(move |tx| room_rows::by_number(tx, room)).await?;
                return Ok(Err(StillPartial::new(row.room_id, &partial)));
            }
        }
    }

    /// Waits until we can tell other servers the state of a room. Keys that could not be had just now may be there in a moment: until
    /// that was tried for some time, another server knows better than we do.
    pub(crate) async fn until_tellable(&self, room: RoomNumber) -> Result<Result<(), StillPartial>, StoreError> {
        if let Err(partial) = self.until_whole(room).await? {
            return Ok(Err(partial));
        }
        let (row, pending) = self
            .database()
            .read(move |tx| Ok::<_, StoreError>((room_rows::by_number(tx, room)?, rows::pending(tx, room)?)))
            .await?;
        let waits = pending.filter(|pending| pending.attempts < ATTEMPTS_BEFORE_TELLING);
        Ok(waits.map_or(Ok(()), |pending| Err(StillPartial::new(row.room_id, &pending))))
    }
}

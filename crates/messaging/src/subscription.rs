//! Following what happens: a position in the events stream, and a wake-up when there is more.

use defects::Defect;
use events::{Pdu, RoomId};
use handles::watch;
use persistence::transactions::graph::{self as graph_rows, Place};
use persistence::transactions::{events as event_rows, rooms as room_rows, state as state_rows, subscriptions};
use persistence::{Position, ReadTx, StoreError};

use crate::Messaging;
use crate::limits::{SUBSCRIPTION_PAGE, SUBSCRIPTION_SKIPPED_MAX};

/// Follows the events of all rooms, in the order of their arrival, from a position that outlives restarts.
///
/// Every accepted event comes at least once, and again after a crash if it was not [acknowledged](Subscription::acknowledge).
pub struct Subscription {
    messaging: Messaging,
    name: String,
    wanted: Wanted,
    position: Position,
    /// The last event that was returned, as long as it is not acknowledged.
    owed: Option<Position>,
    /// Events that were not wanted, since the last time the position was stored.
    skipped: usize,
    newest: watch::Receiver<u64>,
}

/// Which events somebody follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All.
    Everything,
    /// Those that set memberships. What else happens costs next to nothing then.
    Memberships,
}

/// An event that happened.
#[derive(Debug, Clone)]
pub struct Happened {
    /// Its position: acknowledge it when everything up to it is done.
    pub position: Position,
    /// Where.
    pub room_id: RoomId,
    /// What.
    pub pdu: Pdu,
    /// If it sets a membership: the one that it replaces, where the event stands. A changed profile replaces `join` by `join`.
    pub membership_before: Option<String>,
}

impl Messaging {
    /// Takes up the subscription called `name` where it was, or starts it at what happens next.
    pub async fn subscribe(&self, name: &str, wanted: Wanted) -> Result<Subscription, StoreError> {
        let newest = self.graph().newest().subscribe();
        let key = name.to_owned();
        let position = self.database().write(move |tx| subscriptions::take_up(tx, &key)).await?;
        Ok(Subscription {
            messaging: self.clone(),
            name: name.to_owned(),
            wanted,
            position,
            owed: None,
            skipped: 0,
            newest,
        })
    }
}

impl Subscription {
    /// Waits for events after those returned before, and returns some of them, oldest first.
    pub async fn next(&mut self) -> Result<Vec<Happened>, StoreError> {
        loop {
            // Marked as seen before looking: what comes after the look wakes the wait.
            self.newest.mark_seen();
            let (from, wanted) = (self.position, self.wanted);
            let (page, looked_at) = self.messaging.database().read(move |tx| page(tx, from, wanted)).await?;
            if let Some(last) = looked_at.last() {
                self.position = *last;
                if page.is_empty() {
                    self.skip(looked_at.len()).await?;
                    continue;
                }
                self.owed = page.last().map(|happened| happened.position);
                let skips = defects::is_on(Defect::SubscriberSkips);
                return Ok(if skips { page.into_iter().take(1).collect() } else { page });
            }
            if self.newest.changed().await.is_err() {
                return Err(StoreError::Closed);
            }
        }
    }

    /// Passes over events that are not wanted. That is stored seldom: to look at them again after a restart is no harm. What was returned
    /// before them and is not acknowledged comes again, too.
    async fn skip(&mut self, count: usize) -> Result<(), StoreError> {
        self.skipped += count;
        if self.skipped < SUBSCRIPTION_SKIPPED_MAX || self.owed.is_some() {
            return Ok(());
        }
        self.acknowledge(self.position).await
    }

    /// Everything up to `position` is done, and does not come again.
    pub async fn acknowledge(&mut self, position: Position) -> Result<(), StoreError> {
        self.skipped = 0;
        self.owed = self.owed.filter(|owed| *owed > position);
        if defects::is_on(Defect::AcknowledgementLost) {
            return Ok(());
        }
        let name = self.name.clone();
        self.messaging.database().write(move |tx| subscriptions::acknowledge(tx, &name, position)).await
    }
}

/// Returns those of the next events that are wanted, and the positions of all that it looked at.
fn page(tx: &ReadTx<'_>, from: Position, wanted: Wanted) -> Result<(Vec<Happened>, Vec<Position>), StoreError> {
    let (mut page, mut looked_at) = (Vec::new(), Vec::new());
    for (room, place) in graph_rows::stream(tx, from, SUBSCRIPTION_PAGE)? {
        let Some(position) = place.arrival else { continue };
        looked_at.push(position);
        let is_wanted = match wanted {
            Wanted::Everything => true,
            Wanted::Memberships => event_rows::event_type(tx, place.event)?.as_deref() == Some("m.room.member"),
        };
        if !is_wanted {
            continue;
        }
        let row = room_rows::by_number(tx, room)?;
        if let Some(stored) = event_rows::load(tx, row.version, place.event)? {
            let pdu = stored.visible();
            let membership_before = membership_before(tx, &place, &pdu)?;
            page.push(Happened { position, room_id: row.room_id, pdu, membership_before });
        }
    }
    Ok((page, looked_at))
}

/// Returns the membership that `pdu` replaces, if it sets one.
fn membership_before(tx: &ReadTx<'_>, place: &Place, pdu: &Pdu) -> Result<Option<String>, StoreError> {
    let (Some(_), Some(user), Some(before)) = (pdu.membership(), pdu.state_key(), place.state_before) else {
        return Ok(None);
    };
    let Some(key) = state_rows::key_number(tx, "m.room.member", user)? else { return Ok(None) };
    match state_rows::entry(tx, before, key)? {
        Some(event) => event_rows::membership(tx, event),
        None => Ok(None),
    }
}

//! Somebody who follows the events of a server as an embedding program does, and remembers what came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::{EventId, ServerName, UserId};
use handles::Clock;
use messaging::Messaging;
use messaging::subscription::Happened;
use persistence::{Position, StoreError};

/// Before a subscriber whose server's disk fails tries again.
const AGAIN: Duration = Duration::from_secs(5);

/// What came to the subscriber of one server, over all its restarts. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// How often the server had gone on with a backup: what was heard before counts no more.
    restored: usize,
    acknowledged: Option<Position>,
    positions: BTreeMap<EventId, Position>,
    /// The last event of each sender, with its depth.
    last: BTreeMap<UserId, (i64, EventId)>,
    twice: Vec<String>,
    /// Who sent something that came too late, and what.
    disorder: Vec<(ServerName, String)>,
}

impl Heard {
    /// Follows a server until it is switched off.
    pub(crate) async fn listen(self, messaging: Messaging, restored: usize, clock: Arc<dyn Clock>) {
        self.begin(restored);
        while self.follow(&messaging).await.is_err() {
            clock.sleep(AGAIN).await;
        }
    }

    async fn follow(&self, messaging: &Messaging) -> Result<(), StoreError> {
        let mut subscription = messaging.subscribe("simulation").await?;
        loop {
            let page = subscription.next().await?;
            page.iter().for_each(|happened| self.note(happened));
            if let Some(last) = page.last() {
                subscription.acknowledge(last.position).await?;
                self.state().acknowledged = Some(last.position);
            }
        }
    }

    fn begin(&self, restored: usize) {
        let mut state = self.state();
        if state.restored != restored {
            let State { twice, disorder, .. } = std::mem::take(&mut *state);
            *state = State { restored, twice, disorder, ..State::default() };
        }
    }

    fn note(&self, happened: &Happened) {
        let mut state = self.state();
        let (id, position) = (happened.pdu.event_id(), happened.position);
        if state.acknowledged.is_some_and(|acknowledged| position <= acknowledged) {
            state.twice.push(format!("{id} came again, and was acknowledged"));
        }
        match state.positions.insert(id.clone(), position) {
            // Not acknowledged before the server ended.
            Some(before) if before == position => return,
            Some(_) => state.twice.push(format!("{id} came at two positions")),
            None => {}
        }
        if happened.pdu.membership() == Some("invite") {
            // It is made before the server of the invited user signs it, and what is said meanwhile does not build on it.
            return;
        }
        let (sender, depth) = (happened.pdu.sender().clone(), happened.pdu.depth());
        let last = state.last.insert(sender.clone(), (depth, id.clone()));
        if let Some((deeper, earlier)) = last.filter(|(before, _)| *before >= depth) {
            let said = format!("{id} of {sender}, at depth {depth}, came after {earlier}, at depth {deeper}");
            state.disorder.push((sender.server(), said));
        }
    }

    /// What is wrong with what came. The order of what servers sent counts for those of which `keeps_order` says so.
    pub(crate) fn problems(&self, keeps_order: impl Fn(&ServerName) -> bool) -> Vec<String> {
        let state = self.state();
        let disorder = state.disorder.iter().filter(|(server, _)| keeps_order(server)).map(|(_, said)| said);
        state.twice.iter().chain(disorder).cloned().collect()
    }

    /// Whether an event has come.
    pub(crate) fn has(&self, event: &EventId) -> bool {
        self.state().positions.contains_key(event)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

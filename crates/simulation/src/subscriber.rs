//! Somebody who follows the events of a server as an embedding program does, and remembers what came.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::{EventId, Pdu, RoomId, ServerName, UserId, Value};
use handles::Clock;
use messaging::Messaging;
use messaging::subscription::{Happened, Wanted};
use persistence::{Position, StoreError};

/// Whether an event is not sent by the server of its sender alone, so that it does not come in the order in which that has made its events.
/// An invite is made before the server of the invited user signs it, and what is said meanwhile does not build on it. A restricted join
/// that another server authorises is sent to all by that one (S2S API, "Restricted rooms"), which need not have what else was said.
/// What only joins forward extremities, and perhaps not that of the sender's last words, is sent to nobody: whoever is sent what builds on
/// it asks for it (S2S API, "Backfilling and retrieving missing events"), be those words still on their way.
fn goes_through_another(pdu: &Pdu) -> bool {
    if pdu.event_type() == pdu::DUMMY_EVENT_TYPE {
        return true;
    }
    let authorised_by = pdu.content().get("join_authorised_via_users_server").and_then(Value::as_str);
    let authorised_by = authorised_by.and_then(|user| UserId::parse(user).ok());
    pdu.membership() == Some("invite") || authorised_by.is_some_and(|user| user.server() != pdu.sender().server())
}

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
    /// What each sender has sent into a room, as it came, and what time it bears.
    by_sender: BTreeMap<(UserId, RoomId), Vec<(EventId, i64)>>,
    twice: Vec<String>,
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
        let mut subscription = messaging.subscribe("simulation", Wanted::Everything).await?;
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
            let twice = std::mem::take(&mut state.twice);
            *state = State { restored, twice, ..State::default() };
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
        if !goes_through_another(&happened.pdu) {
            let way = (happened.pdu.sender().clone(), happened.room_id.clone());
            state.by_sender.entry(way).or_default().push((id.clone(), happened.pdu.origin_server_ts()));
        }
    }

    /// What came again.
    pub(crate) fn twice(&self) -> Vec<String> {
        self.state().twice.clone()
    }

    /// What users of `server` have sent came in another order than to `there`, a subscriber of that server.
    ///
    /// A join through another server (S2S API, "Joining Rooms") is told to all by that one. If `server` cannot get what the join builds on,
    /// it comes there later than what was made after it: the times, which all are of one clock, say what was sent first.
    pub(crate) fn disorder(&self, server: &ServerName, there: &Self) -> Vec<String> {
        let sent = there.state().positions.clone();
        let state = self.state();
        let mut disorder = Vec::new();
        for ((sender, _), came) in state.by_sender.iter().filter(|((sender, _), _)| sender.server() == *server) {
            let came: Vec<(&EventId, (&Position, i64))> =
                came.iter().filter_map(|(id, made)| Some((id, (sent.get(id)?, *made)))).collect();
            for pair in came.windows(2) {
                let ((earlier, (before, made_before)), (id, (position, made))) = (pair[0], pair[1]);
                if position < before && made <= made_before {
                    disorder.push(format!("{id} of {sender} came after {earlier}, which was sent later"));
                }
            }
        }
        disorder
    }

    /// Whether an event has come.
    pub(crate) fn has(&self, event: &EventId) -> bool {
        self.state().positions.contains_key(event)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

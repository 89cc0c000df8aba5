//! One ordered queue per destination, at most one transaction in flight. S2S API, "Transactions".
//!
//! [`queue`] decides when a destination gets something, [`batch`] how much, [`content`] reads and writes what; [`delivery`]
//! carries it out, and [`replay`] tells again what was delivered. A destination with nothing to do costs nothing but its rows in the database.

mod batch;
mod content;
mod delivery;
mod ephemeral;
pub mod limits;
mod queue;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use defects::Defect;
use events::ServerName;
use handles::{Handles, Timestamp};
use persistence::transactions::outbound::delivered;
use persistence::transactions::outbound::{self as rows, KnownDestination, Lane, NewEdu};
use persistence::transactions::received_transactions;
use persistence::{Database, EventNumber, RoomNumber, StoreError, WriteTx};
use tokio::sync::{Notify, Semaphore};
use transport::Client;
use transport::questions::Edu;
use transport::server::HeardFrom;

use crate::intake::EventBodies;
use delivery::Report;
use ephemeral::{EphemeralEdu, EphemeralEdus};
use limits::{
    ANNOUNCE_AGE_MAX, ANNOUNCE_INTERVAL, ANNOUNCE_PAGE, DELIVERED_AGE_MAX, DELIVERED_FORGET_INTERVAL,
    EPHEMERAL_FAILURES_MAX, FORGET_INTERVAL, FORGET_PAGE, IDLE_AGE_MAX, PROBES_IN_FLIGHT_MAX, SENDS_IN_FLIGHT_MAX,
};
use queue::{DestinationQueue, Step};

/// Characters of an incarnation: 71 random bits.
const INCARNATION_CHARS: usize = 12;

/// Sends transactions. Cheap to clone.
#[derive(Clone)]
pub struct Outbound(Arc<Shared>);

struct Shared {
    server_name: ServerName,
    database: Database,
    handles: Handles,
    client: Client,
    bodies: Arc<dyn EventBodies>,
    /// Those with something to do, and those that failed.
    destinations: Mutex<BTreeMap<ServerName, Destination>>,
    /// For destinations that answered promptly, and for the others.
    prompt: Semaphore,
    probing: Semaphore,
    /// New at each start, so that no transaction id is ever used twice, even after a restore from a backup.
    incarnation: String,
    sequence: AtomicU64,
}

struct Destination {
    queue: DestinationQueue,
    ephemeral: EphemeralEdus,
    pace: Pace,
    wake: Arc<Notify>,
    task: Task,
}

/// How fast the last answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Prompt,
    Slow,
}

/// Whether a task looks after a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Running,
    None,
}

impl Outbound {
    /// Sends in the name of `server_name`.
    pub fn new(
        server_name: ServerName,
        database: Database,
        handles: Handles,
        client: Client,
        bodies: Arc<dyn EventBodies>,
    ) -> Self {
        let mut incarnation = handles.random.token(INCARNATION_CHARS);
        if defects::is_on(Defect::TransactionIdsBeginAnew) {
            incarnation.clear();
        }
        Self(Arc::new(Shared {
            server_name,
            database,
            handles,
            client,
            bodies,
            destinations: Mutex::default(),
            prompt: Semaphore::new(SENDS_IN_FLIGHT_MAX),
            probing: Semaphore::new(PROBES_IN_FLIGHT_MAX),
            incarnation,
            sequence: AtomicU64::new(0),
        }))
    }

    /// Wakes the destinations that something waits for, and says to those that we were lately in touch with that we are
    /// here: other servers may rest on us, and wake when they hear from us. Begins to forget destinations that are idle.
    pub fn start(&self) {
        let shared = Arc::clone(&self.0);
        self.0.handles.tasks.spawn("outbound: announce", async move {
            if let Err(error) = shared.announce().await {
                tracing::error!("cannot find out which servers wait to hear from us: {error}");
            }
        });
        let shared = Arc::clone(&self.0);
        self.0.handles.tasks.spawn("outbound: forget idle destinations", async move {
            loop {
                shared.forget_idle().await;
                shared.handles.clock.sleep(FORGET_INTERVAL).await;
            }
        });
        let shared = Arc::clone(&self.0);
        self.0.handles.tasks.spawn("outbound: forget what was delivered", async move {
            loop {
                shared.forget_delivered().await;
                shared.handles.clock.sleep(DELIVERED_FORGET_INTERVAL).await;
            }
        });
    }

    /// Queues an event for `destinations`, in the transaction that stores it. They are woken after the commit.
    pub fn enqueue_pdu(
        &self,
        tx: &mut WriteTx<'_>,
        destinations: &BTreeSet<ServerName>,
        room: RoomNumber,
        event: EventNumber,
    ) -> Result<(), StoreError> {
        let destinations = self.without_us(destinations);
        if destinations.is_empty() {
            return Ok(());
        }
        rows::enqueue_pdu(tx, &destinations, room, event)?;
        self.wake_after_commit(tx, destinations);
        Ok(())
    }

    /// Queues an EDU that must arrive: messages to devices, device-list updates, receipts. It replaces what waits with the
    /// same `key` and was not sent. Messages to devices go first.
    pub fn enqueue_edu(
        &self,
        tx: &mut WriteTx<'_>,
        destinations: &BTreeSet<ServerName>,
        edu: &Edu,
        key: Option<&str>,
    ) -> Result<(), StoreError> {
        let destinations = self.without_us(destinations);
        if destinations.is_empty() {
            return Ok(());
        }
        let lane = if edu.edu_type == "m.direct_to_device" { Lane::ToDevice } else { Lane::Other };
        let content = edu.content.to_string();
        let new = NewEdu { lane, edu_type: &edu.edu_type, content: &content, merge_key: key };
        rows::enqueue_edu(tx, &destinations, new, self.0.handles.clock.now())?;
        self.wake_after_commit(tx, destinations);
        Ok(())
    }

    /// Sends an EDU that is worth nothing later: typing, presence. The newest for each key is kept until the next
    /// transaction, but not for long where a destination fails.
    pub fn send_ephemeral(&self, destinations: &BTreeSet<ServerName>, edu: Edu, key: &str) {
        let edu = EphemeralEdu::new(&edu, key);
        for name in &self.without_us(destinations) {
            self.0.wake(name, |destination| {
                if destination.queue.failures() < EPHEMERAL_FAILURES_MAX {
                    destination.ephemeral.put(edu.clone());
                    destination.queue.handle_ephemeral();
                }
            });
        }
    }

    fn without_us(&self, destinations: &BTreeSet<ServerName>) -> BTreeSet<ServerName> {
        destinations.iter().filter(|name| **name != self.0.server_name).cloned().collect()
    }

    fn wake_after_commit(&self, tx: &mut WriteTx<'_>, destinations: BTreeSet<ServerName>) {
        if defects::is_on(Defect::LostWakeUp) {
            return;
        }
        let shared = Arc::clone(&self.0);
        tx.after_commit(move || {
            for name in &destinations {
                shared.wake(name, |destination| destination.queue.handle_rows());
            }
        });
    }
}

impl HeardFrom for Outbound {
    /// A rest of `server` ends early.
    fn heard_from(&self, server: &ServerName) {
        let now = self.0.handles.clock.monotonic();
        let is_known = self.0.destinations().contains_key(server);
        if is_known {
            self.0.wake(server, |destination| destination.queue.handle_heard_from(now));
        }
    }
}

impl Shared {
    /// Tells the queue of `name` something, and sees to it that somebody acts on it.
    ///
    /// What is told is state under the lock, and a task that ends says so under the same lock, so no wake-up is lost.
    fn wake(self: &Arc<Self>, name: &ServerName, tell: impl FnOnce(&mut Destination)) {
        let mut destinations = self.destinations();
        let destination = destinations.entry(name.clone()).or_insert_with(Destination::new);
        tell(destination);
        match destination.task {
            Task::Running => destination.wake.notify_one(),
            Task::None => {
                destination.task = Task::Running;
                let wake = Arc::clone(&destination.wake);
                drop(destinations);
                let (shared, name) = (Arc::clone(self), name.clone());
                self.handles.tasks.spawn("outbound: destination", async move { shared.serve(&name, &wake).await });
            }
        }
    }

    /// Looks after one destination until it has nothing to do.
    async fn serve(self: &Arc<Self>, name: &ServerName, wake: &Notify) {
        while let Some(step) = self.poll(name) {
            match step {
                Step::Send(order) => {
                    // On the heap, so that a destination that rests is small.
                    let report = if defects::is_on(Defect::TwoInFlight) {
                        Box::pin(async { tokio::join!(self.deliver(name, order), self.deliver(name, order)).0 }).await
                    } else {
                        Box::pin(self.deliver(name, order)).await
                    };
                    self.report(name, report);
                }
                Step::RestUntil(until) => {
                    let rest = until.saturating_sub(self.handles.clock.monotonic());
                    tokio::select! {
                        biased;
                        () = wake.notified() => {}
                        () = self.handles.clock.sleep(rest) => {}
                    }
                }
                Step::Idle => {}
            }
        }
    }

    /// Asks the queue what to do. Returns `None` if there is nothing: then the task must end.
    fn poll(&self, name: &ServerName) -> Option<Step> {
        let now = self.handles.clock.monotonic();
        let mut destinations = self.destinations();
        let destination = destinations.get_mut(name)?;
        match destination.queue.poll(now) {
            step @ (Step::Send(_) | Step::RestUntil(_)) => Some(step),
            Step::Idle => {
                destination.task = Task::None;
                // The failures of a destination that is away are remembered, so that it is not tried more often.
                if destination.queue.failures() == 0 {
                    destinations.remove(name);
                }
                None
            }
        }
    }

    fn report(&self, name: &ServerName, report: Report) {
        let now = self.handles.clock.monotonic();
        let fraction = self.handles.random.fraction();
        let mut destinations = self.destinations();
        let Some(destination) = destinations.get_mut(name) else { return };
        match report {
            Report::Delivered { again, pace } => {
                destination.pace = pace;
                destination.queue.handle_delivered(again);
            }
            Report::GivenUp => destination.queue.handle_given_up(),
            Report::Nothing => destination.queue.handle_nothing(),
            Report::AskedToRest { until } => destination.queue.handle_asked_to_rest(now, until),
            Report::Refused(refused) => destination.queue.handle_refused(now, fraction, refused),
            Report::ServerError(refused) => {
                destination.pace = Pace::Slow;
                destination.queue.handle_server_error(now, fraction, refused);
            }
            Report::Failed => {
                destination.pace = Pace::Slow;
                destination.queue.handle_failed(now, fraction);
                if destination.queue.failures() >= EPHEMERAL_FAILURES_MAX {
                    destination.ephemeral.take();
                }
            }
        }
        if !destination.ephemeral.is_empty() {
            destination.queue.handle_ephemeral();
        }
    }

    /// Wakes all destinations that have a reason, a page at a time.
    async fn announce(self: &Arc<Self>) -> Result<(), StoreError> {
        let age_max = Timestamp::try_from(ANNOUNCE_AGE_MAX.as_millis()).unwrap_or(Timestamp::MAX);
        let since = self.handles.clock.now().saturating_sub(age_max);
        let mut after = String::new();
        loop {
            let from = after.clone();
            let page = self.database.read(move |tx| rows::known_destinations(tx, since, &from, ANNOUNCE_PAGE)).await?;
            let Some(last) = page.last() else { break };
            after = last.destination.to_string();
            for known in page {
                self.announce_to(&known);
            }
            self.handles.clock.sleep(ANNOUNCE_INTERVAL).await;
        }
        // Those that only ever sent to us.
        let mut after = String::new();
        loop {
            let from = after.clone();
            let page =
                self.database.read(move |tx| received_transactions::origins(tx, since, &from, ANNOUNCE_PAGE)).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.to_string();
            for destination in page {
                self.announce_to(&KnownDestination { destination, waiting: false, failing: false });
            }
            self.handles.clock.sleep(ANNOUNCE_INTERVAL).await;
        }
    }

    async fn forget_idle(&self) {
        let age_max = Timestamp::try_from(IDLE_AGE_MAX.as_millis()).unwrap_or(Timestamp::MAX);
        let horizon = self.handles.clock.now().saturating_sub(age_max);
        loop {
            match self.database.write(move |tx| rows::forget_idle(tx, horizon, FORGET_PAGE)).await {
                Ok(0) => return,
                Ok(_) => {}
                Err::<_, StoreError>(error) => {
                    tracing::error!("cannot forget servers that nothing was sent to for long: {error}");
                    return;
                }
            }
        }
    }

    async fn forget_delivered(&self) {
        let age_max = Timestamp::try_from(DELIVERED_AGE_MAX.as_millis()).unwrap_or(Timestamp::MAX);
        let horizon = self.handles.clock.now().saturating_sub(age_max);
        loop {
            match self.database.write(move |tx| delivered::purge(tx, horizon, FORGET_PAGE)).await {
                Ok(0) => return,
                Ok(_) => {}
                Err::<_, StoreError>(error) => {
                    tracing::error!("cannot forget what was delivered long ago: {error}");
                    return;
                }
            }
        }
    }

    fn announce_to(self: &Arc<Self>, known: &KnownDestination) {
        self.wake(&known.destination, |destination| {
            if known.failing {
                destination.pace = Pace::Slow;
            }
            if known.waiting {
                destination.queue.handle_rows();
            }
            destination.queue.handle_announcement();
        });
    }

    fn destinations(&self) -> MutexGuard<'_, BTreeMap<ServerName, Destination>> {
        self.destinations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_id(&self) -> String {
        format!("{}-{}", self.incarnation, self.sequence.fetch_add(1, Ordering::Relaxed))
    }
}

impl Destination {
    fn new() -> Self {
        Self {
            queue: DestinationQueue::new(),
            ephemeral: EphemeralEdus::default(),
            pace: Pace::Prompt,
            wake: Arc::new(Notify::new()),
            task: Task::None,
        }
    }
}

#[cfg(test)]
mod tests;

//! Clients that follow `/sync` through all of it: they hold the state of the room as the specification has them put it together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::{EventId, Object, RoomId, Value};
use handles::{Clock, Random, SeededRandom};
use messaging::filter::Filter;
use messaging::reading::Viewer;
use messaging::sync::{RoomUpdates, Since, SyncRequest};
use messaging::unread::{Notification, PushRules, RoomContext};
use persistence::transactions::streams::{self, Stream};
use persistence::{ReadTx, StoreError};

use crate::deeds::user_id;
use crate::host::Host;
use crate::plan::User;

/// The longest pause of a client between two requests.
const PAUSE_MAX_MS: u64 = 30_000;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of the first user of a server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    host: Host,
    user: User,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// Every other client asks for the state at the end of a timeline.
    use_state_after: bool,
    held: Mutex<Held>,
}

/// What a client knows.
#[derive(Default)]
struct Held {
    since: Option<Since>,
    rooms: BTreeMap<RoomId, BTreeMap<(String, String), String>>,
}

impl Client {
    pub(crate) fn new(host: &Host, user: User, clock: &Arc<dyn Clock>, seed: u64) -> Self {
        Self(Arc::new(Inner {
            host: host.clone(),
            user,
            clock: Arc::clone(clock),
            random: Arc::new(SeededRandom::new(seed)),
            use_state_after: user.server % 2 == 1,
            held: Mutex::default(),
        }))
    }

    /// Asks again and again.
    pub(crate) async fn keep_following(self) {
        loop {
            let pause = Duration::from_millis(self.0.random.below(PAUSE_MAX_MS));
            self.0.clock.sleep(pause).await;
            self.follow().await;
        }
    }

    /// Asks what is new. Whoever gets no answer knows what they knew.
    pub(crate) async fn follow(&self) {
        let answer = tokio::select! {
            biased;
            answer = self.ask() => answer,
            () = self.0.clock.sleep(PATIENCE) => None,
        };
        match answer {
            Some(Ok(Some((next, updates)))) => self.hold(next, &updates),
            // The server says that it has not given this token: it goes on with a backup. The client begins anew.
            Some(Ok(None)) => *self.held() = Held::default(),
            Some(Err(_)) | None => {}
        }
    }

    async fn ask(&self) -> Option<Result<Option<(Since, RoomUpdates)>, StoreError>> {
        let (messaging, _) = self.0.host.running()?;
        let since = self.held().since;
        let mut request = SyncRequest {
            viewer: Viewer { user: user_id(self.0.user), device: "FOLLOWER".to_owned() },
            filter: Filter::default(),
            since,
            full_state: false,
            use_state_after: self.0.use_state_after,
            typing: BTreeMap::new(),
            account_data: BTreeMap::new(),
            now: self.0.clock.now(),
        };
        let database = messaging.database().clone();
        let answer = database
            .read(move |tx| {
                let now = now(tx)?;
                if let Some(before_loss) = since.map(|since| since.before_loss(tx)).transpose()?.flatten() {
                    request.since = Some(before_loss);
                    request.full_state = true;
                }
                if since.is_some_and(|since| since.events > now.events || since.receipts > now.receipts) {
                    return Ok(None);
                }
                let updates = messaging.sync_rooms(tx, &request, &Silent)?;
                Ok(Some((Since { settled: updates.settled, ..now }, updates)))
            })
            .await;
        Some(answer)
    }

    fn hold(&self, next: Since, updates: &RoomUpdates) {
        let mut held = self.held();
        let is_first = held.since.replace(next).is_none();
        for (room, section) in &updates.join {
            let state = held.rooms.entry(room.clone()).or_default();
            if is_first {
                state.clear();
            }
            // C-S API, `GET /sync`: the timeline changes the state, unless what comes beside it is the state after it.
            let lists = match self.0.use_state_after {
                true => vec![&section["state_after"]["events"]],
                false => vec![&section["state"]["events"], &section["timeline"]["events"]],
            };
            for event in lists.into_iter().filter_map(Value::as_array).flatten() {
                let text = |key: &str| event[key].as_str().map(str::to_owned);
                if let (Some(event_type), Some(state_key), Some(id)) =
                    (text("type"), text("state_key"), text("event_id"))
                {
                    state.insert((event_type, state_key), id);
                }
            }
        }
    }

    /// The events of `state`, that of its server, of which the client does not know that they are part of it.
    ///
    /// An entry that is gone altogether cannot be told to clients: `/sync` has no word for it. They keep it.
    pub(crate) fn lacks<'a>(&self, room: &RoomId, state: &'a BTreeSet<EventId>) -> Vec<&'a str> {
        let held = self.held();
        let known: BTreeSet<&str> = held.rooms.get(room).into_iter().flatten().map(|(_, id)| id.as_str()).collect();
        state.iter().map(EventId::as_str).filter(|id| !known.contains(id)).collect()
    }

    pub(crate) fn user(&self) -> User {
        self.0.user
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now(tx: &ReadTx<'_>) -> Result<Since, StoreError> {
    let events = streams::current(tx, Stream::Events)?;
    Ok(Since { events, settled: events, receipts: streams::current(tx, Stream::Receipts)? })
}

/// Nothing notifies.
struct Silent;

impl PushRules for Silent {
    fn evaluate(&self, _event: &Object, _room: &RoomContext) -> Result<Notification, StoreError> {
        Ok(Notification::None)
    }
}

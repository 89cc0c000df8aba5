mod delivery;
mod isolation;
mod peers;
mod replay;
mod rests;

use std::time::Duration;

use ::events::{KeyId, SigningKey, UserId};
use persistence::ReadTx;
use persistence::transactions::rooms::set_member;
use serde_json::json;
use serde_json::value::RawValue;
use transport::Health;

use super::*;
use peers::Peers;

/// The body of event `n` is `{"event":n}`; some are gone, some are broken.
struct Bodies;

const PURGED: i64 = 1_000_000;
const BROKEN: i64 = 2_000_000;

impl EventBodies for Bodies {
    fn body(
        &self,
        _tx: &ReadTx<'_>,
        _room: RoomNumber,
        event: EventNumber,
    ) -> Result<Option<Box<RawValue>>, StoreError> {
        match event.0 {
            PURGED..BROKEN => Ok(None),
            BROKEN.. => Err(StoreError::Inconsistent("a test broke it".to_owned())),
            event => Ok(Some(serde_json::value::to_raw_value(&json!({ "event": event })).unwrap())),
        }
    }
}

/// The server `a.test`, and whoever it sends to.
struct World {
    database: Database,
    handles: Handles,
    peers: Arc<Peers>,
    health: Arc<Health>,
    outbound: Outbound,
}

impl World {
    fn new() -> Self {
        Self::over(Database::open_inline(None).unwrap(), 1)
    }

    fn over(database: Database, seed: u64) -> Self {
        let handles = Handles::simulated(seed);
        let peers = Arc::new(Peers::new(handles.clone()));
        let key = Arc::new(SigningKey::from_seed(KeyId::parse("ed25519:1").unwrap(), &[7; 32]));
        let health = at_once(Health::open(database.clone(), handles.clone())).unwrap();
        let client = Client::new(name("a.test"), key, Arc::clone(&peers) as _, handles.clone(), Arc::clone(&health));
        let outbound = Outbound::new(name("a.test"), database.clone(), handles.clone(), client, Arc::new(Bodies));
        Self { database, handles, peers, health, outbound }
    }

    /// Stops it where it is, as SIGKILL would, and starts it again on the same database.
    async fn restart(self, seed: u64) -> Self {
        self.handles.tasks.stop().await;
        Self::over(self.database, seed)
    }

    /// Queues events, each in a commit of its own.
    async fn send(&self, to: &[&str], events: impl IntoIterator<Item = i64>) {
        for event in events {
            let (outbound, to) = (self.outbound.clone(), names(to));
            let room = RoomNumber(event % 10);
            let queued = self.database.write(move |tx| outbound.enqueue_pdu(tx, &to, room, EventNumber(event)));
            queued.await.unwrap();
        }
    }

    /// Has each server have a user in the rooms.
    async fn share(&self, with: &[&str], rooms: impl IntoIterator<Item = i64>) {
        let users: Vec<UserId> = with.iter().map(|server| UserId::parse(format!("@user:{server}")).unwrap()).collect();
        for room in rooms {
            for user in users.clone() {
                let joined = Some(("join", EventNumber(0)));
                self.database.write(move |tx| set_member(tx, RoomNumber(room), &user, joined)).await.unwrap();
            }
        }
    }

    async fn waiting_pdus(&self, destination: &str) -> usize {
        let destination = name(destination);
        self.database.read(move |tx| rows::waiting_pdus(tx, &destination, 100_000)).await.unwrap().len()
    }

    async fn send_edu(&self, to: &[&str], edu: Edu, key: Option<&'static str>) {
        let (outbound, to) = (self.outbound.clone(), names(to));
        self.database.write(move |tx| outbound.enqueue_edu(tx, &to, &edu, key)).await.unwrap();
    }

    /// Lets time pass until `condition` holds.
    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let start = self.handles.clock.monotonic();
        while !condition(self) {
            assert!(self.handles.clock.monotonic() - start < Duration::from_hours(24), "it never happens");
            self.handles.clock.sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lets time pass until no destination has anything to do.
    async fn quiet(&self) {
        self.until(|world| world.outbound.0.destinations().values().all(|known| known.task == Task::None)).await;
    }

    async fn pass(&self, time: Duration) {
        self.handles.clock.sleep(time).await;
    }
}

fn name(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

fn names(list: &[&str]) -> BTreeSet<ServerName> {
    list.iter().map(|text| name(text)).collect()
}

fn edu(edu_type: &str, content: i64) -> Edu {
    Edu { edu_type: edu_type.to_owned(), content: json!({ "n": content }) }
}

/// Runs a future that never waits: the database of these tests answers inline.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use ::events::{EventId, KeyId, SigningKey};
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use transport::exchange::BoxFuture;
use transport::questions::{Edu, Inbox};
use transport::{Client, Exchange, ExchangeError, Health, Request, Response};

use super::*;
use crate::intake::{CheckedPdus, EduIntake, PduIntake, Staging};
use crate::volume::Volume;
use persistence::WriteTx;

/// What was taken: PDUs and EDUs are numbers here.
#[derive(Default)]
struct Taken(Arc<Mutex<BTreeSet<i64>>>);

struct Stages(Vec<i64>, Arc<Mutex<BTreeSet<i64>>>);

impl PduIntake for Taken {
    fn check<'a>(
        &'a self,
        _origin: &'a ServerName,
        pdus: Vec<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<CheckedPdus, StoreError>> {
        let numbers = pdus.iter().filter_map(|pdu| pdu.get().parse().ok()).collect();
        let staging = Box::new(Stages(numbers, Arc::clone(&self.0)));
        Box::pin(async move { Ok(CheckedPdus { results: BTreeMap::<EventId, _>::new(), staging }) })
    }
}

impl Staging for Stages {
    fn stage(self: Box<Self>, _tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        self.1.lock().unwrap().extend(self.0);
        Ok(())
    }
}

impl EduIntake for Taken {
    fn handles(&self, _edu_type: &str) -> bool {
        true
    }

    fn apply(&self, _tx: &mut WriteTx<'_>, _origin: &ServerName, edu: &Edu) -> Result<(), StoreError> {
        self.0.lock().unwrap().extend(edu.content["n"].as_i64());
        Ok(())
    }
}

/// Every server but ours. Each has delivered the PDUs and EDUs 1 to 9 after `known`, in pages of three.
struct Others {
    software: Mutex<BTreeMap<ServerName, &'static str>>,
    down: Mutex<BTreeSet<ServerName>>,
    seen: Mutex<Vec<String>>,
}

impl Exchange for Others {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        let (server, path) = (request.destination.clone(), request.path_and_query);
        self.seen.lock().unwrap().push(format!("{server} {path}"));
        if self.down.lock().unwrap().contains(&server) {
            let error = ExchangeError::Unreachable { server, reason: "it is down".to_owned() };
            return Box::pin(async move { Err(error) });
        }
        let software = self.software.lock().unwrap().get(&server).copied().unwrap_or("Synapse");
        let (status, body) = match path.as_str() {
            "/_matrix/federation/v1/version" => (200, json!({ "server": { "name": software, "version": "1" } })),
            _ if server.as_str() == "evil.test" && path.contains("delivered") => endless(),
            "/_matrix/federation/unstable/org.althing.delivered?after=known" => page(1, Some(3)),
            "/_matrix/federation/unstable/org.althing.delivered?from=3" => page(4, Some(6)),
            "/_matrix/federation/unstable/org.althing.delivered?from=6" => page(7, None),
            _ => (404, json!({ "errcode": "M_UNRECOGNIZED", "error": "what?" })),
        };
        Box::pin(async move { Ok(Response { status, body: Bytes::from(body.to_string()), retry_after: None }) })
    }
}

/// A page of a server that means ill.
fn endless() -> (u16, Value) {
    let pdus: Vec<i64> = (1..=100_000).collect();
    (200, json!({ "pdus": pdus, "edus": [], "next": 3, "complete": true }))
}

fn page(from: i64, next: Option<i64>) -> (u16, Value) {
    let edus = json!([{ "edu_type": "m.x", "content": { "n": from + 2 } }]);
    (200, json!({ "pdus": [from, from + 1], "edus": edus, "next": next, "complete": true }))
}

struct World {
    handles: Handles,
    others: Arc<Others>,
    taken: Arc<Mutex<BTreeSet<i64>>>,
    inbound: Inbound,
    pulls: Pulls,
    database: Database,
}

impl World {
    async fn over(database: Database, handles: Handles) -> Self {
        let others = Arc::new(Others { software: Mutex::default(), down: Mutex::default(), seen: Mutex::default() });
        let key = Arc::new(SigningKey::from_seed(KeyId::parse("ed25519:1").unwrap(), &[7; 32]));
        let health = Health::open(database.clone(), handles.clone()).await.unwrap();
        let client = Client::new(name("a.test"), key, Arc::clone(&others) as _, handles.clone(), health);
        let taken = Arc::default();
        let edus: Vec<Arc<dyn EduIntake>> = vec![Arc::new(Taken(Arc::clone(&taken)))];
        let pdus = Arc::new(Taken(Arc::clone(&taken)));
        let inbound =
            Inbound::new(database.clone(), handles.clone(), pdus, edus, Volume::new(None, handles.clock.clone()));
        let pulls = Pulls::new(database.clone(), handles.clone(), Requests::new(client), inbound.clone());
        for kin in ["kin.test", "evil.test"] {
            others.software.lock().unwrap().insert(name(kin), SOFTWARE);
        }
        Self { handles, others, taken, inbound, pulls, database }
    }

    /// A server that has heard `ids` from `origin` and was then stopped.
    async fn after(origin: &str, ids: &[&str]) -> Self {
        let handles = Handles::simulated(1);
        let world = Self::over(Database::open_inline(None).unwrap(), handles.clone()).await;
        for id in ids {
            world.handles.clock.sleep(Duration::from_millis(5)).await;
            world.hear(origin, id).await;
        }
        world.handles.clock.sleep(Duration::from_millis(5)).await;
        // As it was before it asked anybody.
        world
            .database
            .write({
                let origin = name(origin);
                move |tx| rows::remove(tx, &origin)
            })
            .await
            .unwrap();
        Self::over(world.database, handles).await
    }

    async fn hear(&self, origin: &str, id: &str) {
        self.inbound.receive(&name(origin), id, TransactionBody::default()).await.unwrap();
    }

    async fn pass(&self, time: Duration) {
        self.handles.clock.sleep(time).await;
    }

    async fn waiting(&self) -> usize {
        self.database.read(|tx| rows::due(tx, i64::MAX, 1_000)).await.unwrap().len()
    }

    fn asked(&self, text: &str) -> usize {
        self.others.seen.lock().unwrap().iter().filter(|seen| seen.contains(text)).count()
    }

    fn taken(&self) -> Vec<i64> {
        self.taken.lock().unwrap().iter().copied().collect()
    }
}

fn name(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

#[tokio::test(start_paused = true)]
async fn after_a_start_a_server_of_our_kind_is_asked_for_all_after_the_last_transaction() {
    let world = World::after("kin.test", &["old", "known"]).await;
    // It has delivered more when we come to ask: what it delivered before that may be lost all the same.
    world.hear("kin.test", "new").await;
    world.pulls.start();
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.taken(), Vec::from_iter(1..=9));
    assert_eq!(world.waiting().await, 0);
    assert_eq!(world.asked("/delivered") + world.asked(".delivered"), 3);
    world.pass(Duration::from_secs(3600)).await;
    world.hear("kin.test", "newer").await;
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(world.asked("kin.test"), 4, "once in a run");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_is_days_old_still_knows_after_what_to_ask() {
    let world = World::after("kin.test", &["known"]).await;
    world.pass(PULL_HORIZON - Duration::from_hours(1)).await;
    let world = World::over(world.database, world.handles).await;
    world.inbound.start();
    world.pulls.start();
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.asked("after=known"), 1);
    assert_eq!(world.taken(), Vec::from_iter(1..=9));
}

#[tokio::test(start_paused = true)]
async fn a_server_of_another_kind_hears_nothing_of_it() {
    let world = World::after("other.test", &["known"]).await;
    world.pulls.start();
    world.pass(Duration::from_secs(3600)).await;
    world.hear("other.test", "new").await;
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(world.asked("other.test /_matrix/federation/v1/version"), world.asked("other.test"));
    assert_eq!((world.waiting().await, world.taken()), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn asking_goes_on_where_it_was_until_the_horizon() {
    let world = World::after("kin.test", &["known"]).await;
    world.others.down.lock().unwrap().insert(name("kin.test"));
    world.pulls.start();
    world.pass(Duration::from_secs(200)).await;
    let asked = world.asked("kin.test");
    assert!((3..20).contains(&asked), "{asked}");
    world.database.write(|tx| rows::advance(tx, &name("kin.test"), 6)).await.unwrap();
    // It is restarted, and hears from the other before it asks.
    world.handles.tasks.stop().await;
    let world = World::over(world.database, Handles::simulated(2)).await;
    world.hear("kin.test", "new").await;
    world.pulls.start();
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(world.taken(), [7, 8, 9]);
    assert_eq!(world.waiting().await, 0);

    let world = World::after("kin.test", &["known"]).await;
    world.hear("kin.test", "new").await;
    world.others.down.lock().unwrap().insert(name("kin.test"));
    world.pulls.start();
    world.pass(PULL_HORIZON - Duration::from_secs(1)).await;
    assert_eq!(world.waiting().await, 1);
    world.pass(RETRY_MAX * 2).await;
    assert_eq!(world.waiting().await, 0);
}

#[tokio::test(start_paused = true)]
async fn who_was_never_heard_before_is_told_once_that_we_ask() {
    let handles = Handles::simulated(1);
    let world = World::over(Database::open_inline(None).unwrap(), handles).await;
    world.pulls.start();
    world.pass(Duration::from_secs(1)).await;
    world.hear("kin.test", "known").await;
    world.hear("kin.test", "second").await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.asked("after=known"), 1);
    assert_eq!(world.asked("/version"), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_is_not_asked_for_ever_and_asked_again_when_it_is_back() {
    let world = World::after("kin.test", &["known"]).await;
    world.others.down.lock().unwrap().insert(name("kin.test"));
    world.pulls.start();
    world.pass(Duration::from_hours(24)).await;
    assert_eq!(world.asked("kin.test"), usize::try_from(ATTEMPTS_UNHEARD_MAX).unwrap());
    assert_eq!(world.waiting().await, 0);
    world.others.down.lock().unwrap().clear();
    world.hear("kin.test", "new").await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.taken(), Vec::from_iter(1..=9));
}

#[tokio::test(start_paused = true)]
async fn who_tells_more_than_a_transaction_holds_and_never_ends_is_cut_short() {
    let world = World::after("evil.test", &["known"]).await;
    world.pulls.start();
    world.pass(Duration::from_secs(60)).await;
    assert_eq!(world.taken().len(), transport::limits::TRANSACTION_PDUS_MAX);
    // The second page began where the first did.
    assert_eq!(world.asked("delivered"), 2);
    assert_eq!(world.waiting().await, 0);
}

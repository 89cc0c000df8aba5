use std::collections::BTreeMap;
use std::sync::Mutex;

use ::events::EventId;
use serde_json::value::RawValue;
use transport::exchange::BoxFuture;

use super::*;
use crate::intake::Staging;
use persistence::transactions::streams::{self, Stream};

/// Takes any PDU that is a JSON string, as an event of that id. Counts what it does, and needs a second to check.
struct Intake {
    handles: Handles,
    checks: Mutex<Vec<Vec<String>>>,
    fails_to_stage: Mutex<bool>,
}

struct Staged {
    number: usize,
    fails: bool,
}

impl PduIntake for Intake {
    fn check<'a>(
        &'a self,
        _origin: &'a ServerName,
        pdus: Vec<Box<RawValue>>,
    ) -> BoxFuture<'a, Result<CheckedPdus, StoreError>> {
        Box::pin(async move {
            let ids: Vec<String> = pdus.iter().filter_map(|pdu| serde_json::from_str(pdu.get()).ok()).collect();
            self.checks.lock().unwrap().push(ids.clone());
            self.handles.clock.sleep(CHECK_TIME).await;
            let results: BTreeMap<EventId, Option<String>> = ids
                .iter()
                .map(|id| (EventId::parse(id).unwrap(), id.starts_with("$bad").then(|| "é".repeat(1000))))
                .collect();
            let fails = *self.fails_to_stage.lock().unwrap();
            Ok(CheckedPdus { results, staging: Box::new(Staged { number: ids.len(), fails }) })
        })
    }
}

impl Staging for Staged {
    fn stage(self: Box<Self>, tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        for _ in 0..self.number {
            streams::next(tx, Stream::Events)?;
        }
        if self.fails { Err(StoreError::Engine("the disk is full".to_owned())) } else { Ok(()) }
    }
}

/// Counts receipts.
struct Receipts;

impl EduIntake for Receipts {
    fn handles(&self, edu_type: &str) -> bool {
        edu_type == "m.receipt"
    }

    fn apply(&self, tx: &mut WriteTx<'_>, _origin: &ServerName, _edu: &Edu) -> Result<(), StoreError> {
        streams::next(tx, Stream::Receipts).map(drop)
    }
}

const CHECK_TIME: Duration = Duration::from_secs(1);
/// What one server may have stored in a day.
const DAY_BYTES: u64 = 1 << 20;

struct World {
    database: Database,
    handles: Handles,
    intake: Arc<Intake>,
    inbound: Inbound,
}

impl World {
    fn new() -> Self {
        Self::over(Database::open_inline(None).unwrap())
    }

    /// A server that has just started on this database.
    fn over(database: Database) -> Self {
        let handles = Handles::simulated(1);
        let intake =
            Arc::new(Intake { handles: handles.clone(), checks: Mutex::default(), fails_to_stage: Mutex::default() });
        let volume = Volume::new(Some(DAY_BYTES), Arc::clone(&handles.clock));
        let inbound =
            Inbound::new(database.clone(), handles.clone(), Arc::clone(&intake) as _, vec![Arc::new(Receipts)], volume);
        Self { database, handles, intake, inbound }
    }

    async fn receive(&self, origin: &str, id: &str, pdus: &[&str]) -> Result<Value, ApiError> {
        self.inbound.receive(&name(origin), id, body(pdus)).await
    }

    fn checks(&self) -> usize {
        self.intake.checks.lock().unwrap().len()
    }

    /// Lets time pass until `condition` holds.
    async fn until(&self, condition: impl Fn() -> bool) {
        while !condition() {
            self.handles.clock.sleep(Duration::from_millis(1)).await;
        }
    }

    /// How many events were staged, how many receipts applied, how many answers stored.
    async fn written(&self) -> (i64, i64, i64) {
        self.database
            .read(|tx| {
                let count = |stream| streams::current(tx, stream).map(|position| position.0);
                let answers = received_transactions::count(tx)?;
                Ok::<_, StoreError>((count(Stream::Events)?, count(Stream::Receipts)?, answers))
            })
            .await
            .unwrap()
    }
}

fn name(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

/// These PDUs, a receipt, and an EDU that nobody knows.
fn body(pdus: &[&str]) -> TransactionBody {
    let edu = |edu_type: &str| Edu { edu_type: edu_type.to_owned(), content: json!({}) };
    TransactionBody {
        pdus: pdus.iter().map(|id| serde_json::value::to_raw_value(id).unwrap()).collect(),
        edus: vec![edu("m.receipt"), edu("org.example.unknown")],
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_transaction_gets_the_first_answer_and_does_nothing() {
    let world = World::new();
    let first = world.receive("b.test", "1", &["$x", "$bad"]).await.unwrap();
    assert_eq!(first["pdus"]["$x"], json!({}));
    assert!(first["pdus"]["$bad"]["error"].as_str().unwrap().starts_with('é'));
    assert_eq!(world.written().await, (2, 1, 1));
    // Even with other content, even after a restart.
    for world in [&world, &World::over(world.database.clone())] {
        assert_eq!(world.receive("b.test", "1", &["$y"]).await.unwrap(), first);
        assert_eq!(world.written().await, (2, 1, 1));
    }
    assert_eq!(world.checks(), 1);
    // Another origin with the same id is another transaction.
    world.receive("c.test", "1", &["$x"]).await.unwrap();
    assert_eq!(world.written().await, (3, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn identical_requests_at_the_same_instant_are_processed_once() {
    let world = World::new();
    let one = || world.receive("b.test", "1", &["$x"]);
    let (a, b, c) = tokio::join!(one(), one(), one());
    assert!(a.is_ok() && a == b && b == c);
    assert_eq!((world.checks(), world.written().await), (1, (1, 1, 1)));
}

#[tokio::test(start_paused = true)]
async fn two_processes_over_one_database_store_one_answer() {
    let world = World::new();
    let other = World::over(world.database.clone());
    let (a, b) = tokio::join!(world.receive("b.test", "1", &["$x"]), other.receive("b.test", "1", &["$x"]));
    assert_eq!((world.checks(), other.checks()), (1, 1), "both were at it at the same time");
    assert_eq!(a, b);
    assert_eq!(world.written().await, (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_origin_has_one_turn_at_a_time_and_others_do_not_wait_for_it() {
    let world = World::new();
    let start = world.handles.clock.monotonic();
    let took = |from: &'static str, id: &'static str| {
        let world = &world;
        async move {
            world.receive(from, id, &[]).await.unwrap();
            world.handles.clock.monotonic() - start
        }
    };
    let (b1, b2, b3, c1) =
        tokio::join!(took("b.test", "1"), took("b.test", "2"), took("b.test", "3"), took("c.test", "1"));
    assert_eq!([b1, b2, b3, c1].map(|took| took.as_secs()), [1, 2, 3, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_has_too_much_stored_waits_and_loses_nothing() {
    let world = World::new();
    let pdus = vec!["$1"; 50];
    // With their quotes, and beside them two EDUs of `{}`.
    let each = 50 * (PDU_BYTES + 4) + 4;
    let taken = DAY_BYTES.div_ceil(each);
    for id in 0..taken {
        world.receive("b.test", &id.to_string(), &pdus).await.unwrap();
    }
    let before = world.written().await;
    let refused = world.receive("b.test", "more", &pdus).await.unwrap_err();
    assert_eq!((refused.status, refused.errcode), (429, "M_LIMIT_EXCEEDED"));
    assert_eq!(world.written().await, before, "nothing is kept of what was refused");
    world.receive("b.test", "0", &pdus).await.unwrap();
    world.receive("c.test", "0", &pdus).await.unwrap();
    let wait =
        refused.extra.iter().find_map(|(key, value)| value.as_u64().filter(|_| *key == "retry_after_ms")).unwrap();
    world.handles.clock.sleep(Duration::from_millis(wait + 1_000)).await;
    world.receive("b.test", "more", &pdus).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_sends_too_many_at_once_is_told_so() {
    let world = World::new();
    let ids: Vec<String> = (0..=turns::PER_ORIGIN_MAX).map(|id| id.to_string()).collect();
    let tasks = handles::Tasks::default();
    for id in &ids[1..] {
        let (inbound, id) = (world.inbound.clone(), id.clone());
        tasks.spawn("ask", async move { drop(inbound.receive(&name("b.test"), &id, body(&[])).await) });
    }
    world.until(|| world.checks() > 0).await;
    let refused = world.receive("b.test", &ids[0], &[]).await.unwrap_err();
    assert_eq!((refused.status, refused.errcode), (429, "M_LIMIT_EXCEEDED"));
    world.until(|| tasks.count() == 0).await;
    assert!(world.receive("b.test", &ids[0], &[]).await.is_ok(), "later it is taken");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_gives_up_waiting_finds_the_answer_when_it_comes_back() {
    let world = World::new();
    let tasks = handles::Tasks::default();
    let inbound = world.inbound.clone();
    tasks.spawn("ask", async move { drop(inbound.receive(&name("b.test"), "1", body(&["$x"])).await) });
    world.until(|| world.checks() > 0).await;
    tasks.stop().await;
    world.until(|| world.handles.tasks.count() == 0).await;
    assert_eq!(world.written().await, (1, 1, 1));
    assert!(world.receive("b.test", "1", &["$x"]).await.is_ok());
    assert_eq!(world.checks(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_leaves_nothing_and_the_repetition_is_processed() {
    let world = World::new();
    let tasks = handles::Tasks::default();
    let inbound = world.inbound.clone();
    let answer = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&answer);
    tasks.spawn("ask", async move {
        let answer = inbound.receive(&name("b.test"), "1", body(&["$x"])).await;
        *seen.lock().unwrap() = Some(answer);
    });
    world.until(|| world.checks() > 0).await;
    world.handles.tasks.stop().await;
    world.until(|| tasks.count() == 0).await;
    let refused = answer.lock().unwrap().take().unwrap().unwrap_err();
    assert_eq!((refused.status, world.written().await), (503, (0, 0, 0)));
    assert!(world.receive("b.test", "1", &["$x"]).await.is_ok());
    assert_eq!(world.written().await, (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_staged_is_not_acknowledged() {
    let world = World::new();
    *world.intake.fails_to_stage.lock().unwrap() = true;
    assert_eq!(world.receive("b.test", "1", &["$x"]).await.unwrap_err().status, 500);
    assert_eq!(world.written().await, (0, 0, 0), "neither the answer nor the EDUs' effects");
    *world.intake.fails_to_stage.lock().unwrap() = false;
    assert!(world.receive("b.test", "1", &["$x"]).await.is_ok());
    assert_eq!(world.written().await, (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn answers_are_bounded_by_count_and_by_age() {
    let world = World::new();
    for id in 0..ANSWERS_PER_ORIGIN_MAX + 5 {
        world.receive("b.test", &id.to_string(), &[]).await.unwrap();
    }
    assert_eq!(world.written().await.2, ANSWERS_PER_ORIGIN_MAX);
    let checks = world.checks();
    world.receive("b.test", &(ANSWERS_PER_ORIGIN_MAX + 4).to_string(), &[]).await.unwrap();
    assert_eq!(world.checks(), checks, "the latest is kept");

    world.handles.clock.sleep(ANSWER_AGE_MAX - PURGE_INTERVAL).await;
    world.receive("c.test", "1", &[]).await.unwrap();
    world.handles.clock.sleep(PURGE_INTERVAL).await;
    world.inbound.start();
    while world.written().await.2 > 1 {
        world.handles.clock.sleep(CHECK_TIME).await;
    }
    assert_eq!(world.written().await.2, 1, "the young one is kept");
}

#[tokio::test(start_paused = true)]
async fn ids_and_errors_are_bounded() {
    let world = World::new();
    for bad in [String::new(), "x".repeat(TRANSACTION_ID_BYTES_MAX + 1)] {
        assert_eq!(world.receive("b.test", &bad, &[]).await.unwrap_err().status, 400);
    }
    let answer = world.receive("b.test", "1", &["$bad"]).await.unwrap();
    assert_eq!(answer["pdus"]["$bad"]["error"].as_str().unwrap().len(), ERROR_BYTES_MAX);
}

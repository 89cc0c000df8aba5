//! Receipts that another server sends: of its own users, of sizes that are some, and not without end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use events::{EventId, Object, RoomId, RoomVersion, ServerName, UserId, Value};
use handles::Handles;
use messaging::limits::RECEIPTS_PER_EDU_MAX;
use messaging::membership::RoomRef;
use messaging::rooms::{NewRoom, Preset};
use persistence::transactions::{receipts, rooms};
use persistence::{Position, StoreError};
use serde_json::json;
use simulation::{Network, SimulatedServer};
use transaction::EduIntake;
use transport::questions::Edu;

const ALICE: &str = "@alice:a.test";
const BOB: &str = "@bob:b.test";

/// A room of two servers, as the first knows it.
struct Scene {
    here: SimulatedServer,
    room: RoomId,
    event: EventId,
}

impl Scene {
    async fn new() -> Self {
        let handles = Handles::simulated(4712);
        let network = Network::new(handles.clone());
        let (a, b) = (ServerName::parse("a.test").unwrap(), ServerName::parse("b.test").unwrap());
        let here = SimulatedServer::start(&network, &a, handles.clone()).await.unwrap();
        let there = SimulatedServer::start(&network, &b, handles.clone()).await.unwrap();
        let new = NewRoom::new(UserId::parse(ALICE).unwrap(), RoomVersion::V12, Preset::PublicChat);
        let room = here.messaging().create_room(new).await.unwrap();
        let bob = UserId::parse(BOB).unwrap();
        let via = [here.name().clone()];
        there.messaging().join(&bob, &RoomRef::Id(room.clone()), &via, Object::new()).await.unwrap();
        let event = here.messaging().member_event(&room, &bob).await.unwrap().unwrap();
        Self { here, room, event }
    }

    /// A receipt, for a thread or for all.
    fn receipt(&self, user: &str, thread: Option<&str>) -> Value {
        let mut data = json!({ "ts": 1 });
        if let Some(thread) = thread {
            data["thread_id"] = json!(thread);
        }
        json!({ "m.read": { user: { "event_ids": [self.event], "data": data } } })
    }

    /// Takes an EDU of b.test with these receipts, by room. Returns who has which here then: the user and the thread.
    async fn receive(&self, receipts_by_room: Object) -> Vec<(String, String)> {
        let messaging = self.here.messaging().clone();
        let edu = Edu { edu_type: "m.receipt".to_owned(), content: Value::Object(receipts_by_room) };
        let room = self.room.clone();
        let took = self.here.database().write(move |tx| {
            messaging.apply(tx, &ServerName::parse("b.test").unwrap(), &edu)?;
            let row = rooms::by_id(tx, &room)?.unwrap();
            let all = receipts::between(tx, row.number, Position(0), Position(i64::MAX))?;
            Ok::<_, StoreError>(all.into_iter().map(|receipt| (receipt.user.to_string(), receipt.thread)).collect())
        });
        took.await.unwrap()
    }

    /// When the receipt of bob was made that is there after `receipts` came, each made at such a time.
    async fn receive_of_times(&self, receipts: &[i64]) -> i64 {
        for at in receipts {
            let data = json!({ "m.read": { BOB: { "event_ids": [self.event], "data": { "ts": at } } } });
            self.receive_one(data).await;
        }
        let (room, bob) = (self.room.clone(), UserId::parse(BOB).unwrap());
        let found = self.here.database().read(move |tx| {
            let row = rooms::by_id(tx, &room)?.unwrap();
            Ok::<_, StoreError>(receipts::find(tx, row.number, &bob, "m.read", "")?.unwrap().at)
        });
        found.await.unwrap()
    }

    async fn receive_one(&self, receipt: Value) -> Vec<(String, String)> {
        self.receive(Object::from_iter([(self.room.to_string(), receipt)])).await
    }
}

fn of_bob(thread: &str) -> Vec<(String, String)> {
    vec![(BOB.to_owned(), thread.to_owned())]
}

#[tokio::test(start_paused = true)]
async fn a_server_says_how_far_its_own_users_have_read() {
    let scene = Scene::new().await;
    assert_eq!(scene.receive_one(scene.receipt(ALICE, None)).await, []);
    assert_eq!(scene.receive_one(scene.receipt("@stranger:b.test", None)).await, []);
    assert_eq!(scene.receive_one(scene.receipt(BOB, None)).await, of_bob(""));
}

#[tokio::test(start_paused = true)]
async fn a_thread_is_called_main_or_as_the_event_that_it_grows_from() {
    let scene = Scene::new().await;
    for nonsense in ["", "m", &format!("${}", "a".repeat(1_000_000))] {
        assert_eq!(scene.receive_one(scene.receipt(BOB, Some(nonsense))).await, [], "{nonsense:.20}");
    }
    assert_eq!(scene.receive_one(scene.receipt(BOB, Some("main"))).await, of_bob("main"));
    let both = scene.receive_one(scene.receipt(BOB, Some("$root"))).await;
    assert_eq!(both, [of_bob("main"), of_bob("$root")].concat());
}

#[tokio::test(start_paused = true)]
async fn an_edu_is_read_up_to_so_many_receipts_or_rooms() {
    let scene = Scene::new().await;
    // Rooms that are not there, and come before ours in the order of what is said.
    let elsewhere = |count: usize| (0..count).map(|number| (format!("! {number}:b.test"), json!({})));
    let named_after = |count: usize| {
        let ours = (scene.room.to_string(), scene.receipt(BOB, None));
        elsewhere(count).chain([ours]).collect::<Object>()
    };
    assert_eq!(scene.receive(named_after(RECEIPTS_PER_EDU_MAX)).await, []);
    assert_eq!(scene.receive(named_after(RECEIPTS_PER_EDU_MAX - 1)).await, of_bob(""));
}

#[tokio::test(start_paused = true)]
async fn an_older_receipt_that_comes_late_takes_nothing_back() {
    let scene = Scene::new().await;
    let now = scene.here.handles().clock.now();
    assert_eq!(scene.receive_of_times(&[now - 2_000, now - 1_000, now - 1_500]).await, now - 1_000);
    let ahead = now + 1_200_000;
    assert_eq!(
        scene.receive_of_times(&[ahead, ahead - 1_000]).await,
        ahead,
        "its clock is ahead, and goes on being so"
    );
    assert_eq!(scene.receive_of_times(&[now + 4_000_000, now]).await, now, "it was far ahead, and was put right");
}

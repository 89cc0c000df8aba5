//! Whoever follows memberships only is told of them, and costs nothing while others talk.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use events::{Object, RoomId, RoomVersion, ServerName, UserId};
use handles::Handles;
use messaging::limits::SUBSCRIPTION_SKIPPED_MAX;
use messaging::rooms::{NewRoom, Preset};
use messaging::subscription::{Subscription, Wanted};
use persistence::Position;
use persistence::transactions::subscriptions;
use serde_json::json;
use simulation::{Network, SimulatedServer};

const ALICE: &str = "@alice:a.test";

async fn a_room() -> (SimulatedServer, RoomId) {
    let handles = Handles::simulated(4713);
    let network = Network::new(handles.clone());
    let server = SimulatedServer::start(&network, &ServerName::parse("a.test").unwrap(), handles).await.unwrap();
    let new = NewRoom::new(UserId::parse(ALICE).unwrap(), RoomVersion::V12, Preset::PublicChat);
    let room = server.messaging().create_room(new).await.unwrap();
    (server, room)
}

async fn say(server: &SimulatedServer, room: &RoomId, times: usize) {
    for number in 0..times {
        let content = Object::from_iter([("body".to_owned(), json!(number.to_string()))]);
        let alice = UserId::parse(ALICE).unwrap();
        server.messaging().send_message(&alice, room, "m.room.message", content, None).await.unwrap();
    }
}

async fn join(server: &SimulatedServer, room: &RoomId, user: &str) {
    let user = UserId::parse(user).unwrap();
    let room = messaging::membership::RoomRef::Id(room.clone());
    server.messaging().join(&user, &room, &[], Object::new()).await.unwrap();
}

/// Who became what in the next events.
async fn told(subscription: &mut Subscription) -> Vec<(String, String)> {
    let page = subscription.next().await.unwrap();
    let last = page.last().unwrap().position;
    subscription.acknowledge(last).await.unwrap();
    let member = |pdu: &events::Pdu| (pdu.state_key().unwrap().to_owned(), pdu.membership().unwrap().to_owned());
    page.iter().map(|happened| member(&happened.pdu)).collect()
}

async fn stored(server: &SimulatedServer) -> Position {
    server.database().write(|tx| subscriptions::take_up(tx, "test")).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn memberships_come_and_nothing_else() {
    let (server, room) = a_room().await;
    let mut subscription = server.messaging().subscribe("test", Wanted::Memberships).await.unwrap();
    say(&server, &room, 150).await;
    join(&server, &room, "@bob:a.test").await;
    say(&server, &room, 1).await;
    join(&server, &room, "@carol:a.test").await;
    let mut all = told(&mut subscription).await;
    if all.len() < 2 {
        all.extend(told(&mut subscription).await);
    }
    assert_eq!(all, [("@bob:a.test".to_owned(), "join".to_owned()), ("@carol:a.test".to_owned(), "join".to_owned())]);
    // After a restart nothing comes again that was acknowledged.
    let mut again = server.messaging().subscribe("test", Wanted::Memberships).await.unwrap();
    join(&server, &room, "@dave:a.test").await;
    assert_eq!(told(&mut again).await, [("@dave:a.test".to_owned(), "join".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_over_is_stored_seldom_but_stored() {
    let (server, room) = a_room().await;
    let mut subscription = server.messaging().subscribe("test", Wanted::Memberships).await.unwrap();
    let began = stored(&server).await;
    let talk = async {
        say(&server, &room, SUBSCRIPTION_SKIPPED_MAX - 100).await;
        assert_eq!(stored(&server).await, began);
        say(&server, &room, 300).await;
        assert!(stored(&server).await > began);
        join(&server, &room, "@bob:a.test").await;
    };
    let (told, ()) = tokio::join!(told(&mut subscription), talk);
    assert_eq!(told, [("@bob:a.test".to_owned(), "join".to_owned())]);
}

/// Who has not acknowledged what was told has it told again, however much was passed over since.
#[tokio::test(start_paused = true)]
async fn what_is_passed_over_acknowledges_nothing() {
    let (server, room) = a_room().await;
    let mut subscription = server.messaging().subscribe("test", Wanted::Memberships).await.unwrap();
    join(&server, &room, "@bob:a.test").await;
    assert_eq!(subscription.next().await.unwrap().len(), 1);
    let talk = async {
        say(&server, &room, SUBSCRIPTION_SKIPPED_MAX + 200).await;
        join(&server, &room, "@carol:a.test").await;
    };
    let (page, ()) = tokio::join!(subscription.next(), talk);
    assert_eq!(page.unwrap().len(), 1);
    let mut again = server.messaging().subscribe("test", Wanted::Memberships).await.unwrap();
    assert_eq!(told(&mut again).await, [("@bob:a.test".to_owned(), "join".to_owned())]);
}

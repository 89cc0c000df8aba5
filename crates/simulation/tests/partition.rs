//! Two servers share a room, are cut off from each other, both send, and agree once the link is mended.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use std::collections::BTreeSet;
use std::time::Duration;

use events::{Object, RoomId, RoomVersion, ServerName, UserId, Value};
use handles::Handles;
use messaging::filter::RoomEventFilter;
use messaging::membership::RoomRef;
use messaging::reading::Viewer;
use messaging::reading::history::PageRequest;
use messaging::rooms::{NewRoom, Preset};
use persistence::transactions::graph::Direction;
use serde_json::json;
use simulation::{Network, SimulatedServer};

/// How long the servers may take to agree, in virtual time: longer than the longest rest of a destination.
const AGREE_MAX: Duration = Duration::from_secs(2 * 3600);
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn rooms_converge_after_a_partition() {
    let outcome = run(4711).await;
    assert!(outcome.trace.iter().any(|line| line.ends_with("unreachable")), "the partition was felt");
    assert!(outcome.forked, "there was a fork");
}

struct Outcome {
    trace: Vec<String>,
    forked: bool,
}

async fn run(seed: u64) -> Outcome {
    let handles = Handles::simulated(seed);
    let network = Network::new(handles.clone());
    let (a, b) = (start(&network, "a.test", &handles).await, start(&network, "b.test", &handles).await);
    let (alice, bob) = (user("@alice:a.test"), user("@bob:b.test"));
    let new = NewRoom::new(alice.clone(), RoomVersion::V12, Preset::PublicChat);
    let room = a.messaging().create_room(new).await.unwrap();
    b.messaging().join(&bob, &RoomRef::Id(room.clone()), &[a.name().clone()], Object::new()).await.unwrap();
    say(&a, &alice, &room, "hello").await;
    until_equal(&handles, &a, &alice, &b, &bob, &room).await;

    network.cut(a.name(), b.name());
    for number in 0..3 {
        say(&a, &alice, &room, &format!("a{number}")).await;
        say(&b, &bob, &room, &format!("b{number}")).await;
    }
    let content = Object::from_iter([("topic".to_owned(), json!("while apart"))]);
    a.messaging().set_state(&alice, &room, "m.room.topic", "", content).await.unwrap();
    until_both_failed(&handles, &network, &a, &b).await;
    let (of_a, of_b) = (messages(&a, &alice, &room).await, messages(&b, &bob, &room).await);
    let forked = of_a.difference(&of_b).next().is_some() && of_b.difference(&of_a).next().is_some();
    network.heal();
    until_equal(&handles, &a, &alice, &b, &bob, &room).await;

    let state =
        |events: Vec<Value>| -> BTreeSet<String> { events.iter().map(|event| event["event_id"].to_string()).collect() };
    let of_a = state(a.messaging().room_state(&viewer(&alice), &room).await.unwrap());
    let of_b = state(b.messaging().room_state(&viewer(&bob), &room).await.unwrap());
    assert_eq!(of_a, of_b);
    assert_eq!(messages(&a, &alice, &room).await.len(), 7);
    handles.tasks.stop().await;
    Outcome { trace: network.trace(), forked }
}

async fn start(network: &Network, name: &str, handles: &Handles) -> SimulatedServer {
    SimulatedServer::start(network, &ServerName::parse(name).unwrap(), handles.clone()).await.unwrap()
}

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn viewer(user: &UserId) -> Viewer {
    Viewer { user: user.clone(), device: "D".to_owned() }
}

async fn say(server: &SimulatedServer, sender: &UserId, room: &RoomId, text: &str) {
    let content = Object::from_iter([("msgtype".to_owned(), json!("m.text")), ("body".to_owned(), json!(text))]);
    server.messaging().send_message(sender, room, "m.room.message", content, None).await.unwrap();
}

/// The bodies of all messages that a user sees.
async fn messages(server: &SimulatedServer, reader: &UserId, room: &RoomId) -> BTreeSet<String> {
    let request = PageRequest {
        from: None,
        to: None,
        direction: Direction::Backwards,
        limit: 100,
        filter: RoomEventFilter::default(),
    };
    let page = server.messaging().history(&viewer(reader), room, request).await.unwrap();
    let bodies = page.chunk.iter().filter(|event| event["type"] == "m.room.message");
    bodies.filter_map(|event| event["content"]["body"].as_str().map(str::to_owned)).collect()
}

/// Lets virtual time pass until each has tried to reach the other, and could not.
async fn until_both_failed(handles: &Handles, network: &Network, a: &SimulatedServer, b: &SimulatedServer) {
    let deadline = handles.clock.monotonic() + AGREE_MAX;
    let failed = |server: &SimulatedServer| {
        let name = format!(" {} ", server.name());
        network.trace().iter().any(|line| line.contains(&name) && line.ends_with("unreachable"))
    };
    while !(failed(a) && failed(b)) {
        assert!(handles.clock.monotonic() < deadline, "nobody felt the partition");
        handles.clock.sleep(LOOK_EVERY).await;
    }
}

/// Lets virtual time pass until both see the same messages, within a limit.
async fn until_equal(
    handles: &Handles,
    a: &SimulatedServer,
    alice: &UserId,
    b: &SimulatedServer,
    bob: &UserId,
    room: &RoomId,
) {
    let deadline = handles.clock.monotonic() + AGREE_MAX;
    loop {
        let (of_a, of_b) = (messages(a, alice, room).await, messages(b, bob, room).await);
        if !of_a.is_empty() && of_a == of_b {
            return;
        }
        assert!(handles.clock.monotonic() < deadline, "the servers do not agree: {of_a:?} and {of_b:?}");
        handles.clock.sleep(LOOK_EVERY).await;
    }
}

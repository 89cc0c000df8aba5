//! A room with 20,000 members whose 100,000 state events are stored: what it costs to touch it first, to send in it, and the
//! memory that it takes.
//!
//! `cargo bench -p pdu --bench large_room`
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#![expect(clippy::unwrap_used, reason = "a benchmark ends where its room cannot be made")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use events::auth::auth_types;
use events::{EventId, KeyId, Object, Pdu, RoomId, RoomVersion, ServerName, SigningKey, UserId, Value};
use handles::{Handles, Notifier};
use pdu::{Draft, Graph, Parts, StoredBodies};
use persistence::transactions::graph::{self as graph_rows, Outcome, Place};
use persistence::transactions::{events as event_rows, rooms as room_rows, state as state_rows};
use persistence::{Database, Position, StoreError, WriteTx};
use serde_json::json;
use transaction::{Outbound, Requests, Volume};
use transport::exchange::BoxFuture;
use transport::{Client, Exchange, ExchangeError, Health, KeyRing, Request, Response};

const VERSION: RoomVersion = RoomVersion::V11;
const MEMBERS: usize = 20_000;
const STATE_EVENTS: usize = 100_000;
const SERVERS: usize = 1_000;
const MESSAGES: usize = 200;
/// Events written in one transaction.
const BATCH: usize = 1_000;

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let path = folder.path().join("large.db");
        let room = write_room(&path).await;
        println!("| what | result |\n| --- | --- |");
        measure(&path, &room).await;
    });
}

async fn measure(path: &Path, room: &RoomId) {
    let graph = graph(Database::open(path).unwrap()).await;
    let before = resident();
    let begin = Instant::now();
    let message = |text: String| Draft {
        sender: user(0),
        event_type: "m.room.message".to_owned(),
        state_key: None,
        content: json!({"msgtype": "m.text", "body": text}).as_object().cloned().unwrap(),
        redacts: None,
    };
    graph.send(room, vec![message("first".to_owned())], None).await.unwrap();
    println!("| first message: the room is loaded | {:.0} ms |", begin.elapsed().as_secs_f64() * 1e3);
    println!("| memory for it | {} MiB |", (resident() - before) / (1 << 20));
    let mut times = Vec::new();
    for number in 0..MESSAGES {
        let begin = Instant::now();
        graph.send(room, vec![message(number.to_string())], None).await.unwrap();
        times.push(begin.elapsed());
    }
    println!(
        "| each further message, to {} servers, median | {:.2} ms |",
        SERVERS - 1,
        median(times).as_secs_f64() * 1e3
    );
    let mut times = Vec::new();
    for number in 0..MESSAGES {
        let topic = json!({"topic": number.to_string()}).as_object().cloned().unwrap();
        let draft = Draft {
            event_type: "m.room.topic".to_owned(),
            state_key: Some(String::new()),
            content: topic,
            ..message(String::new())
        };
        let begin = Instant::now();
        graph.send(room, vec![draft], None).await.unwrap();
        times.push(begin.elapsed());
    }
    println!("| each state event, median | {:.2} ms |", median(times).as_secs_f64() * 1e3);
    println!("| memory in the end | {} MiB |", (resident() - before) / (1 << 20));
    graph.handles().tasks.stop().await;
    graph.database().close().await;
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Bytes of memory that the process has.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap() * 4096
}

/// Nobody is there.
struct Nobody;

impl Exchange for Nobody {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, ExchangeError>> {
        let server = request.destination;
        Box::pin(async { Err(ExchangeError::Unreachable { server, reason: "nobody is there".to_owned() }) })
    }
}

async fn graph(database: Database) -> Graph {
    let (handles, name) = (Handles::system(), ServerName::parse("s0.test").unwrap());
    let key = Arc::new(SigningKey::from_seed(KeyId::parse("ed25519:bench").unwrap(), &[1; 32]));
    let health = Health::open(database.clone(), handles.clone()).await.unwrap();
    let client = Client::new(name.clone(), Arc::clone(&key), Arc::new(Nobody), handles.clone(), health);
    let key_ring =
        KeyRing::new(Arc::clone(&key), Vec::new(), client.clone(), database.clone(), handles.clone(), Vec::new());
    let outbound =
        Outbound::new(name.clone(), database.clone(), handles.clone(), client.clone(), Arc::new(StoredBodies));
    let volume = Volume::new(None, handles.clock.clone());
    Graph::new(Parts {
        server_name: name,
        signing_key: key,
        database,
        handles,
        key_ring: Arc::new(key_ring),
        requests: Requests::new(client),
        outbound,
        notifier: Notifier::default(),
        volume,
    })
}

fn user(at: usize) -> UserId {
    UserId::parse(format!("@member{at}:s{}.test", at % SERVERS)).unwrap()
}

/// The room's events so far, and who holds what.
struct Made {
    room_id: RoomId,
    state: BTreeMap<(String, String), EventId>,
    pdus: Vec<Pdu>,
}

/// Writes the room into a new database: 20,000 joins, then members change their names.
async fn write_room(path: &Path) -> RoomId {
    let mut made = Made { room_id: RoomId::parse("!large:s0.test").unwrap(), state: BTreeMap::new(), pdus: Vec::new() };
    made.add(&user(0), "m.room.create", "", json!({"room_version": VERSION.as_str()}));
    made.join(0, 0);
    made.add(&user(0), "m.room.power_levels", "", json!({"users": {user(0).as_str(): 100}}));
    made.add(&user(0), "m.room.join_rules", "", json!({"join_rule": "public"}));
    (1..MEMBERS).for_each(|at| made.join(at, 0));
    (0..STATE_EVENTS - made.pdus.len()).for_each(|number| made.join(number * 7 % MEMBERS, number + 1));
    let database = Database::open(path).unwrap();
    let id = made.room_id.clone();
    let room = database.write(move |tx| room_rows::intern(tx, &id, VERSION)).await.unwrap();
    for batch in made.pdus.chunks(BATCH) {
        let batch = batch.to_vec();
        database
            .write(move |tx| {
                for pdu in &batch {
                    let event = event_rows::store(tx, room, pdu, false)?;
                    event_rows::store_verdict(tx, room, event, "{}")?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }
    let last = made.pdus.last().unwrap().clone();
    let state = made.state;
    database.write(move |tx| write_state(tx, room, &state, &last)).await.unwrap();
    database.close().await;
    made.room_id
}

fn write_state(
    tx: &mut WriteTx<'_>,
    room: persistence::RoomNumber,
    state: &BTreeMap<(String, String), EventId>,
    last: &Pdu,
) -> Result<(), StoreError> {
    let mut changes = Vec::new();
    for ((event_type, state_key), event) in state {
        let event = event_rows::intern(tx, room, event)?;
        changes.push((state_rows::intern_key(tx, event_type, state_key)?, Some(event)));
        room_rows::set_current(tx, room, Position::default(), event_type, state_key, Some(event))?;
        if let Ok(user) = UserId::parse(state_key) {
            room_rows::set_member(tx, room, &user, Some(("join", event)))?;
        }
    }
    let snapshot = state_rows::store(tx, room, None, &changes)?;
    let event = event_rows::intern(tx, room, last.event_id())?;
    let place = Place {
        event,
        arrival: None,
        topological: 1,
        state_before: Some(snapshot),
        state_after: Some(snapshot),
        outcome: Outcome::Accepted,
    };
    graph_rows::insert(tx, room, &place, &[])?;
    graph_rows::set_extremities(tx, room, &[], &[event])?;
    room_rows::advance(tx, room, 0, Some(snapshot))?;
    Ok(())
}

impl Made {
    fn join(&mut self, at: usize, name: usize) {
        let user = user(at);
        let content = json!({"membership": "join", "displayname": format!("Member {at}, called {name}"), "avatar_url": "mxc://s0.test/abcdefghijklmnop"});
        self.add(&user, "m.room.member", user.as_str(), content);
    }

    fn add(&mut self, sender: &UserId, event_type: &str, state_key: &str, content: Value) {
        let types = auth_types(VERSION.rules(), event_type, sender, Some(state_key), content.as_object().unwrap());
        let auth_events: Vec<&EventId> = types.iter().filter_map(|key| self.state.get(key)).collect();
        let prev_events: Vec<&EventId> = self.pdus.last().iter().map(|pdu| pdu.event_id()).collect();
        let object = json!({
            "room_id": self.room_id, "sender": sender, "type": event_type, "state_key": state_key, "content": content,
            "depth": self.pdus.len(), "origin_server_ts": self.pdus.len(), "prev_events": prev_events,
            "auth_events": auth_events, "hashes": {"sha256": "u0jM0zqqRjCn3wpxrNyUUuOTn0XLo4xsbEEJpbpcHGk"},
            "signatures": {sender.server().as_str(): {"ed25519:bench": "GmMzwVKOIcGPrBOsTVGSrYPWhSGN8TVGqSMZcnbUzbxtFqUNTW1XPdVIAvvrTQHLrWAlvNSVfkFsyTcCPwzQCA"}},
        });
        let object: Object = object.as_object().cloned().unwrap();
        let id = events::hash::event_id(&object, VERSION).unwrap();
        let pdu = Pdu::from_store(object, VERSION, id.clone(), false).unwrap();
        self.state.insert((event_type.to_owned(), state_key.to_owned()), id);
        self.pdus.push(pdu);
    }
}

//! Events of other servers: staged with their transaction, then written as a room's commit writes them, fifty at a time; beside
//! rows of the same content without anything that makes them a room.
//!
//! `cargo bench -p persistence --bench inbound [-- SECONDS]`: so long for each row, 5 if left out.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::path::Path;
use std::time::{Duration, Instant};

use events::{EventId, Object, Pdu, RoomId, RoomVersion, ServerName};
use persistence::transactions::graph::{self, Outcome, Place};
use persistence::transactions::streams::{self, Stream};
use persistence::transactions::{events as event_rows, rooms, staging, state};
use persistence::{Database, EventNumber, RoomNumber, SnapshotNumber, StoreError, WriteTx};
use tokio::task::JoinSet;

/// Rooms that advance at the same time.
const ROOMS: [usize; 2] = [1, 8];
/// PDUs in a transaction. S2S API, "Transactions".
const BATCH: usize = 50;
/// Messages between two state changes.
const MESSAGES_PER_STATE_CHANGE: usize = 25;
/// As a verdict on an event that was accepted.
const VERDICT: &str =
    r#"{"step":"passed","rejection":null,"origin":"remote.example","decided_at":1795580000000,"resolved_from":[]}"#;

fn main() {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let duration = Duration::from_secs(seconds);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    println!("| what | events a second | batches a second | p50 ms | p99 ms | max ms | bytes an event |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for count in ROOMS {
        runtime.block_on(run(folder.path(), count, Kind::Floor, duration));
        runtime.block_on(run(folder.path(), count, Kind::Staged, duration));
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Two tables with the content, each with an index of ids, the one emptied into the other.
    Floor,
    /// As the server does.
    Staged,
}

/// What a room's next batch builds on.
struct Room {
    number: RoomNumber,
    room_id: RoomId,
    turn: i64,
    heads: Vec<EventNumber>,
    parent: String,
    state: Option<SnapshotNumber>,
    sequence: usize,
}

async fn run(folder: &Path, count: usize, kind: Kind, duration: Duration) {
    let name = if kind == Kind::Floor { "floor: the same content in plain rows" } else { "staged and committed" };
    let path = folder.join(format!("{count}-{}.db", kind as usize));
    let database = Database::open(&path).expect("an empty folder");
    let create = |tx: &mut WriteTx<'_>| {
        for table in [
            "CREATE TABLE floor_staged (id TEXT PRIMARY KEY, json TEXT NOT NULL)",
            "CREATE TABLE floor (id TEXT PRIMARY KEY, json TEXT NOT NULL)",
        ] {
            tx.execute(table, &[])?;
        }
        Ok::<_, StoreError>(())
    };
    database.write(create).await.expect("new tables");
    let begin = Instant::now();
    let mut writing = JoinSet::new();
    for number in 0..count {
        let database = database.clone();
        writing.spawn(async move {
            let room_id = RoomId::parse(format!("!room{number}:remote.example")).expect("a room id");
            let mut room = Room::create(&database, room_id).await;
            let mut times = Vec::new();
            while begin.elapsed() < duration {
                let batch = room.batch();
                let start = Instant::now();
                match kind {
                    Kind::Floor => floor(&database, batch).await,
                    Kind::Staged => room.advance(&database, batch).await,
                }
                .expect("space");
                times.push(start.elapsed());
            }
            times
        });
    }
    let mut times = writing.join_all().await.concat();
    let elapsed = begin.elapsed().as_secs_f64();
    database.close().await;
    let bytes = std::fs::metadata(&path).expect("it is closed").len();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let events = times.len() * BATCH;
    println!(
        "| {name}, {count} rooms | {:.0} | {:.0} | {:.2} | {:.2} | {:.1} | {:.0} |",
        events as f64 / elapsed,
        times.len() as f64 / elapsed,
        at(0.5),
        at(0.99),
        at(1.0),
        bytes as f64 / events as f64
    );
}

async fn floor(database: &Database, batch: Vec<Pdu>) -> Result<(), StoreError> {
    let staged = batch.clone();
    let stage = move |tx: &mut WriteTx<'_>| {
        staged.iter().try_for_each(|pdu| {
            let sql = "INSERT INTO floor_staged (id, json) VALUES (?1, ?2)";
            tx.execute(sql, &[pdu.event_id(), &pdu.to_json()]).map(drop)
        })
    };
    database.write(stage).await?;
    let commit = move |tx: &mut WriteTx<'_>| {
        batch.iter().try_for_each(|pdu| {
            tx.execute("INSERT INTO floor (id, json) VALUES (?1, ?2)", &[pdu.event_id(), &pdu.to_json()])?;
            tx.execute("DELETE FROM floor_staged WHERE id = ?1", &[pdu.event_id()]).map(drop)
        })
    };
    database.write(commit).await
}

impl Room {
    async fn create(database: &Database, room_id: RoomId) -> Self {
        let id = room_id.clone();
        let number = database.write(move |tx| rooms::intern(tx, &id, RoomVersion::V11)).await.expect("space");
        Self { number, room_id, turn: 0, heads: vec![], parent: random_id(0, 0), state: None, sequence: 0 }
    }

    /// The next events: each is the parent of the one after it.
    fn batch(&mut self) -> Vec<Pdu> {
        (0..BATCH).map(|_| self.event()).collect()
    }

    fn event(&mut self) -> Pdu {
        self.sequence += 1;
        let id = random_id(self.number.0, self.sequence);
        let parent = std::mem::replace(&mut self.parent, id.clone());
        let mut json = serde_json::json!({
            "auth_events": [random_id(self.number.0, 1), random_id(self.number.0, 2), random_id(self.number.0, 3)],
            "content": {
                "body": "A message as people write them: a sentence or two, not more, most of the time.",
                "msgtype": "m.text"
            },
            "depth": self.sequence,
            "hashes": { "sha256": id[1..].to_owned() },
            "origin_server_ts": 1_795_580_000_000_u64 + self.sequence as u64,
            "prev_events": [parent],
            "room_id": self.room_id.as_str(),
            "sender": "@alice:remote.example",
            "signatures": { "remote.example": { "ed25519:a_key": id[1..].repeat(2) } },
            "type": "m.room.message"
        });
        if self.sequence.is_multiple_of(MESSAGES_PER_STATE_CHANGE) {
            json["type"] = "org.example.state".into();
            json["state_key"] = (self.sequence % 1_000).to_string().into();
        }
        let object: Object = serde_json::from_value(json).expect("an object");
        let id = EventId::parse(&id).expect("an event id");
        Pdu::from_store(object, RoomVersion::V11, id, false).expect("an event")
    }

    async fn advance(&mut self, database: &Database, batch: Vec<Pdu>) -> Result<(), StoreError> {
        let (room, staged) = (self.number, batch.clone());
        let origin = ServerName::parse("remote.example").expect("a name");
        database
            .write(move |tx| {
                staged.iter().try_for_each(|pdu| staging::insert(tx, room, &origin, pdu, 1_795_580_000_000))
            })
            .await?;
        let (turn, parent, heads) = (self.turn, self.state, self.heads.clone());
        let commit = move |tx: &mut WriteTx<'_>| {
            let mut state = parent;
            let mut last = None;
            for pdu in &batch {
                let before = state;
                if let Some(state_key) = pdu.state_key() {
                    let key = state::intern_key(tx, pdu.event_type(), state_key)?;
                    let event = event_rows::intern(tx, room, pdu.event_id())?;
                    state = Some(state::store(tx, room, state, &[(key, Some(event))])?);
                }
                last = Some(write_event(tx, room, pdu, before, state)?);
            }
            rooms::advance(tx, room, turn, state)?;
            let last = last.into_iter().collect::<Vec<_>>();
            graph::set_extremities(tx, room, &heads, &last)?;
            Ok::<_, StoreError>((state, last))
        };
        (self.state, self.heads) = database.write(commit).await?;
        self.turn += 1;
        Ok(())
    }
}

/// As the `pdu` crate writes one that was accepted.
fn write_event(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    pdu: &Pdu,
    before: Option<SnapshotNumber>,
    after: Option<SnapshotNumber>,
) -> Result<EventNumber, StoreError> {
    let event = event_rows::store(tx, room, pdu, false)?;
    event_rows::set_rejected(tx, event, false)?;
    event_rows::store_verdict(tx, room, event, VERDICT)?;
    let arrival = streams::next(tx, Stream::Events)?;
    let topological = arrival.0;
    let place = Place {
        event,
        arrival: Some(arrival),
        topological,
        state_before: before,
        state_after: after,
        outcome: Outcome::Accepted,
    };
    let mut parents = Vec::new();
    for id in pdu.prev_events() {
        parents.push(event_rows::intern(tx, room, id)?);
    }
    graph::insert(tx, room, &place, &parents)?;
    staging::remove(tx, room, pdu.event_id())?;
    event_rows::redactions_of(tx, event)?;
    Ok(event)
}

/// An id of the length and the disorder of a hash, the same each time.
fn random_id(room: i64, sequence: usize) -> String {
    let mut state = (room as u64) << 40 | sequence as u64;
    let mut id = String::from("$");
    for _ in 0..43 {
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state ^= state >> 27;
        id.push(char::from(
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[(state >> 58) as usize],
        ));
    }
    id
}

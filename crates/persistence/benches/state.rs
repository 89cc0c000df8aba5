//! States of a room with 20,000 members that has changed 100,000 times: bytes for a change, time to read.
//!
//! `cargo bench -p persistence --bench state`
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::path::Path;
use std::time::{Duration, Instant};

use handles::{Random, SeededRandom};
use persistence::transactions::state;
use persistence::{Database, EventNumber, ReadTx, RoomNumber, SnapshotNumber, StateKeyNumber, StoreError, WriteTx};

/// Members of the large room.
const MEMBERS: u64 = 20_000;
/// Changes to the large room, one key each.
const CHANGES: usize = 100_000;
/// Other events that are stored between two changes, which makes the event numbers larger.
const EVENTS_BETWEEN: i64 = 7;
/// Stores in one transaction, and reads in one snapshot.
const BATCH: usize = 500;
/// Rooms of ten members that change 50 times each.
const SMALL_ROOMS: i64 = 1_000;

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        println!("| what | result |\n| --- | --- |");
        let snapshots = large_room(folder.path()).await;
        let database = Database::open(&folder.path().join("large.db")).expect("it was closed");
        loads(&database, &snapshots).await;
        entries(&database, &snapshots).await;
        differences(&database, &snapshots).await;
        database.close().await;
        small_rooms(folder.path()).await;
    });
}

async fn large_room(folder: &Path) -> Vec<SnapshotNumber> {
    let path = folder.join("large.db");
    let joins: Vec<_> =
        (0..MEMBERS as i64 + 20).map(|key| (StateKeyNumber(key + 1), Some(EventNumber(key + 1)))).collect();
    let database = Database::open(&path).expect("an empty folder");
    let begin = Instant::now();
    let first = database.write(move |tx| state::store(tx, RoomNumber(1), None, &joins)).await.expect("space");
    println!("| store the first state, {} entries | {:.1} ms |", MEMBERS + 20, begin.elapsed().as_secs_f64() * 1e3);
    database.close().await;
    let before = std::fs::metadata(&path).expect("it is there").len();
    let database = Database::open(&path).expect("it was closed");
    let mut snapshots = vec![first];
    let mut at = first;
    let begin = Instant::now();
    for batch in 0..CHANGES / BATCH {
        let stored = database.write(move |tx| change(tx, at, batch)).await.expect("space");
        at = *stored.last().expect("a batch is not empty");
        snapshots.extend(stored);
    }
    let each = begin.elapsed() / CHANGES as u32;
    database.close().await;
    let after = std::fs::metadata(&path).expect("it is there").len();
    println!(
        "| bytes for a change, {CHANGES} changes, file growth | {:.1} |",
        (after - before) as f64 / CHANGES as f64
    );
    println!("| store a change, {BATCH} in a commit | {:.0} µs |", each.as_secs_f64() * 1e6);
    snapshots
}

fn change(tx: &mut WriteTx<'_>, parent: SnapshotNumber, batch: usize) -> Result<Vec<SnapshotNumber>, StoreError> {
    let random = SeededRandom::new(batch as u64);
    let random: &dyn Random = &random;
    let mut at = parent;
    let mut stored = Vec::with_capacity(BATCH);
    for index in 0..BATCH {
        let event = MEMBERS as i64 + 100 + (batch * BATCH + index) as i64 * (EVENTS_BETWEEN + 1);
        let key = StateKeyNumber(1 + random.below(MEMBERS) as i64);
        at = state::store(tx, RoomNumber(1), Some(at), &[(key, Some(EventNumber(event)))])?;
        stored.push(at);
    }
    Ok(stored)
}

async fn loads(database: &Database, snapshots: &[SnapshotNumber]) {
    let all = measured(database, snapshots.to_vec(), |tx, snapshot| {
        let state = state::load(tx, snapshot)?;
        assert_eq!(state.len() as u64, MEMBERS + 20);
        Ok(())
    });
    report(&format!("read a whole state, each of {}", snapshots.len()), all.await);
}

async fn entries(database: &Database, snapshots: &[SnapshotNumber]) {
    let random = SeededRandom::new(1);
    let random: &dyn Random = &random;
    let questions: Vec<_> = (0..50_000)
        .map(|_| {
            (snapshots[random.below(snapshots.len() as u64) as usize], StateKeyNumber(1 + random.below(MEMBERS) as i64))
        })
        .collect();
    let one = measured(database, questions.clone(), |tx, (snapshot, key)| {
        assert!(state::entry(tx, snapshot, key)?.is_some());
        Ok(())
    });
    report("read one entry", one.await);
    let recent = snapshots[snapshots.len() - 1];
    let of_recent = measured(database, questions, move |tx, (_, key)| {
        assert!(state::entry(tx, recent, key)?.is_some());
        Ok(())
    });
    report("read one entry of the latest state", of_recent.await);
}

async fn differences(database: &Database, snapshots: &[SnapshotNumber]) {
    for distance in [1, 4, 100, 5_000] {
        let random = SeededRandom::new(distance as u64);
        let random: &dyn Random = &random;
        let starts = (0..5_000).map(|_| random.below((snapshots.len() - distance) as u64) as usize);
        let pairs: Vec<_> = starts.map(|at| (snapshots[at], snapshots[at + distance])).collect();
        let times = measured(database, pairs, |tx, (from, to)| {
            assert!(!state::difference(tx, from, to)?.is_empty());
            Ok(())
        });
        report(&format!("difference, {distance} changes apart"), times.await);
    }
}

async fn small_rooms(folder: &Path) {
    let path = folder.join("small.db");
    let database = Database::open(&path).expect("an empty folder");
    let mut parents = vec![None; SMALL_ROOMS as usize];
    // All rooms in turn, so that their rows lie between each other.
    for change in 0..50_i64 {
        let before = parents;
        let stored = database.write(move |tx| {
            let store = |(room, parent): (i64, Option<SnapshotNumber>)| {
                let key = StateKeyNumber(if change < 15 { change } else { (change * 7 + room) % 15 } + room * 12);
                let event = EventNumber(change * SMALL_ROOMS + room + 1);
                state::store(tx, RoomNumber(room), parent, &[(key, Some(event))]).map(Some)
            };
            (0..).zip(before).map(store).collect::<Result<Vec<_>, StoreError>>()
        });
        parents = stored.await.expect("space");
    }
    database.close().await;
    let bytes = std::fs::metadata(&path).expect("it is there").len();
    println!(
        "| bytes for a change, {SMALL_ROOMS} rooms of 15 entries | {:.1} |",
        bytes as f64 / (SMALL_ROOMS * 50) as f64
    );
}

async fn measured<Q: Send + 'static>(
    database: &Database,
    questions: Vec<Q>,
    ask: impl Fn(&ReadTx<'_>, Q) -> Result<(), StoreError> + Copy + Send + 'static,
) -> Vec<Duration> {
    let mut times = Vec::with_capacity(questions.len());
    let mut questions = questions.into_iter().peekable();
    while questions.peek().is_some() {
        let batch: Vec<Q> = questions.by_ref().take(BATCH).collect();
        let read = database.read(move |tx| {
            let timed = |question| {
                let start = Instant::now();
                ask(tx, question).map(|()| start.elapsed())
            };
            batch.into_iter().map(timed).collect::<Result<Vec<_>, StoreError>>()
        });
        times.extend(read.await.expect("every state is there"));
    }
    times
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    println!("| {what} | p50 {:.0} µs, p99 {:.0} µs, max {:.0} µs |", at(0.5), at(0.99), at(1.0));
}

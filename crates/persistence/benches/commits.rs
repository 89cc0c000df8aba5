//! Durable commits: how many closures a second, by how many wait at once, beside what the disk takes for one write.
//!
//! `cargo bench -p persistence --bench commits [-- SECONDS]`: so long for each row, 5 if left out.
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use persistence::{Counters, Database, StoreError, WriteTx};
use tokio::task::JoinSet;

/// Closures waiting at the same time.
const IN_FLIGHT: [usize; 4] = [1, 10, 50, 500];
/// Bytes of the file that is overwritten for comparison: as the log when it begins anew.
const LOG_BYTES: u64 = 16 * 1_048_576;
/// Bytes that a closure writes: a typical event.
const ROW_BYTES: usize = 600;

fn main() {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let duration = Duration::from_secs(seconds);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    println!(
        "| what | a second | commits a second | p50 ms | p99 ms | max ms | largest log MiB | restarts: times, longest ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    floor_appending(folder.path(), duration);
    floor_in_place(folder.path(), duration);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for in_flight in IN_FLIGHT {
        runtime.block_on(commits(folder.path(), in_flight, 0, duration));
    }
    runtime.block_on(commits(folder.path(), 50, 3, duration));
    floor_appending(folder.path(), duration);
    floor_in_place(folder.path(), duration);
}

/// What a durable write costs: 4 KiB appended, and the disk asked to keep them. The file grows, which the file system has to
/// record as well.
fn floor_appending(folder: &Path, duration: Duration) {
    let mut file = std::fs::File::create(folder.join("floor")).expect("a file");
    floor("floor: append 4 KiB, fdatasync", duration, |_| {
        file.write_all(&[7; 4_096])?;
        file.sync_data()
    });
}

/// The same where the file is there already, as the log is once it has begun anew: one flush of the disk, and nothing else.
fn floor_in_place(folder: &Path, duration: Duration) {
    let path = folder.join("floor");
    std::fs::write(&path, vec![7; LOG_BYTES as usize]).expect("space");
    let mut file = std::fs::OpenOptions::new().write(true).open(path).expect("it was written");
    file.sync_all().expect("a disk");
    floor("floor: overwrite 4 KiB, fdatasync", duration, |number| {
        file.seek(SeekFrom::Start(number * 4_096 % LOG_BYTES))?;
        file.write_all(&[8; 4_096])?;
        file.sync_data()
    });
}

fn floor(what: &str, duration: Duration, mut write: impl FnMut(u64) -> std::io::Result<()>) {
    let mut times = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < duration {
        let start = Instant::now();
        write(times.len() as u64).expect("a disk with space");
        times.push(start.elapsed());
    }
    row(what, times, begin.elapsed(), None);
}

async fn commits(folder: &Path, in_flight: usize, readers: usize, duration: Duration) {
    let database = Database::open(&folder.join(format!("{in_flight}-{readers}.db"))).expect("an empty folder");
    let create = |tx: &mut WriteTx<'_>| {
        tx.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, room BIGINT, content BYTEA)", &[])?;
        tx.execute("CREATE INDEX rows_by_room ON rows (room, id)", &[])
    };
    database.write(create).await.expect("a new table");
    let before = database.counters();
    let begin = Instant::now();
    let mut reading = JoinSet::new();
    for _ in 0..readers {
        reading.spawn(read(database.clone(), begin + duration));
    }
    let mut writing = JoinSet::new();
    for task in 0..in_flight {
        writing.spawn(write(database.clone(), task as i64, begin + duration));
    }
    let written = writing.join_all().await;
    let elapsed = begin.elapsed();
    let log = written.iter().map(|(_, log)| *log).max().unwrap_or(0);
    let times: Vec<Duration> = written.into_iter().flat_map(|(times, _)| times).collect();
    reading.join_all().await;
    let mut counters = database.counters();
    counters.commits -= before.commits;
    counters.log_bytes = log;
    let reading = if readers == 0 { "" } else { ", 3 reading" };
    row(&format!("{in_flight} in flight{reading}"), times, elapsed, Some(counters));
    database.close().await;
}

async fn write(database: Database, task: i64, end: Instant) -> (Vec<Duration>, u64) {
    let (mut times, mut log) = (Vec::new(), 0);
    while Instant::now() < end {
        let start = Instant::now();
        let work = move |tx: &mut WriteTx<'_>| {
            tx.execute("INSERT INTO rows (room, content) VALUES (?1, ?2)", &[&(task % 20), &vec![7_u8; ROW_BYTES]])
        };
        database.write(work).await.expect("space");
        times.push(start.elapsed());
        log = log.max(database.counters().log_bytes);
    }
    (times, log)
}

/// The last 50 rows of a room, as a timeline is read.
async fn read(database: Database, end: Instant) {
    let mut room = 0_i64;
    while Instant::now() < end {
        room = (room + 1) % 20;
        let page = database.read(move |tx| {
            let sql = "SELECT content FROM rows WHERE room = ?1 ORDER BY id DESC LIMIT 50";
            tx.query_all(sql, &[&room], |row| row.get::<Vec<u8>>(0))
        });
        page.await.map(drop).unwrap_or_else(|error: StoreError| panic!("{error}"));
    }
}

/// `counters` are those of the measured time, with the largest log.
fn row(what: &str, mut times: Vec<Duration>, elapsed: Duration, counters: Option<Counters>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let a_second = |count: u64| format!("{:.0}", count as f64 / elapsed.as_secs_f64());
    let of_ours = |shown: &dyn Fn(Counters) -> String| counters.map_or_else(|| "-".to_owned(), shown);
    println!(
        "| {what} | {} | {} | {:.2} | {:.2} | {:.1} | {} | {} |",
        a_second(times.len() as u64),
        of_ours(&|counters| a_second(counters.commits)),
        at(0.5),
        at(0.99),
        at(1.0),
        of_ours(&|counters| format!("{:.1}", counters.log_bytes as f64 / 1_048_576.0)),
        of_ours(&|counters| { format!("{}, {:.1}", counters.log_restarts, counters.log_restart_us_max as f64 / 1e3) }),
    );
}

//! The write-ahead log stays short.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::checkpoint::LogLimits;
use super::*;

const SMALL: Limits = Limits {
    log: LogLimits {
        wake_pages: 40,
        restart_pages: 100,
        little_pages: 20,
        pressed_pages: 150,
        restart_pages_max: 200,
        last_restart_wait_max: Duration::from_millis(50),
    },
    read_age_max: Duration::MAX,
    pressed_read_age_max: Duration::MAX,
    ..LIMITS
};
const PAGE_BYTES: u64 = 4_096;

#[tokio::test]
async fn the_log_stays_short_while_many_write_and_many_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = with_notes(open_with(&path, &SMALL)).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..6 {
        let (database, done) = (database.clone(), Arc::clone(&done));
        readers.spawn(async move {
            let mut reads = 0_u64;
            while !done.load(Ordering::SeqCst) {
                database.read(|tx| notes(tx).map(drop)).await.unwrap();
                reads += 1;
            }
            reads
        });
    }
    let mut longest = 0;
    let mut bytes_written = 0;
    for _ in 0..300 {
        let mut writers = JoinSet::new();
        for _ in 0..5 {
            let database = database.clone();
            writers.spawn(async move { database.write(pad).await });
            bytes_written += 2 * PAGE_BYTES;
        }
        writers.join_all().await.into_iter().for_each(|result| result.unwrap());
        longest = longest.max(database.counters().log_bytes);
    }
    done.store(true, Ordering::SeqCst);
    assert!(readers.join_all().await.into_iter().sum::<u64>() > 0);
    let file = std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    let limit = 4 * SMALL.log.restart_pages_max * PAGE_BYTES;
    assert!(longest > SMALL.log.wake_pages * PAGE_BYTES, "{longest}");
    assert!(longest < limit && file < limit, "{longest} bytes in the log, {file} in its file, limit {limit}");
    assert!(bytes_written > 3 * limit, "{bytes_written}");
    assert!(database.counters().log_restarts > 3);
    assert_eq!(all_notes(&database).await.len(), 1_500);
}

#[tokio::test]
async fn a_reader_that_stays_delays_the_log_but_not_the_commits() {
    let folder = tempfile::tempdir().unwrap();
    let database = with_notes(open_with(&folder.path().join("a.db"), &SMALL)).await;
    let (begun, begins) = tokio::sync::oneshot::channel();
    let (leave, left) = channel();
    let staying = database.read(move |tx| {
        let before = notes(tx)?.len();
        begun.send(()).expect("the test waits");
        left.recv().expect("the test goes on");
        Ok::<_, StoreError>(notes(tx)?.len() - before)
    });
    let writing = async {
        begins.await.unwrap();
        for _ in 0..300 {
            database.write(pad).await.unwrap();
        }
        let grown = database.counters().log_bytes;
        assert!(grown > 300 * PAGE_BYTES, "the log keeps what the reader may need: {grown}");
        leave.send(()).unwrap();
        // Whenever that one has gone, a commit finds the log free.
        while database.counters().log_bytes >= grown {
            database.write(pad).await.unwrap();
        }
    };
    let (unchanged, ()) = tokio::join!(staying, writing);
    assert_eq!(unchanged.unwrap(), 0);
}

/// A reader in one statement that never ends is ended when the log is long, and the log is bounded all the while.
#[tokio::test]
async fn the_log_is_bounded_though_a_reader_would_stay_forever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let log = LogLimits { last_restart_wait_max: Duration::from_secs(60), ..SMALL.log };
    let limits = Limits { pressed_read_age_max: Duration::ZERO, log, ..SMALL };
    let database = with_notes(open_with(&path, &limits)).await;
    let mut reading = JoinSet::new();
    for _ in 0..2 {
        let database = database.clone();
        reading.spawn(async move { database.read(endless).await });
    }
    let mut longest = 0;
    // The readers take their snapshots while the log is short, and then outlast every age but that of a long log.
    while longest < SMALL.log.pressed_pages * PAGE_BYTES {
        database.write(pad).await.unwrap();
        longest = longest.max(database.counters().log_bytes);
    }
    for result in reading.join_all().await {
        assert!(matches!(result, Err(StoreError::TooLong(_))), "{result:?}");
    }
    while database.counters().log_bytes >= longest {
        database.write(pad).await.unwrap();
        longest = longest.max(database.counters().log_bytes);
    }
    // One commit may pass the limit.
    let limit = (SMALL.log.restart_pages_max + 10) * PAGE_BYTES;
    assert!(longest <= limit, "{longest} bytes, limit {limit}");
}

#[tokio::test]
async fn a_statement_that_outlasts_its_snapshot_is_interrupted_and_the_log_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let age_max = Duration::from_millis(50);
    let limits = Limits { read_age_max: age_max, pressed_read_age_max: age_max, ..SMALL };
    let database = with_notes(open_with(&folder.path().join("a.db"), &limits)).await;
    let (counted, ()) = tokio::join!(database.read(endless), async {
        for _ in 0..300 {
            database.write(pad).await.unwrap();
        }
    });
    assert!(matches!(counted, Err(StoreError::TooLong(milliseconds)) if milliseconds >= 50), "{counted:?}");
    assert!(counted.unwrap_err().to_string().contains("on one snapshot"));
    let grown = database.counters().log_bytes;
    while database.counters().log_bytes >= grown {
        database.write(pad).await.unwrap();
    }
    // The thread reads on, and what is quick is not interrupted.
    for _ in 0..10 {
        assert!(all_notes(&database).await.len() >= 300);
    }
}

/// One statement that would run until the machine is switched off.
fn endless(tx: &ReadTx<'_>) -> Result<i64, StoreError> {
    let sql = "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers)
               SELECT COUNT(*) FROM numbers, notes WHERE number < 0";
    tx.query_one(sql, &[], |row| row.get(0))
}

/// Writes a row that takes a page and a half.
fn pad(tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
    tx.execute("INSERT INTO notes (text, padding) VALUES ('padded', ?1)", &[&vec![7_u8; 6_000]]).map(drop)
}

//! What a closure may rely on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn a_closure_that_fails_or_panics_is_undone_alone_in_a_shared_commit() {
    let folder = tempfile::tempdir().unwrap();
    let database = with_notes(open_patient(&folder.path().join("a.db"))).await;
    let held = HeldWriter::hold(&database).await;
    let before = database.counters();
    let mut submitted = JoinSet::new();
    for kind in ["kept 1", "fails", "panics", "kept 2", "breaks a rule", "kept 3"] {
        let database = database.clone();
        submitted.spawn(async move { (kind, database.write(move |tx| scripted(tx, kind)).await) });
    }
    let (held, mut results) = held.release(submitted).await;
    held.unwrap();
    results.sort_unstable_by_key(|result| result.0);
    let outcomes: Vec<_> = results.iter().map(|(kind, result)| (*kind, result.is_ok())).collect();
    let expected = [("breaks a rule", false), ("fails", false), ("kept 1", true), ("kept 2", true), ("kept 3", true)];
    assert_eq!(outcomes[..5], expected);
    assert_eq!(results[1].1, Err(Refused::ByUs));
    assert!(matches!(&results[5].1, Err(Refused::Store(error)) if error.contains("on purpose")), "{:?}", results[5]);
    let after = database.counters();
    // The one that was held, and the six.
    assert_eq!((after.commits - before.commits, after.closures_committed - before.closures_committed), (1, 4));
    assert_eq!(after.commits_failed, 0);
    assert_eq!(all_notes(&database).await, ["kept 1", "kept 2", "kept 3"]);
}

/// Writes `kind`, then does what it says.
fn scripted(tx: &mut WriteTx<'_>, kind: &'static str) -> Result<(), Refused> {
    note(tx, kind)?;
    match kind {
        "fails" => Err(Refused::ByUs),
        "panics" => panic!("on purpose"),
        "breaks a rule" => Ok(tx.execute("INSERT INTO notes (text) VALUES (NULL)", &[]).map(drop)?),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn what_is_to_be_woken_is_woken_after_the_commit_and_only_then() {
    for_each_engine(async |database| {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = |woken: &Arc<AtomicUsize>| {
            let woken = Arc::clone(woken);
            move || {
                woken.fetch_add(1, Ordering::SeqCst);
            }
        };
        let wakes = [count(&woken), count(&woken), count(&woken)];
        let [kept, failed, beside_panic] = wakes;
        database
            .write(move |tx| {
                tx.after_commit(kept);
                note(tx, "kept")
            })
            .await
            .unwrap();
        assert_eq!(woken.load(Ordering::SeqCst), 1, "before the caller goes on");
        let failing = move |tx: &mut WriteTx<'_>| {
            tx.after_commit(failed);
            Err::<(), _>(Refused::ByUs)
        };
        assert_eq!(database.write(failing).await, Err(Refused::ByUs));
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        let panicking_wake = move |tx: &mut WriteTx<'_>| {
            tx.after_commit(|| panic!("on purpose"));
            tx.after_commit(beside_panic);
            note(tx, "committed all the same")
        };
        database.write(panicking_wake).await.unwrap();
        assert_eq!(woken.load(Ordering::SeqCst), 2);
        assert_eq!(all_notes(&database).await, ["committed all the same", "kept"]);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_woken_if_the_commit_fails() {
    let database = with_notes(Database::open_inline(None).unwrap()).await;
    // Deferred, so that the closure succeeds and the COMMIT does not.
    let prepare = |tx: &mut WriteTx<'_>| {
        tx.execute("CREATE TABLE parts (note BIGINT REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)", &[])
    };
    database.write(prepare).await.unwrap();
    database.read(|tx| tx.query_each("PRAGMA foreign_keys = ON", &[], |_| Ok(()))).await.unwrap();
    let woken = Arc::new(AtomicUsize::new(0));
    let wake = Arc::clone(&woken);
    let dangling = move |tx: &mut WriteTx<'_>| {
        tx.after_commit(move || {
            wake.fetch_add(1, Ordering::SeqCst);
        });
        note(tx, "gone")?;
        tx.execute("INSERT INTO parts (note) VALUES (99)", &[])
    };
    let result = database.write(dangling).await;
    assert!(matches!(&result, Err(StoreError::Engine(error)) if error.contains("FOREIGN KEY")), "{result:?}");
    assert_eq!(woken.load(Ordering::SeqCst), 0);
    assert_eq!(database.counters().commits_failed, 1);
    // The writer goes on, with a transaction that is its own.
    database.write(|tx| note(tx, "after")).await.unwrap();
    assert_eq!(all_notes(&database).await, ["after"]);
}

#[tokio::test]
async fn when_the_engine_gives_up_the_transaction_all_that_ran_are_told_and_the_rest_run() {
    let folder = tempfile::tempdir().unwrap();
    let database = with_notes(open_patient(&folder.path().join("a.db"))).await;
    let held = HeldWriter::hold(&database).await;
    let mut submitted = JoinSet::new();
    for kind in ["1 before", "2 during", "3 after", "4 after"] {
        let database = database.clone();
        let work = move |tx: &mut WriteTx<'_>| {
            note(tx, kind)?;
            if kind == "2 during" {
                // As SQLite does by itself when the disk is full.
                tx.execute("ROLLBACK", &[])?;
            }
            Ok::<_, StoreError>(())
        };
        submitted.spawn(async move { (kind, database.write(work).await.map_err(|error| error.to_string())) });
    }
    let (held, mut results) = held.release(submitted).await;
    let given_up = held.unwrap_err().to_string();
    assert!(given_up.contains("given up"), "{given_up}");
    results.sort_unstable();
    let (told, kept) = results.split_at(2);
    assert_eq!(told, [("1 before", Err(given_up.clone())), ("2 during", Err(given_up))]);
    assert_eq!(kept, [("3 after", Ok(())), ("4 after", Ok(()))]);
    assert_eq!(all_notes(&database).await, ["3 after", "4 after"]);
    assert_eq!(database.counters().commits_failed, 1);
}

#[tokio::test]
async fn a_full_disk_is_told_to_its_group_and_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = with_notes(open_patient(&folder.path().join("a.db"))).await;
    let pages = "PRAGMA max_page_count = 1";
    // The lowest that it accepts is what there is.
    database.write(|tx| tx.query_each(pages, &[], |_| Ok(()))).await.unwrap();
    let held = HeldWriter::hold(&database).await;
    let mut submitted = JoinSet::new();
    for kind in ["large", "small"] {
        let database = database.clone();
        let padding = vec![7_u8; if kind == "large" { 1_000_000 } else { 10 }];
        let work = move |tx: &mut WriteTx<'_>| {
            tx.execute("INSERT INTO notes (text, padding) VALUES (?1, ?2)", &[&kind, &padding])
        };
        submitted.spawn(async move { (kind, database.write(work).await.map_err(|error| error.to_string())) });
    }
    let (held, mut results) = held.release(submitted).await;
    // SQLite undoes the whole transaction then, not only the statement.
    assert!(held.is_err());
    results.sort_unstable();
    assert!(matches!(&results[0], ("large", Err(error)) if error.contains("full")), "{results:?}");
    assert_eq!(results[1], ("small", Ok(1)));
    assert_eq!(all_notes(&database).await, ["small"]);
}

#[tokio::test]
async fn a_group_ends_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { group_time_max: Duration::ZERO, ..LIMITS };
    let database = with_notes(open_with(&folder.path().join("a.db"), &limits)).await;
    let held = HeldWriter::hold(&database).await;
    let before = database.counters();
    let mut submitted = JoinSet::new();
    for number in 0..5 {
        let database = database.clone();
        submitted.spawn(async move { database.write(move |tx| note(tx, &number.to_string())).await });
    }
    let (held, results) = held.release(submitted).await;
    held.unwrap();
    results.into_iter().for_each(|result| result.unwrap());
    assert_eq!(database.counters().commits - before.commits, 6);
    assert_eq!(all_notes(&database).await.len(), 5);
}

#[tokio::test]
async fn a_reader_sees_one_state_while_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = with_notes(Database::open(&folder.path().join("a.db")).unwrap()).await;
    database.write(|tx| note(tx, "first")).await.unwrap();
    let (read_once, once_read) = tokio::sync::oneshot::channel();
    let (written, after_write) = channel();
    let reading = database.read(move |tx| {
        let before = notes(tx)?;
        read_once.send(()).expect("the test waits");
        after_write.recv().expect("the test writes");
        Ok::<_, StoreError>((before, notes(tx)?))
    });
    let writing = async {
        once_read.await.unwrap();
        database.write(|tx| note(tx, "second")).await.unwrap();
        assert_eq!(all_notes(&database).await, ["first", "second"], "another reader sees what is committed");
        written.send(()).unwrap();
    };
    let (read, ()) = tokio::join!(reading, writing);
    assert_eq!(read.unwrap(), (vec!["first".to_owned()], vec!["first".to_owned()]));
}

#[tokio::test]
async fn a_reader_whose_closure_panics_reads_on() {
    for_each_engine(async |database| {
        for _ in 0..10 {
            let result: Result<(), StoreError> = database.read(|_| panic!("on purpose")).await;
            assert!(matches!(&result, Err(StoreError::Panicked(message)) if message == "on purpose"), "{result:?}");
        }
        assert!(all_notes(&database).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_is_too_old_is_not_read_any_further() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { read_age_max: Duration::ZERO, ..LIMITS };
    let database = with_notes(open_with(&folder.path().join("a.db"), &limits)).await;
    let result = database.read(notes).await;
    assert!(matches!(result, Err(StoreError::TooLong(_))), "{result:?}");
    database.write(|tx| notes(tx).map(drop)).await.expect("the writer has no such limit");
}

#[tokio::test]
async fn closing_finishes_what_was_submitted_and_refuses_what_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = with_notes(Database::open(&path).unwrap()).await;
    let held = HeldWriter::hold(&database).await;
    let mut submitted = JoinSet::new();
    for number in 0..600 {
        let database = database.clone();
        submitted.spawn(async move { database.write(move |tx| note(tx, &number.to_string())).await });
    }
    tokio::task::yield_now().await;
    let closing = database.clone();
    submitted.spawn(async move {
        closing.close().await;
        Ok(())
    });
    let (held, results) = held.release(submitted).await;
    held.unwrap();
    results.into_iter().for_each(|result| result.unwrap());
    assert!(matches!(database.write(|tx| note(tx, "late")).await, Err(StoreError::Closed)));
    assert!(matches!(database.read(notes).await, Err(StoreError::Closed)));
    assert!(!path.with_extension("db-wal").exists(), "the main file is complete by itself");
    let again = Database::open(&path).unwrap();
    assert_eq!(all_notes(&again).await.len(), 600);
}

#[tokio::test]
async fn the_last_handle_may_be_dropped_by_a_closure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = with_notes(Database::open(&path).unwrap()).await;
    let (dropped, drops) = tokio::sync::oneshot::channel();
    let handle = database.clone();
    let held = HeldWriter::hold(&database).await;
    let mut submitted = JoinSet::new();
    let writing = database.clone();
    submitted.spawn(async move {
        let work = move |tx: &mut WriteTx<'_>| {
            tx.after_commit(move || {
                drop(handle);
                dropped.send(()).expect("the test waits");
            });
            note(tx, "kept")
        };
        writing.write(work).await
    });
    tokio::task::yield_now().await;
    submitted.abort_all();
    drop(database);
    held.release.send(()).unwrap();
    drops.await.unwrap();
    drop(held.held.await);
    let again = open_when_free(&path).await;
    assert_eq!(all_notes(&again).await, ["kept"], "and it runs though nobody waits for it");
}

/// The threads end by themselves, which nobody can wait for.
async fn open_when_free(path: &Path) -> Database {
    loop {
        match Database::open(path) {
            Ok(database) => return database,
            Err(crate::OpenError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn both_engines_give_the_same_answers() {
    let mut answers = Vec::new();
    for_each_engine(async |database| {
        let mut seen = Vec::new();
        for kind in ["one", "fails", "two", "panics", "breaks a rule", "three"] {
            let result = database.write(move |tx| scripted(tx, kind)).await;
            seen.push(format!("{kind}: {result:?}"));
            seen.push(format!("{:?}", all_notes(&database).await));
        }
        let counters = database.counters();
        seen.push(format!("{} {}", counters.commits, counters.closures_committed));
        database.close().await;
        seen.push(format!("{:?}", database.write(|tx| note(tx, "late")).await));
        seen.push(format!("{:?}", database.read(notes).await));
        answers.push(seen);
    })
    .await;
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}

async fn for_each_engine(mut run: impl AsyncFnMut(Database)) {
    let folder = tempfile::tempdir().unwrap();
    run(with_notes(Database::open(&folder.path().join("threads.db")).unwrap()).await).await;
    run(with_notes(Database::open_inline(Some(&folder.path().join("inline.db"))).unwrap()).await).await;
    run(with_notes(Database::open_inline(None).unwrap()).await).await;
}

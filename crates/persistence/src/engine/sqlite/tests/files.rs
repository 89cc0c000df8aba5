//! What is on the disk, and what is refused.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;

use super::*;
use crate::OpenError;
use crate::numbers::Position;
use crate::transactions::restoring;
use crate::transactions::streams::{self, Stream};

#[tokio::test]
async fn a_database_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = Database::open(&path).unwrap();
    let in_use = |result: Result<Database, OpenError>| match result.map(drop) {
        Err(OpenError::InUse { path, holder }) => {
            assert!(path.ends_with("a.db"), "{path}");
            assert_eq!(holder, format!("process {}", std::process::id()));
        }
        other => panic!("{other:?}"),
    };
    in_use(Database::open(&path));
    in_use(Database::open_inline(Some(&path)));
    #[cfg(unix)]
    {
        let link = folder.path().join("link-to-a.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        in_use(Database::open(&link));
    }
    database.close().await;
    let again = Database::open_inline(Some(&path)).unwrap();
    in_use(Database::open(&path));
    again.close().await;
    Database::open(&path).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let database = with_notes(Database::open(&folder.path().join("a.db")).unwrap()).await;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{names:?}");
    }
    names.sort_unstable();
    assert_eq!(names, ["a.db", "a.db-mark", "a.db-shm", "a.db-wal", "a.db.lock"]);
    drop(database);
}

/// To SQLite a log that ends early is one whose last commits never happened.
#[tokio::test]
async fn a_log_that_was_cut_off_is_noticed() {
    /// The head of a log, and each page in it with its own.
    const HEAD: u64 = 32;
    const FRAME: u64 = 24 + 4096;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = Database::open(&path).unwrap();
    for _ in 0..20 {
        database.write(|tx| streams::next(tx, Stream::Events)).await.unwrap();
    }
    // What a crash leaves behind.
    let crashed = |log_bytes: u64| {
        let copy = tempfile::tempdir().unwrap();
        for name in ["a.db", "a.db-wal", "a.db-mark"] {
            fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        let log = fs::File::options().write(true).open(copy.path().join("a.db-wal")).unwrap();
        log.set_len(log_bytes).unwrap();
        copy
    };
    let bytes = fs::metadata(folder.path().join("a.db-wal")).unwrap().len();
    let frames = (bytes - HEAD) / FRAME;
    assert!(frames >= 20, "{frames}");
    for left in [0, HEAD, HEAD + FRAME, HEAD + frames / 2 * FRAME, HEAD + (frames - 1) * FRAME] {
        let copy = crashed(left);
        let error = Database::open(&copy.path().join("a.db")).map(drop).unwrap_err();
        assert!(matches!(error, OpenError::Behind { .. }), "{left}: {error:?}");
        // Whoever goes on all the same has a copy, which gives nothing out again.
        fs::remove_file(copy.path().join("a.db-mark")).unwrap();
        let went_on = Database::open(&copy.path().join("a.db")).unwrap();
        let copied = went_on.read(restoring::copied_at).await.unwrap();
        let is_empty = fs::metadata(folder.path().join("a.db")).unwrap().len() == 0 && left == 0;
        assert_eq!(copied, (!is_empty).then_some(0), "{left}");
    }
    let copy = crashed(bytes);
    // After a loss of power the mark may be of before.
    for mark in ["whole", "00000000000000000007 0 0 0 0 0 0"] {
        if mark != "whole" {
            fs::write(copy.path().join("a.db-mark"), mark).unwrap();
        }
        let whole = Database::open(&copy.path().join("a.db")).unwrap();
        let position = whole.read(|tx| streams::current(tx, Stream::Events)).await.unwrap();
        assert_eq!(position, Position(20));
        assert_eq!(whole.read(restoring::copied_at).await.unwrap(), None);
        whole.close().await;
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("a.db");
    let error = Database::open(&path).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("missing/a.db"), "{error}");
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    fs::write(&text, "This is a diary, not a database.\n".repeat(400)).unwrap();
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    for path in [text, other] {
        let before = fs::read(&path).unwrap();
        let error = Database::open(&path).map(drop).unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder).await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7_777).unwrap();
    let before = fs::read(&path).unwrap();
    let error = Database::open(&path).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 7_777, .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused() {
    for keep in [1_000, 4_096, 10 * 4_096, 50 * 4_096 + 17] {
        let folder = tempfile::tempdir().unwrap();
        let path = written(&folder).await;
        let whole = fs::metadata(&path).unwrap().len();
        assert!(keep < whole);
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(keep).unwrap();
        let error = Database::open(&path).map(drop).expect_err("it is cut off");
        assert!(matches!(error, OpenError::Damaged { .. } | OpenError::Foreign { .. }), "{keep}: {error:?}");
        assert!(error.to_string().contains("a.db"), "{error}");
    }
}

#[tokio::test]
async fn a_log_without_its_database_is_not_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let log = folder.path().join("a.db-wal");
    for restore in ["missing", "empty"] {
        fs::write(&log, "what was last acknowledged").unwrap();
        if restore == "empty" {
            fs::write(&path, "").unwrap();
        }
        let error = Database::open(&path).map(drop).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert_eq!(fs::read(&log).unwrap(), b"what was last acknowledged");
    }
}

#[tokio::test]
async fn a_check_finds_damage_and_only_that() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&folder).await;
    assert_eq!(Database::check(&path).unwrap(), Vec::<String>::new());
    let database = Database::open(&path).unwrap();
    assert_eq!(Database::check(&path).unwrap(), Vec::<String>::new(), "while it is in use");
    assert_eq!(database.check_while_open().await.unwrap(), Soundness::default());
    database.close().await;
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 4_096;
    for page in pages - 20..pages - 10 {
        bytes[page * 4_096..][..64].fill(0xee);
    }
    fs::write(&path, bytes).unwrap();
    match Database::check(&path) {
        Ok(findings) => assert!(!findings.is_empty()),
        Err(error) => assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}"),
    }
    let database = Database::open(&path).unwrap();
    assert!(!database.check_while_open().await.unwrap().findings.is_empty());
    database.close().await;
    let missing = Database::check(&folder.path().join("b.db"));
    assert!(matches!(missing, Err(OpenError::Open { .. })), "{missing:?}");
    assert!(!folder.path().join("b.db").exists());
}

/// A closed database with 2,000 rows.
async fn written(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("a.db");
    let database = with_notes(Database::open(&path).unwrap()).await;
    let fill = |tx: &mut WriteTx<'_>| (0..2_000).try_for_each(|number| note(tx, &format!("{number:0200}")));
    database.write(fill).await.unwrap();
    database.close().await;
    path
}

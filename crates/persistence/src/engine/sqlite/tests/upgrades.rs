//! Databases of earlier versions of the schema are brought up to date.

use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::tables;

/// What servers left, one for each version before today's: `tests/databases/README.md`.
const LEFT: &[&str] = &[
    include_str!("../../../../tests/databases/schema-1.sql"),
    include_str!("../../../../tests/databases/schema-2.sql"),
];

/// Everything that the schema says, in the order of its names.
fn schema(path: &Path) -> Vec<(String, Option<String>)> {
    let database = Connection::open(path).unwrap();
    let mut statement = database.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_database_of_any_version_becomes_what_a_new_one_is() {
    assert_eq!(LEFT.len() + 1, tables::VERSIONS.len(), "each version of the schema is kept when the next one comes");
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.db");
    Database::open(&new).unwrap().close().await;
    for (version, left) in LEFT.iter().enumerate() {
        let path = folder.path().join(format!("{version}.db"));
        let old = Connection::open(&path).unwrap();
        old.execute_batch(left).unwrap();
        let said: u32 = old.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(said).unwrap(), version + 1);
        drop(old);
        assert_ne!(schema(&path), schema(&new));
        Database::open(&path).unwrap().close().await;
        assert_eq!(schema(&path), schema(&new), "version {said}");
    }
}

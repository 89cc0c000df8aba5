//! Every statement of this folder: whether the schema knows what it names, and whether it finds its rows through an index, in
//! the order in which it wants them if it wants some of them only.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::tables;

/// Statements that look at every row of a table, or sort many to take a few, by what they begin with, and why they may.
const SCANS: &[(&str, &str)] = &[
    ("SELECT DISTINCT account.user_id FROM accounts", "once at start: who was deactivated and has rooms left"),
    ("SELECT other.user_id, other.room, other.event FROM", "of all who share a room the names come in order"),
    ("SELECT user_id FROM members WHERE room = ?1 AND membership IN", "once for each state of a room without a name"),
    ("SELECT key_id, public_key, expired FROM own_keys", "one row for each key that the operator ever used"),
    ("SELECT COALESCE(CAST(SUM(bytes) AS BIGINT), 0) FROM remote_media", "once for each cleaning of the cache"),
    ("SELECT origin, media_id, bytes, last_used_at FROM remote_media", "along an index, up to a limit"),
    ("DELETE FROM media_thumbnails WHERE hash", "the thumbnails of one file, which are few"),
    ("SELECT account.user_id, name.value, avatar.value", "along its key, up to a limit"),
    ("SELECT standings.room FROM standings JOIN rooms", "the rooms of one user who was just let out of one"),
    ("SELECT room_id FROM published_rooms", "the directory of this server is asked for as a whole"),
    ("SELECT server_name, last_success, last_failure", "along an index, up to a limit"),
    ("DELETE FROM destination_health", "once in a while, and the table is as large as `keep` for that reason"),
    ("DELETE FROM server_key_documents", "once in a while, and the table is as large as `keep` for that reason"),
    ("DELETE FROM server_keys WHERE server_name NOT IN", "once in a while, a few keys for each document"),
    ("SELECT COUNT(*) FROM received_transactions", "for those who watch the server, seldom"),
    ("SELECT number, user_id, edu_type, content FROM remote_key_updates", "in the order of its key, up to a limit"),
    ("SELECT DISTINCT room, origin FROM staged", "once at start: what waits is bounded by origin and by age"),
    ("SELECT prev, MIN(topological) FROM gaps", "the gaps of one room, which has few"),
    (
        "SELECT room, event, given_by, since, retry_at, attempts, wanted",
        "the rooms that are being joined, which are few",
    ),
    ("UPDATE partial_rooms SET retry_at = ?1", "all of them, once at start"),
    (
        "SELECT event_id, room_id, user_id, servers, room_version, event, since, attempts, retry_at",
        "all of them, for an operator who asks",
    ),
    ("SELECT stream, position FROM streams", "a row for each stream, and there are seven"),
    ("SELECT room, since, looked_at, found FROM purges", "the rooms that are being purged, which are few"),
    ("UPDATE state_snapshots_purged", "one row"),
    ("WITH RECURSIVE used (number) AS", "the states of one room, when they were decided anew"),
    ("UPDATE outbound_destinations SET position", "all of them, once after a restore"),
    ("UPDATE outbound_destinations SET deliveries = ?1", "all of them, once after a restore"),
    (
        "SELECT number, room, origin, received, attempts, json, retry_at FROM unverified WHERE retry_at",
        "few rows, in the order of its key",
    ),
    ("SELECT COUNT(*) FROM unverified", "few rows: it is asked to keep them few"),
];

#[test]
fn no_statement_looks_at_more_rows_than_it_has_to() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&tables::all()).unwrap();
    let statements = statements();
    assert!(statements.len() > 200, "{} statements were found", statements.len());
    let mut scans = Vec::new();
    let mut excused = vec![false; SCANS.len()];
    for (file, sql) in &statements {
        let wants_all = !sql.contains(" LIMIT ");
        let is_slow = |step: &String| is_scan(step) || (step == "USE TEMP B-TREE FOR ORDER BY" && !wants_all);
        for step in plan(&connection, file, sql).into_iter().filter(is_slow) {
            match SCANS.iter().position(|(begins, _)| sql.starts_with(begins)) {
                Some(index) => excused[index] = true,
                None => scans.push(format!("{file}: {step}: {sql}")),
            }
        }
    }
    assert!(scans.is_empty(), "give these an index, or a line with the reason:\n{}", scans.join("\n"));
    let stale: Vec<_> = SCANS.iter().zip(excused).filter(|(_, used)| !used).map(|(scan, _)| scan.0).collect();
    assert!(stale.is_empty(), "no such statement scans: {stale:?}");
}

/// The steps in which the engine would find the rows.
fn plan(connection: &Connection, file: &str, sql: &str) -> Vec<String> {
    let prepared = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"));
    let mut statement = prepared.unwrap_or_else(|error| panic!("{file}: {error}: {sql}"));
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>(3).unwrap());
    }
    steps
}

/// A list handed in as JSON is short, and the rows of a subquery have been found otherwise.
fn is_scan(step: &str) -> bool {
    let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
    scanned.is_some_and(|name| !matches!(name, "json_each" | "CONSTANT" | "known" | "newest"))
}

/// The texts in the sources that are statements, with the file they stand in.
fn statements() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/transactions");
    let mut found = Vec::new();
    for file in sources(&folder) {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(&folder).unwrap().display().to_string();
        let is_statement = |text: &&str| {
            ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "].iter().any(|verb| text.starts_with(verb))
        };
        // Comments and character literals have no quotation marks in these files, and statements no escapes.
        let texts = text.split('"').skip(1).step_by(2);
        found.extend(
            texts.filter(is_statement).map(|sql| (name.clone(), sql.split_whitespace().collect::<Vec<_>>().join(" "))),
        );
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if !path.ends_with("plans.rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

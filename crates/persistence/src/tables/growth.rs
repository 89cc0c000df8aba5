//! What keeps each table from growing for ever. A new table needs a line here.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::all;

/// What a table grows with.
#[derive(Clone, Copy)]
enum Growth {
    /// The history of the rooms that this server is or was in. A purge of the room removes it.
    History,
    /// What a room is at this moment, not how it came to be so.
    RoomsNow,
    /// What the people of this server have made and not deleted, up to the limit named.
    Users(&'static str),
    /// What time brings, and the limit named takes away again.
    Bounded(&'static str),
    /// So many rows, whatever happens.
    Rows(&'static str),
}

const TABLES: &[(&str, Growth)] = &[
    ("access_tokens", Growth::Users("DEVICES_PER_USER_MAX")),
    ("account_data", Growth::Users("the limits in users::account_data")),
    ("accounts", Growth::Users("rate limits of registration")),
    ("aliases", Growth::Users("rate limits of the client API")),
    ("auth_edges", Growth::History),
    ("backed_up_keys", Growth::Users("KEYS_PER_BACKUP_MAX")),
    ("bodies", Growth::History),
    ("client_transactions", Growth::Bounded("TRANSACTION_IDS_AGE_MAX")),
    ("copies", Growth::Rows("one")),
    ("cross_signing_keys", Growth::Rows("three a user of ours, or of another server while we share a room")),
    ("current_state", Growth::RoomsNow),
    ("destination_health", Growth::Bounded("DESTINATIONS_MAX")),
    ("device_keys", Growth::Users("DEVICES_PER_USER_MAX")),
    ("device_list_changes", Growth::Rows("one a user who shares or shared a room with ours")),
    ("devices", Growth::Users("DEVICES_PER_USER_MAX")),
    ("edges", Growth::History),
    ("events", Growth::History),
    ("extremities", Growth::RoomsNow),
    ("fallback_keys", Growth::Users("one a device and algorithm")),
    ("filters", Growth::Users("FILTERS_PER_USER_MAX")),
    ("gaps", Growth::RoomsNow),
    ("graph", Growth::History),
    ("key_backups", Growth::Users("the limits in users::key_backups")),
    ("key_signatures", Growth::Users("the limits in users::cross_signing")),
    ("leaps", Growth::Rows("one a stream and restore of a backup")),
    ("local_media", Growth::Users("rate limits of uploads")),
    ("media_thumbnails", Growth::Bounded("THUMBNAILS_PER_FILE_MAX")),
    ("members", Growth::RoomsNow),
    ("missed", Growth::Bounded("MISSED_PER_ROOM_MAX, MISSED_HORIZON")),
    ("one_time_keys", Growth::Users("ONE_TIME_KEYS_MAX")),
    ("outbound_delivered", Growth::Bounded("DELIVERED_KEPT_MAX, DELIVERED_AGE_MAX")),
    ("outbound_destinations", Growth::Bounded("IDLE_AGE_MAX")),
    ("outbound_edus", Growth::Bounded("WAITING_EDUS_MAX, WAITING_EDU_AGE_MAX")),
    ("outbound_forgotten", Growth::Rows("one")),
    ("outbound_pdus", Growth::Bounded("WAITING_PDUS_MAX, and one a room")),
    ("outbound_transactions", Growth::Rows("one a destination")),
    ("own_keys", Growth::Rows("one a signing key that the operator ever used")),
    ("own_name", Growth::Rows("one")),
    ("partial_rooms", Growth::RoomsNow),
    ("partial_servers", Growth::RoomsNow),
    ("profile_fields", Growth::Users("PROFILE_SIZE_BYTES_MAX")),
    ("pulls", Growth::Bounded("PULL_HORIZON")),
    ("purges", Growth::Rows("one a room that is being purged")),
    ("published_rooms", Growth::Users("rate limits of the client API")),
    ("receipts", Growth::Rows("one a member and type, and THREADS_MAX for threads")),
    ("received_transactions", Growth::Bounded("ANSWERS_PER_ORIGIN_MAX, ANSWER_AGE_MAX")),
    ("redactions", Growth::History),
    ("refresh_tokens", Growth::Users("DEVICES_PER_USER_MAX")),
    ("remote_device_lists", Growth::RoomsNow),
    ("remote_devices", Growth::RoomsNow),
    ("remote_key_updates", Growth::Bounded("STAGED_PER_USER_MAX")),
    ("remote_media", Growth::Bounded("CACHE_AGE_MAX")),
    ("rooms", Growth::History),
    ("server_key_documents", Growth::Bounded("STORED_SERVERS_MAX")),
    ("server_keys", Growth::Bounded("STORED_SERVERS_MAX")),
    ("signed_users", Growth::Users("the limits in users::cross_signing")),
    ("staged", Growth::Bounded("STAGED_PER_ORIGIN_MAX, STAGED_HORIZON")),
    ("standings", Growth::History),
    ("state_changes", Growth::History),
    ("state_chunks", Growth::History),
    ("state_keys", Growth::History),
    ("state_snapshots", Growth::History),
    ("state_snapshots_purged", Growth::Rows("one")),
    ("streams", Growth::Rows("one a stream")),
    ("subscriptions", Growth::Rows("one a follower")),
    ("to_device", Growth::Bounded("QUEUED_MAX")),
    ("to_device_received", Growth::Bounded("RECEIVED_PER_ORIGIN_MAX")),
    ("to_device_sent", Growth::Bounded("SENT_KEPT_MS")),
    ("unanswered_joins", Growth::Bounded("UNANSWERED_JOIN_HORIZON")),
    ("unverified", Growth::Bounded("UNVERIFIED_PER_ORIGIN_MAX, UNVERIFIED_MAX, STAGED_HORIZON")),
    ("verdicts", Growth::History),
];

#[test]
fn of_every_table_it_is_said_what_bounds_it() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch(&all()).unwrap();
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let listed: BTreeSet<String> = TABLES.iter().map(|(table, _)| (*table).to_owned()).collect();
    assert_eq!(listed, tables.into_iter().collect());
}

/// A bound that is named stands in the code, unless it is said in words.
#[test]
fn the_limits_that_bound_tables_exist() {
    let code = sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for (table, growth) in TABLES {
        let bound = match growth {
            Growth::Users(bound) | Growth::Bounded(bound) | Growth::Rows(bound) => bound,
            Growth::History | Growth::RoomsNow => continue,
        };
        let is_name = |word: &&str| word.len() > 4 && word.chars().all(|char| char.is_ascii_uppercase() || char == '_');
        for name in bound.split([' ', ',']).filter(is_name) {
            assert!(code.contains(&format!("const {name}:")), "{table} is said to be bounded by {name}");
        }
        let is_named = bound.split([' ', ',']).any(|word| is_name(&word));
        assert!(is_named || !matches!(growth, Growth::Bounded(_)), "{table} needs the name of what bounds it");
    }
}

fn sources(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &std::fs::read_to_string(path).unwrap();
        }
    }
    text
}

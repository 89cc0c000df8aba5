use std::collections::BTreeMap;

use proptest::prelude::*;

use super::write::store_shaped;
use super::*;
use crate::numbers::{RoomNumber, SnapshotNumber};
use crate::tx::{StoreError, WriteTx};

/// So small that a few changes reach every level, whole states in several rows, and differences between whole states.
const SMALL: Shape = Shape { level_entries_max: [16, 8, 4, 2], chunk_entries_max: 5 };
const ROOM: RoomNumber = RoomNumber(1);

type Model = BTreeMap<StateKeyNumber, EventNumber>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// A tree of states, each with a random earlier one as its parent, read in every way.
    #[test]
    fn any_tree_reads_as_a_map_would(steps in proptest::collection::vec(step(), 1..120)) {
        let store = Store::new();
        let mut tx = store.tx();
        let mut states: Vec<(SnapshotNumber, Model)> = Vec::new();
        for (parent, changes) in steps {
            let parent = states.len().checked_sub(1 + parent).map(|at| states[at].clone());
            let (parent, mut model) = parent.map_or((None, Model::new()), |(number, model)| (Some(number), model));
            let before = model.clone();
            apply(&mut model, &changes);
            let number = store_shaped(&mut tx, &SMALL, ROOM, parent, &changes).unwrap();
            prop_assert_eq!(parent == Some(number), parent.is_some() && before == model, "the parent exactly if nothing changes");
            states.push((number, model));
        }
        for (number, model) in &states {
            let loaded = load(&tx, *number).unwrap();
            prop_assert_eq!(loaded.iter().collect::<Model>(), model.clone());
            for key in (0..45).map(StateKeyNumber) {
                prop_assert_eq!(entry(&tx, *number, key).unwrap(), model.get(&key).copied());
                prop_assert_eq!(loaded.get(key), model.get(&key).copied());
            }
            let keys = [StateKeyNumber(30), StateKeyNumber(2), StateKeyNumber(2), StateKeyNumber(44)];
            let expected: Vec<_> = keys.iter().map(|key| model.get(key).copied()).collect();
            prop_assert_eq!(entries(&tx, *number, &keys).unwrap(), expected);
        }
        for (from, from_model) in &states {
            for (to, to_model) in states.iter().rev().step_by(1 + states.len() / 10) {
                let expected = naive_difference(from_model, to_model);
                prop_assert_eq!(difference(&tx, *from, *to).unwrap(), expected.clone());
                prop_assert_eq!(load(&tx, *from).unwrap().diff(&load(&tx, *to).unwrap()), expected);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// The same tree, where events refer to some of the states, and the room to one.
    #[test]
    fn a_sweep_leaves_what_is_used_as_it_was(
        steps in proptest::collection::vec((step(), proptest::bool::weighted(0.2)), 1..120),
    ) {
        let store = Store::new();
        let mut tx = store.tx();
        let mut states: Vec<(SnapshotNumber, Model)> = Vec::new();
        let mut used = BTreeMap::new();
        for (at, ((parent, changes), is_used)) in (1..).zip(steps) {
            let parent = states.len().checked_sub(1 + parent).map(|at| states[at].clone());
            let (parent, mut model) = parent.map_or((None, Model::new()), |(number, model)| (Some(number), model));
            apply(&mut model, &changes);
            let number = store_shaped(&mut tx, &SMALL, ROOM, parent, &changes).unwrap();
            if is_used {
                let (before, after) = if at % 2 == 0 { (Some(number), None) } else { (None, Some(number)) };
                place(&mut tx, at, before, after);
                used.insert(number, model.clone());
            }
            states.push((number, model));
        }
        let (current, model) = states[states.len() / 2].clone();
        tx.execute("INSERT INTO rooms (number, room_id, version, state) VALUES (1, '!a', '11', ?1)", &[&current]).unwrap();
        used.insert(current, model);
        let last = states.iter().map(|(number, _)| *number).max().unwrap();
        sweep_room(&mut tx, ROOM).unwrap();
        for (number, model) in &used {
            prop_assert_eq!(&load(&tx, *number).unwrap().iter().collect::<Model>(), model);
        }
        let unused = "SELECT COUNT(*)
           FROM state_snapshots AS state
          WHERE room = ?1
            AND NOT EXISTS (SELECT 1 FROM rooms WHERE rooms.state = state.number)
            AND NOT EXISTS (SELECT 1 FROM graph WHERE state_before = state.number OR state_after = state.number)
            AND NOT EXISTS (SELECT 1 FROM state_snapshots AS upon WHERE upon.base = state.number)";
        prop_assert_eq!(count(&tx, unused, ROOM.0), 0);
        let loose = "SELECT COUNT(*) FROM state_chunks WHERE room = ?1 AND snapshot NOT IN (SELECT number FROM state_snapshots)";
        prop_assert_eq!(count(&tx, loose, ROOM.0), 0);
        prop_assert_eq!(sweep_room(&mut tx, ROOM).unwrap(), 0);
        prop_assert!(super::store(&mut tx, ROOM, None, &[change(1, 1)]).unwrap() > last, "a number is never given again");
    }
}

fn place(tx: &mut WriteTx<'_>, event: i64, before: Option<SnapshotNumber>, after: Option<SnapshotNumber>) {
    let sql = "INSERT INTO graph (event, room, topological, state_before, state_after, outcome) VALUES (?1, ?2, ?1, ?3, ?4, 0)";
    tx.execute(sql, &[&event, &ROOM, &before, &after]).unwrap();
}

/// How far back the parent is, and what changes.
fn step() -> impl Strategy<Value = (usize, Vec<Change>)> {
    let change = (0..40_i64, proptest::option::weighted(0.8, 1..1_000_i64))
        .prop_map(|(key, event)| (StateKeyNumber(key), event.map(EventNumber)));
    let back = prop_oneof![8 => Just(0_usize), 3 => 0..10_usize, 1 => 0..200_usize];
    let changes = prop_oneof![
        8 => proptest::collection::vec(change.clone(), 0..4),
        1 => proptest::collection::vec(change, 0..60),
    ];
    (back, changes)
}

#[test]
fn the_small_shape_reaches_every_kind_of_row() {
    let store = Store::new();
    let mut tx = store.tx();
    let first: Vec<Change> = (0..40).map(|key| change(key, 1)).collect();
    let mut at = store_shaped(&mut tx, &SMALL, ROOM, None, &first).unwrap();
    for number in 0..200 {
        at = store_shaped(&mut tx, &SMALL, ROOM, Some(at), &[change(number * 7 % 40, 2 + number)]).unwrap();
    }
    for level in 0..=LEVELS {
        assert!(count(&tx, "SELECT COUNT(*) FROM state_snapshots WHERE level = ?1", level as i64) > 1, "level {level}");
    }
    assert!(count(&tx, "SELECT COUNT(*) FROM state_snapshots WHERE level = ?1 AND base IS NOT NULL", 0) > 1);
    assert!(count(&tx, "SELECT COUNT(*) FROM state_chunks WHERE first_key >= ?1", 1) > 8);
}

#[test]
fn an_empty_state_is_stored_and_an_absent_one_is_an_error() {
    let store = Store::new();
    let mut tx = store.tx();
    let empty = super::store(&mut tx, ROOM, None, &[]).unwrap();
    assert!(load(&tx, empty).unwrap().is_empty());
    assert_eq!(entry(&tx, empty, StateKeyNumber(1)).unwrap(), None);
    let absent = SnapshotNumber(empty.0 + 1);
    assert_inconsistent(load(&tx, absent), "is not stored");
    assert_inconsistent(entry(&tx, absent, StateKeyNumber(1)), "is not stored");
    assert_inconsistent(entries(&tx, absent, &[]), "is not stored");
    assert_inconsistent(difference(&tx, empty, absent), "is not stored");
    assert_inconsistent(super::store(&mut tx, ROOM, Some(absent), &[change(1, 1)]), "is not stored");
}

#[test]
fn no_flipped_bit_is_read_as_a_state() {
    let store = Store::new();
    let mut tx = store.tx();
    let (whole, last) = some_of_each(&mut tx);
    for (table, column) in [("state_snapshots", "number"), ("state_chunks", "first_key")] {
        let rows: Vec<(i64, Vec<u8>)> = store.rows(&format!("SELECT {column}, content FROM {table} ORDER BY {column}"));
        for (row, content) in rows {
            for bit in (0..content.len() * 8).step_by(13) {
                let mut damaged = content.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                store.set(&format!("UPDATE {table} SET content = ?1 WHERE {column} = ?2"), &damaged, row);
                assert!(load(&tx, last).is_err() || load(&tx, whole).is_err(), "{table} {row}, bit {bit}");
            }
            store.set(&format!("UPDATE {table} SET content = ?1 WHERE {column} = ?2"), &content, row);
        }
    }
    load(&tx, last).unwrap();
    load(&tx, whole).unwrap();
}

#[test]
fn a_missing_part_is_never_read_as_no_entries() {
    for first_key in ["MIN(first_key)", "MAX(first_key)", "20"] {
        let store = Store::new();
        let mut tx = store.tx();
        let (whole, last) = some_of_each(&mut tx);
        let sql = format!(
            "DELETE FROM state_chunks WHERE first_key = (SELECT {first_key} FROM state_chunks) AND snapshot = {}",
            whole.0
        );
        assert_eq!(store.connection.execute(&sql, []).unwrap(), 1);
        assert_inconsistent(load(&tx, whole), "is missing or damaged");
        assert_inconsistent(load(&tx, last), "is missing or damaged");
        let found: Vec<_> = (0..45).map(|key| entry(&tx, last, StateKeyNumber(key))).collect();
        assert!(found.iter().any(Result::is_err), "the keys of the part that is gone");
        assert!(found.iter().flatten().flatten().count() >= 34, "the others are still read");
    }
}

#[test]
fn a_row_in_the_place_of_another_is_noticed() {
    let store = Store::new();
    let mut tx = store.tx();
    let (_, last) = some_of_each(&mut tx);
    let sql = "UPDATE state_snapshots SET content = (SELECT content FROM state_snapshots WHERE number = ?1) WHERE number = ?2";
    store.connection.execute(sql, [last.0 - 1, last.0]).unwrap();
    assert_inconsistent(load(&tx, last), "its row is damaged");
    assert_inconsistent(entry(&tx, last, StateKeyNumber(0)), "its row is damaged");
}

#[test]
fn rooms_do_not_share_and_are_purged_alone() {
    let store = Store::new();
    let mut tx = store.tx();
    let other_room = RoomNumber(2);
    let kept = super::store(&mut tx, other_room, None, &[change(1, 1)]).unwrap();
    let (whole, last) = some_of_each(&mut tx);
    assert_inconsistent(super::store(&mut tx, other_room, Some(last), &[change(1, 5)]), "not of room 2");
    purge_room(&mut tx, ROOM, 100_000).unwrap();
    assert_inconsistent(load(&tx, last), "is not stored");
    assert_inconsistent(load(&tx, whole), "is not stored");
    assert_eq!(count(&tx, "SELECT COUNT(*) FROM state_chunks WHERE room = ?1", ROOM.0), 0);
    assert_eq!(load(&tx, kept).unwrap().len(), 1);
    let next = super::store(&mut tx, other_room, Some(kept), &[change(2, 2)]).unwrap();
    assert!(next > last, "a purged number is never given again");
    purge_room(&mut tx, ROOM, 100_000).unwrap();
    purge_room(&mut tx, other_room, 100_000).unwrap();
    assert!(super::store(&mut tx, ROOM, None, &[]).unwrap() > next);
}

#[test]
fn of_several_changes_to_a_key_the_last_counts() {
    let store = Store::new();
    let mut tx = store.tx();
    let state = super::store(&mut tx, ROOM, None, &[change(1, 5), change(2, 6), change(1, 7)]).unwrap();
    assert_eq!(entry(&tx, state, StateKeyNumber(1)).unwrap(), Some(EventNumber(7)));
    let same = [(StateKeyNumber(1), None), change(1, 7), (StateKeyNumber(9), None)];
    assert_eq!(super::store(&mut tx, ROOM, Some(state), &same).unwrap(), state);
    assert_inconsistent(super::store(&mut tx, ROOM, Some(state), &[change(-1, 7)]), "negative");
    assert_inconsistent(super::store(&mut tx, ROOM, Some(state), &[change(1, -7)]), "negative");
}

#[test]
fn a_key_has_one_number() {
    let store = Store::new();
    let mut tx = store.tx();
    let name = intern_key(&mut tx, "m.room.name", "").unwrap();
    let alice = intern_key(&mut tx, "m.room.member", "@alice:a.test").unwrap();
    assert_ne!(name, alice);
    assert_eq!(intern_key(&mut tx, "m.room.name", "").unwrap(), name);
    assert_eq!(key_number(&tx, "m.room.member", "@alice:a.test").unwrap(), Some(alice));
    assert_eq!(key_number(&tx, "m.room.member", "").unwrap(), None);
    let texts = key_texts(&tx, &[alice, name]).unwrap();
    assert_eq!(texts[0], ("m.room.member".to_owned(), "@alice:a.test".to_owned()));
    assert_eq!(texts[1], key_text(&tx, name).unwrap());
    assert_inconsistent(key_text(&tx, StateKeyNumber(99)), "no number 99");
}

struct Store {
    connection: rusqlite::Connection,
}

impl Store {
    fn new() -> Self {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(&crate::tables::all()).unwrap();
        Self { connection }
    }

    fn tx(&self) -> WriteTx<'_> {
        WriteTx::new(&self.connection)
    }

    fn rows(&self, sql: &str) -> Vec<(i64, Vec<u8>)> {
        let mut statement = self.connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(|row| row.unwrap()).collect()
    }

    fn set(&self, sql: &str, content: &[u8], row: i64) {
        assert_eq!(self.connection.execute(sql, (content, row)).unwrap(), 1);
    }
}

/// Stores a whole state in several rows with a difference of each level on it; returns the whole and the last.
fn some_of_each(tx: &mut WriteTx<'_>) -> (SnapshotNumber, SnapshotNumber) {
    let first: Vec<Change> = (0..40).map(|key| change(key, 1)).collect();
    let whole = store_shaped(tx, &SMALL, ROOM, None, &first).unwrap();
    let last = (0..4).fold(whole, |at, key| store_shaped(tx, &SMALL, ROOM, Some(at), &[change(key, 2)]).unwrap());
    assert_eq!(last.0, whole.0 + 4);
    (whole, last)
}

fn change(key: i64, event: i64) -> Change {
    (StateKeyNumber(key), Some(EventNumber(event)))
}

fn apply(model: &mut Model, changes: &[Change]) {
    for (key, event) in changes {
        match event {
            Some(event) => model.insert(*key, *event),
            None => model.remove(key),
        };
    }
}

fn naive_difference(from: &Model, to: &Model) -> Vec<Differing> {
    let keys: std::collections::BTreeSet<_> = from.keys().chain(to.keys()).copied().collect();
    let all = keys.into_iter().map(|key| (key, from.get(&key).copied(), to.get(&key).copied()));
    all.filter(|(_, old, new)| old != new).collect()
}

fn count(tx: &WriteTx<'_>, sql: &'static str, parameter: i64) -> i64 {
    tx.query_one(sql, &[&parameter], |row| row.get(0)).unwrap()
}

fn assert_inconsistent<T: std::fmt::Debug>(result: Result<T, StoreError>, words: &str) {
    match result {
        Err(StoreError::Inconsistent(reason)) => assert!(reason.contains(words), "{reason}"),
        other => panic!("expected an inconsistency with {words:?}, got {other:?}"),
    }
}

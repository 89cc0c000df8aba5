//! Rows of `state_chunks`: a whole state cut by key, so that one entry is found without reading all.
//!
//! ```text
//! content = checksum (4 bytes) end (8 bytes) list
//! ```
//! The row has the keys from `first_key` up to and without `end`. The first row begins at 0, each other one where the one
//! before it ends, the last one ends at the highest number: a row that is missing leaves a gap that is noticed.

use super::codec::{Changes, Damaged, Reader, write_changes};
use super::record::damaged;
use crate::numbers::{EventNumber, RoomNumber, SnapshotNumber, StateKeyNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};

type Entry = (StateKeyNumber, EventNumber);

/// Cuts `entries` into rows of at most `chunk_entries_max` and stores them. Returns how many rows there are.
pub(super) fn write(
    tx: &mut WriteTx<'_>,
    snapshot: SnapshotNumber,
    room: RoomNumber,
    entries: &[Entry],
    chunk_entries_max: usize,
) -> Result<u64, StoreError> {
    let mut chunks = entries.chunks(chunk_entries_max).peekable();
    let (mut first, mut count) = (0, 0);
    while let Some(chunk) = chunks.next() {
        let end = chunks.peek().and_then(|next| next.first()).map_or(i64::MAX, |entry| entry.0.0);
        let mut content = vec![0; 4];
        content.extend_from_slice(&end.to_le_bytes());
        write_changes(&mut content, chunk.iter().map(|&(key, event)| (key, Some(event))));
        let checksum = checksum(snapshot, first, room, &content[4..]);
        content[..4].copy_from_slice(&checksum);
        tx.execute(
            "INSERT INTO state_chunks (snapshot, first_key, room, content) VALUES (?1, ?2, ?3, ?4)",
            &[&snapshot, &first, &room, &content],
        )?;
        first = end;
        count += 1;
    }
    Ok(count)
}

/// Reads the whole state, of `entries` entries in `chunks` rows.
pub(super) fn read_all(
    tx: &ReadTx<'_>,
    snapshot: SnapshotNumber,
    entries: u64,
    chunks: u64,
) -> Result<Vec<Entry>, StoreError> {
    let mut all = Vec::with_capacity(usize::try_from(entries.min(chunks.saturating_mul(4_096))).unwrap_or(0));
    let (mut next, mut rows) = (0, 0);
    tx.query_each(
        "SELECT first_key, room, content FROM state_chunks WHERE snapshot = ?1 ORDER BY first_key",
        &[&snapshot],
        |row| {
            let first: i64 = row.get(0)?;
            let (end, list) =
                parse(snapshot, first, row.get(1)?, row.bytes(2)?).map_err(|Damaged| at(snapshot, first))?;
            if first != next {
                return Err(at(snapshot, next));
            }
            for entry in entries_of(list) {
                all.push(entry.map_err(|Damaged| at(snapshot, first))?);
            }
            next = end;
            rows += 1;
            Ok(())
        },
    )?;
    if rows != chunks || next != i64::MAX {
        return Err(at(snapshot, next));
    }
    Ok(all)
}

/// Finds entries by ascending keys, reading a row only when it holds the next key.
pub(super) struct Finder {
    snapshot: SnapshotNumber,
    /// Up to where `entries` is everything there is, without that key itself.
    end: i64,
    entries: Vec<Entry>,
}

impl Finder {
    pub(super) fn new(snapshot: SnapshotNumber) -> Self {
        Self { snapshot, end: 0, entries: Vec::new() }
    }

    /// Returns the event at `key`, which is not below any key asked before.
    pub(super) fn get(&mut self, tx: &ReadTx<'_>, key: StateKeyNumber) -> Result<Option<EventNumber>, StoreError> {
        if self.end <= key.0 {
            self.read_row_of(tx, key)?;
        }
        Ok(self.entries.binary_search_by_key(&key, |entry| entry.0).ok().map(|index| self.entries[index].1))
    }

    fn read_row_of(&mut self, tx: &ReadTx<'_>, key: StateKeyNumber) -> Result<(), StoreError> {
        let snapshot = self.snapshot;
        self.entries.clear();
        let found = tx.query_optional(
            "SELECT first_key, room, content FROM state_chunks
              WHERE snapshot = ?1 AND first_key <= ?2 ORDER BY first_key DESC LIMIT 1",
            &[&snapshot, &key],
            |row| {
                let first: i64 = row.get(0)?;
                let (end, list) =
                    parse(snapshot, first, row.get(1)?, row.bytes(2)?).map_err(|Damaged| at(snapshot, first))?;
                for entry in entries_of(list) {
                    self.entries.push(entry.map_err(|Damaged| at(snapshot, first))?);
                }
                Ok(end)
            },
        )?;
        self.end = found.filter(|end| key.0 < *end).ok_or_else(|| at(snapshot, key.0))?;
        Ok(())
    }
}

fn parse(
    snapshot: SnapshotNumber,
    first: i64,
    room: RoomNumber,
    content: &[u8],
) -> Result<(i64, Changes<'_>), Damaged> {
    let mut reader = Reader(content);
    if reader.array()? != checksum(snapshot, first, room, reader.0) {
        return Err(Damaged);
    }
    Ok((i64::from_le_bytes(reader.array()?), reader.changes()?))
}

/// A whole state has no removals.
fn entries_of(list: Changes<'_>) -> impl Iterator<Item = Result<Entry, Damaged>> {
    list.map(|change| change.and_then(|(key, event)| Ok((key, event.ok_or(Damaged)?))))
}

fn at(snapshot: SnapshotNumber, key: i64) -> StoreError {
    damaged(snapshot, &format!("its part with key {key} is missing or damaged"))
}

fn checksum(snapshot: SnapshotNumber, first: i64, room: RoomNumber, rest: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    for column in [snapshot.0, first, room.0] {
        hasher.update(&column.to_le_bytes());
    }
    hasher.update(rest);
    hasher.finalize().to_le_bytes()
}

//! A row of `state_snapshots`.
//!
//! ```text
//! content = checksum (4 bytes) sum (8 bytes) entries chunks list
//! ```
//! The checksum (CRC-32) covers the other columns and the rest of the content; `sum` is [`sum_of`] every entry of the state,
//! `entries` their number. At level 0 the state is whole: with `chunks` = 0 it is the list; else it lies in that many rows of
//! `state_chunks`, and the list is the difference to `base`, another whole state, if that is worth storing. At the other
//! levels the list is the difference to `base`.

use super::codec::{Changes, Damaged, Reader, write_changes, write_varint};
use super::{Change, LEVELS};
use crate::numbers::{EventNumber, RoomNumber, SnapshotNumber, StateKeyNumber};
use crate::tx::{ReadTx, StoreError, WriteTx};

/// A snapshot as it is stored.
pub(super) struct Record {
    pub(super) number: SnapshotNumber,
    pub(super) head: Head,
    pub(super) changes: Vec<Change>,
}

/// A snapshot without its list.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) room: RoomNumber,
    pub(super) base: Option<SnapshotNumber>,
    /// 0 for a whole state, [`LEVELS`] for the smallest differences.
    pub(super) level: usize,
    pub(super) sum: u64,
    pub(super) entries: u64,
    pub(super) chunks: u64,
}

/// The sum over an empty state is 0; adding an entry adds its weight, removing it subtracts that. So the sum of a state
/// follows from that of its parent, and needs no order. It finds damage; it withstands no forger, who would need our disk.
pub(super) fn weight((key, event): (StateKeyNumber, EventNumber)) -> u64 {
    let mut mixed = key.0.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ event.0.cast_unsigned();
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

/// The sum of [`weight`] over `entries`.
pub(super) fn sum_of(entries: impl Iterator<Item = (StateKeyNumber, EventNumber)>) -> u64 {
    entries.fold(0, |sum, entry| sum.wrapping_add(weight(entry)))
}

/// Reads the row and hands its list to `read`.
pub(super) fn with_list<T>(
    tx: &ReadTx<'_>,
    number: SnapshotNumber,
    read: impl FnOnce(Head, Changes<'_>) -> Result<T, Damaged>,
) -> Result<T, StoreError> {
    let found = tx.query_optional(
        "SELECT room, base, level, content FROM state_snapshots WHERE number = ?1",
        &[&number],
        |row| {
            let content = row.bytes(3)?;
            let parsed = parse(number, row.get(0)?, row.get(1)?, row.get(2)?, content);
            parsed.and_then(|(head, list)| read(head, list)).map_err(|Damaged| damaged(number, "its row is damaged"))
        },
    )?;
    found.ok_or_else(|| damaged(number, "it is not stored"))
}

/// Reads the row.
pub(super) fn read(tx: &ReadTx<'_>, number: SnapshotNumber) -> Result<Record, StoreError> {
    with_list(tx, number, |head, list| {
        let changes = list.collect::<Result<Vec<_>, _>>()?;
        Ok(Record { number, head, changes })
    })
}

/// Writes a row with the list `changes`.
pub(super) fn write(
    tx: &mut WriteTx<'_>,
    number: SnapshotNumber,
    head: Head,
    changes: impl ExactSizeIterator<Item = Change> + Clone,
) -> Result<(), StoreError> {
    let mut content = vec![0; 4];
    content.extend_from_slice(&head.sum.to_le_bytes());
    write_varint(&mut content, head.entries);
    write_varint(&mut content, head.chunks);
    write_changes(&mut content, changes);
    let level = head.level as i64;
    let checksum = checksum(number, head.room, head.base, level, &content[4..]);
    content[..4].copy_from_slice(&checksum);
    tx.execute(
        "INSERT INTO state_snapshots (number, room, base, level, content) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[&number, &head.room, &head.base, &level, &content],
    )?;
    Ok(())
}

/// What is wrong with snapshot `number`.
pub(super) fn damaged(number: SnapshotNumber, what: &str) -> StoreError {
    StoreError::Inconsistent(format!("room state snapshot {}: {what}", number.0))
}

fn parse(
    number: SnapshotNumber,
    room: RoomNumber,
    base: Option<SnapshotNumber>,
    level: i64,
    content: &[u8],
) -> Result<(Head, Changes<'_>), Damaged> {
    let mut reader = Reader(content);
    if reader.array()? != checksum(number, room, base, level, reader.0) {
        return Err(Damaged);
    }
    let level = usize::try_from(level).ok().filter(|level| *level <= LEVELS).ok_or(Damaged)?;
    if level > 0 && base.is_none() {
        return Err(Damaged);
    }
    let sum = u64::from_le_bytes(reader.array()?);
    let entries = reader.varint()?;
    let chunks = reader.varint()?;
    Ok((Head { room, base, level, sum, entries, chunks }, reader.changes()?))
}

fn checksum(
    number: SnapshotNumber,
    room: RoomNumber,
    base: Option<SnapshotNumber>,
    level: i64,
    rest: &[u8],
) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    // No snapshot has number 0.
    for column in [number.0, room.0, base.map_or(0, |base| base.0), level] {
        hasher.update(&column.to_le_bytes());
    }
    hasher.update(rest);
    hasher.finalize().to_le_bytes()
}

//! Lists of changes as bytes: numbers of variable length, keys as the gap to the key before, events as the distance to the
//! newest event of the list. Two to six bytes for an entry.
//!
//! ```text
//! list   = count newest entry*            each a varint: 7 bits a byte, the lowest first, the high bit set on all but the last
//! entry  = (gap << 1 | 1)                 the key has no event
//!        | (gap << 1) (newest - event)
//! ```
//! The gap of the first entry is its key. Both key and event numbers are positive.

use super::Change;
use crate::numbers::{EventNumber, StateKeyNumber};

/// The bytes are not what [`write_changes`] writes.
#[derive(Debug)]
pub(super) struct Damaged;

pub(super) fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes `changes`, which are in ascending order of their keys. Numbers must not be negative; none of ours is.
pub(super) fn write_changes(out: &mut Vec<u8>, changes: impl ExactSizeIterator<Item = Change> + Clone) {
    let newest = changes.clone().filter_map(|(_, event)| event).map(|event| event.0.unsigned_abs()).max().unwrap_or(0);
    write_varint(out, changes.len() as u64);
    write_varint(out, newest);
    let mut previous = 0;
    for (key, event) in changes {
        let key = key.0.unsigned_abs();
        let gap = key - previous;
        previous = key;
        match event {
            None => write_varint(out, gap << 1 | 1),
            Some(event) => {
                write_varint(out, gap << 1);
                write_varint(out, newest - event.0.unsigned_abs());
            }
        }
    }
}

/// Takes bytes apart from the front.
#[derive(Clone)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*head)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for (at, byte) in self.0.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if at == 9 && bits > 1 {
                return Err(Damaged);
            }
            number |= bits << (7 * at);
            if byte & 0x80 == 0 {
                self.0 = &self.0[at + 1..];
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    /// The rest is a list of changes, and nothing else.
    pub(super) fn changes(mut self) -> Result<Changes<'a>, Damaged> {
        let left = self.varint()?;
        let newest = self.varint()?;
        // Each entry takes a byte at least, so that a damaged count cannot make us reserve memory.
        if left > self.0.len() as u64 {
            return Err(Damaged);
        }
        Ok(Changes { bytes: self, left, newest, previous: None })
    }
}

/// The entries of a list, in ascending order of their keys.
pub(super) struct Changes<'a> {
    bytes: Reader<'a>,
    left: u64,
    newest: u64,
    previous: Option<u64>,
}

impl Changes<'_> {
    fn read(&mut self) -> Result<Change, Damaged> {
        let head = self.bytes.varint()?;
        let gap = head >> 1;
        let key = match self.previous {
            Some(_) if gap == 0 => return Err(Damaged),
            Some(previous) => previous.checked_add(gap).ok_or(Damaged)?,
            None => gap,
        };
        self.previous = Some(key);
        let event = match head & 1 {
            1 => None,
            _ => {
                let event = self.newest.checked_sub(self.bytes.varint()?).ok_or(Damaged)?;
                Some(EventNumber(i64::try_from(event).map_err(|_| Damaged)?))
            }
        };
        Ok((StateKeyNumber(i64::try_from(key).map_err(|_| Damaged)?), event))
    }
}

impl Iterator for Changes<'_> {
    type Item = Result<Change, Damaged>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            // What follows the last entry does not belong there.
            return (!std::mem::take(&mut self.bytes.0).is_empty()).then_some(Err(Damaged));
        }
        self.left -= 1;
        Some(self.read())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, left.checked_add(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_numbers_take_few_bytes() {
        let changes = [(StateKeyNumber(3), Some(EventNumber(1_000_000))), (StateKeyNumber(90), None)];
        let mut bytes = Vec::new();
        write_changes(&mut bytes, changes.iter().copied());
        assert_eq!(bytes.len(), 1 + 3 + 2 + 2);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(map: std::collections::BTreeMap<u32, Option<u32>>, large in 0..i64::MAX) {
            let mut changes: Vec<Change> = map
                .into_iter()
                .map(|(key, event)| (StateKeyNumber(key.into()), event.map(|event| EventNumber(event.into()))))
                .collect();
            changes.push((StateKeyNumber(i64::from(u32::MAX) + 1), Some(EventNumber(large))));
            let mut bytes = Vec::new();
            write_changes(&mut bytes, changes.iter().copied());
            let read: Vec<Change> = Reader(&bytes).changes().unwrap().map(|change| change.unwrap()).collect();
            prop_assert_eq!(read, changes);
        }

        #[test]
        fn cut_off_bytes_are_noticed(events: std::collections::BTreeMap<u16, u16>, cut in 1..100_usize) {
            let changes = events.into_iter().map(|(key, event)| (StateKeyNumber(key.into()), Some(EventNumber(event.into()))));
            let changes: Vec<Change> = changes.collect();
            let mut bytes = Vec::new();
            write_changes(&mut bytes, changes.iter().copied());
            bytes.truncate(bytes.len().saturating_sub(cut));
            let read: Result<Vec<Change>, Damaged> = Reader(&bytes).changes().and_then(Iterator::collect);
            prop_assert!(read.is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            if let Ok(changes) = Reader(&bytes).changes() {
                for change in changes {
                    if change.is_err() {
                        break;
                    }
                }
            }
        }
    }
}

//! The states of the past that are needed.

use persistence::{RoomNumber, SnapshotNumber, StoreError, WriteTx};

use crate::state_records::{ParentState, StateRecord};

/// States of which each is written when the first event is placed with it.
///
/// Much of what is fetched to fill a gap has its place already: whoever makes us ask again and again is not to fill the database with
/// states that are of no event.
pub(super) struct WantedStates {
    records: Vec<StateRecord>,
    written: Vec<Option<SnapshotNumber>>,
}

impl WantedStates {
    pub(super) fn new(records: Vec<StateRecord>) -> Self {
        Self { written: vec![None; records.len()], records }
    }

    /// The number of a state, which is written now, if it is not yet; `None` for the empty state.
    pub(super) fn number(
        &mut self,
        tx: &mut WriteTx<'_>,
        room: RoomNumber,
        state: &ParentState,
    ) -> Result<Option<SnapshotNumber>, StoreError> {
        let index = match *state {
            ParentState::Empty => return Ok(None),
            ParentState::Stored(number) => return Ok(Some(number)),
            ParentState::Record(index) => index,
        };
        // Each rests on an earlier one.
        let mut lacking = vec![index];
        while let Some(&index) = lacking.last() {
            let Some(record) = self.records.get(index) else {
                return Err(StoreError::Inconsistent(format!("there is no state {index} in what is to be written")));
            };
            let parent = match record.parent {
                ParentState::Empty => None,
                ParentState::Stored(number) => Some(number),
                ParentState::Record(parent) => match self.written.get(parent).copied().flatten() {
                    Some(number) => Some(number),
                    None => {
                        lacking.push(parent);
                        continue;
                    }
                },
            };
            if self.written[index].is_none() {
                self.written[index] = Some(record.write(tx, room, parent)?);
            }
            lacking.pop();
        }
        Ok(self.written[index])
    }

    /// Those that were written, with their numbers.
    pub(super) fn written(&self) -> impl Iterator<Item = (&StateRecord, SnapshotNumber)> {
        self.records.iter().zip(&self.written).filter_map(|(record, written)| written.map(|number| (record, number)))
    }
}

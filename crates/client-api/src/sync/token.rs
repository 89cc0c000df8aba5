//! The token of a sync: positions of the streams that a client has seen. It outlives restarts, and restores of a backup.

use messaging::sync::Since;
use persistence::transactions::restoring;
use persistence::transactions::streams::Stream;
use persistence::{Position, ReadTx, StoreError};

use crate::error::ApiError;

/// Positions of the streams that a client has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) events: i64,
    pub(crate) account_data: i64,
    pub(crate) receipts: i64,
    pub(crate) typing: i64,
    pub(crate) to_device: i64,
    pub(crate) device_lists: i64,
    /// Up to here what timelines have set is the state; at most `events`.
    pub(crate) settled: i64,
}

impl Token {
    /// Reads what [`Token::text`] writes.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let wrong = || ApiError::invalid_param(format!("{text} is no token of a sync"));
        let rest = text.strip_prefix("s1_").ok_or_else(wrong)?;
        let numbers: Option<Vec<i64>> =
            rest.split('_').map(|number| number.parse().ok().filter(|number| *number >= 0)).collect();
        match numbers.as_deref() {
            Some(&[events, account_data, receipts, typing, to_device, device_lists, settled]) if settled <= events => {
                Ok(Self { events, account_data, receipts, typing, to_device, device_lists, settled })
            }
            Some(_) | None => Err(wrong()),
        }
    }

    pub(crate) fn text(&self) -> String {
        let Self { events, account_data, receipts, typing, to_device, device_lists, settled } = self;
        format!("s1_{events}_{account_data}_{receipts}_{typing}_{to_device}_{device_lists}_{settled}")
    }

    /// What to go on from instead, with the full state, if the client has seen what was lost when a backup was restored.
    pub(crate) fn before_loss(&self, tx: &ReadTx<'_>) -> Result<Option<Self>, StoreError> {
        let last = |stream, position| restoring::last_before_loss(tx, stream, Position(position));
        let rooms = self.of_rooms().before_loss(tx)?;
        let account_data = last(Stream::AccountData, self.account_data)?;
        let device_lists = last(Stream::DeviceLists, self.device_lists)?;
        if rooms.is_none() && account_data.is_none() && device_lists.is_none() {
            return Ok(None);
        }
        let Since { events, settled, receipts } = rooms.unwrap_or_else(|| self.of_rooms());
        // All of these are told anew: what was changed and is as before again has no later position. What was for the device was in
        // the backup as far as it has it, and does not come again.
        Ok(Some(Self {
            events: events.0,
            settled: settled.0,
            receipts: receipts.0,
            account_data: 0,
            device_lists: 0,
            ..*self
        }))
    }

    /// The positions of what rooms depend on.
    pub(crate) fn of_rooms(&self) -> Since {
        Since { events: Position(self.events), settled: Position(self.settled), receipts: Position(self.receipts) }
    }

    /// Says whether a token names something that has not happened. It is from another server, or from before this one was
    /// restored from a backup; who goes on from it would miss what happens until then.
    pub(crate) fn is_ahead_of(&self, now: &Self) -> bool {
        // The count of typing begins with the process.
        self.events > now.events
            || self.account_data > now.account_data
            || self.receipts > now.receipts
            || self.to_device > now.to_device
            || self.device_lists > now.device_lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tokens_are_read() {
        let token = Token {
            events: 8,
            account_data: 2,
            receipts: 3,
            typing: 1_700_000_000_000,
            to_device: 5,
            device_lists: 6,
            settled: 7,
        };
        assert_eq!(Token::parse(&token.text()).unwrap(), token);
        for wrong in [
            "",
            "s1_",
            "s1_1_2_3_4_5_6",
            "s1_1_2_3_4_5_6_0_0",
            "s1_1_2_3_4_5_6_-1",
            "s1_1_2_3_4_5_6_2",
            "s72595_4483_1934",
            "s1_a_2_3_4_5_6_0",
        ] {
            assert!(Token::parse(wrong).is_err(), "{wrong}");
        }
    }
}

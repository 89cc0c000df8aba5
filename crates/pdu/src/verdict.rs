//! What was decided about an event, and why.

use events::auth::Rejection;
use events::{EventId, ServerName};
use persistence::transactions::events as event_rows;
use persistence::transactions::graph::Outcome;
use persistence::{EventNumber, ReadTx, StoreError};
use serde::{Deserialize, Serialize};

/// The step that decided. S2S API, "Checks performed on receipt of a PDU".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Step 4: by the events that it cites.
    AuthEvents,
    /// Step 5: by the state before it.
    StateBefore,
    /// Step 6: by the current state.
    CurrentState,
    /// All steps were passed. The policy server's step says "none": rooms with one are not looked at.
    Passed,
}

/// What was decided about an event. Stored with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The step that decided.
    pub step: Step,
    /// The rule that refused the event; `None` if it was accepted.
    pub rejection: Option<Rejection>,
    /// Who sent it to us; `None` for our own.
    pub origin: Option<ServerName>,
    /// When we decided, in milliseconds since 1970.
    pub decided_at: i64,
    /// The forward extremities that its state before was resolved from, if they were several.
    pub resolved_from: Vec<EventId>,
    /// Who told the state before, if it does not follow from the parents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_told_by: Option<Tellers>,
    /// Not all of the room's state was known, for lack of members or of keys: it is decided again when it is, if we stay so long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

/// Servers that told the state before an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tellers {
    /// At least one.
    pub servers: Vec<ServerName>,
    /// They told different states, which were resolved like those of forks.
    pub differed: bool,
}

impl Verdict {
    /// Reads what was decided about an event; `None` if nothing was.
    pub(crate) fn read(tx: &ReadTx<'_>, event: EventNumber) -> Result<Option<Self>, StoreError> {
        let Some(text) = event_rows::verdict(tx, event)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| {
            StoreError::Inconsistent(format!("the verdict on event {} cannot be read: {error}", event.0))
        })
    }

    /// What becomes of the event.
    pub fn outcome(&self) -> Outcome {
        match (&self.rejection, self.step) {
            (None, _) => Outcome::Accepted,
            (Some(_), Step::CurrentState) => Outcome::SoftFailed,
            (Some(_), Step::AuthEvents | Step::StateBefore | Step::Passed) => Outcome::Rejected,
        }
    }
}

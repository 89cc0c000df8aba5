//! `althing explain`: what was decided about an event, and why.

mod text;

use std::path::Path;

use events::EventId;
use handles::Handles;
use pdu::explain::Detail;
use persistence::{Database, StoreError};
use serde::{Deserialize, Serialize};

use crate::running::{self, AccessError, Request};

/// What to explain, and how.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) event_id: EventId,
    /// As JSON, one object a line for each room that has an event of this id.
    pub(crate) json: bool,
    /// With the whole state before the event.
    pub(crate) state: bool,
}

/// It was not explained.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExplainError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// There is nothing to say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("this server has never heard of the event {0}")]
    Unknown(EventId),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Prints what is known of the event in the database that `file` leads to.
pub(crate) async fn run(file: &Path, order: Order) -> Result<(), ExplainError> {
    for line in running::here_or_there(file, order, Request::Explain, alone).await? {
        println!("{line}");
    }
    Ok(())
}

/// Explains while no server runs.
async fn alone(database: &Database, order: Order) -> Result<Vec<String>, ExplainError> {
    Ok(order.perform(database, &Handles::system()).await?)
}

impl Order {
    /// Returns the lines to print.
    pub(crate) async fn perform(self, database: &Database, handles: &Handles) -> Result<Vec<String>, OrderError> {
        let detail = if self.state { Detail::WholeState } else { Detail::Brief };
        let explanations = pdu::explain::explain(database, handles, &self.event_id, detail).await?;
        if explanations.is_empty() {
            return Err(OrderError::Unknown(self.event_id));
        }
        let mut lines = Vec::new();
        for explanation in &explanations {
            if self.json {
                lines.push(serde_json::to_string(explanation).expect("an explanation is plain data"));
            } else {
                lines.extend(text::lines(explanation));
            }
        }
        Ok(lines)
    }
}

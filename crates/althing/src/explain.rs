//! `althing explain`: what was decided about an event, and why.

mod text;

use std::path::Path;

use events::EventId;
use handles::Handles;
use pdu::explain::Detail;
use persistence::{Database, OpenError, StoreError};
use serde::{Deserialize, Serialize};

use crate::config::{Config, ConfigError};
use crate::data_dir::{self, DataDir, DataDirError};
use crate::running::{self, Request, RunningError};
use crate::server::{self, StartError};

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
    Config(#[from] ConfigError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Running(#[from] RunningError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Open(#[from] OpenError),
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
    let config = Config::load(file)?;
    let lines = match DataDir::open(&config.data_dir) {
        Ok(data_dir) => {
            let database = Database::open(&data_dir::database(data_dir.path()))?;
            let lines = alone(&config, &database, &data_dir, order).await;
            database.close().await;
            lines?
        }
        Err(DataDirError::InUse { .. }) => running::ask(&config.data_dir, &Request::Explain(order)).await?,
        Err(error @ DataDirError::Unusable { .. }) => return Err(error.into()),
    };
    for line in lines {
        println!("{line}");
    }
    Ok(())
}

/// Explains while no server runs.
async fn alone(
    config: &Config,
    database: &Database,
    data_dir: &DataDir,
    order: Order,
) -> Result<Vec<String>, ExplainError> {
    server::claim_name(database, &config.server_name, data_dir.path()).await?;
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

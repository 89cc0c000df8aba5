//! `althing room`: rooms, from the command line of the machine that the server runs on.

use std::path::Path;
use std::time::Duration;

use events::RoomId;
use handles::Handles;
use messaging::membership::Occupants;
use messaging::{Messaging, MessagingError};
use pdu::PurgeError;
use persistence::{Database, OpenError};
use serde::{Deserialize, Serialize};

use crate::config::{Config, ConfigError};
use crate::data_dir::{self, DataDir, DataDirError};
use crate::running::{self, Request, RunningError};
use crate::server::{self, StartError};

/// How long a running server is given to delete all rows of a room. After that it goes on by itself.
const PURGE_WAIT: Duration = Duration::from_secs(60);

/// One thing to do with a room.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Removes it completely.
    Purge {
        room: RoomId,
        /// Whether our users leave it first.
        leave: bool,
    },
}

/// It was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoomError {
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
    #[error("{0}; with --leave they do, while the server runs")]
    InUse(PurgeError),
    #[error(transparent)]
    Purge(PurgeError),
    #[error("--leave tells other servers, so it needs a server that runs: start it, and run this again")]
    NobodyToTell,
}

/// Does `order` with the rooms that `file` leads to.
pub(crate) async fn run(file: &Path, order: Order) -> Result<(), RoomError> {
    let config = Config::load(file)?;
    match DataDir::open(&config.data_dir) {
        Ok(data_dir) => {
            let database = Database::open(&data_dir::database(data_dir.path()))?;
            let done = alone(&config, &database, &data_dir, order).await;
            database.close().await;
            done
        }
        Err(DataDirError::InUse { .. }) => {
            for line in running::ask(&config.data_dir, &Request::Room(order)).await? {
                println!("{line}");
            }
            Ok(())
        }
        Err(error @ DataDirError::Unusable { .. }) => Err(error.into()),
    }
}

/// Does `order` while no server runs.
async fn alone(config: &Config, database: &Database, data_dir: &DataDir, order: Order) -> Result<(), RoomError> {
    let Order::Purge { room, leave } = order;
    server::claim_name(database, &config.server_name, data_dir.path()).await?;
    if leave {
        return Err(RoomError::NobodyToTell);
    }
    match pdu::purge_alone(database, &Handles::system(), &room).await {
        Ok(()) => {
            println!("{room} is purged");
            Ok(())
        }
        Err(error @ PurgeError::InUse { .. }) => Err(RoomError::InUse(error)),
        Err(error) => Err(RoomError::Purge(error)),
    }
}

impl Order {
    /// Does it in the server that runs, and returns the lines to print.
    pub(crate) async fn perform(self, messaging: &Messaging) -> Result<Vec<String>, MessagingError> {
        let Self::Purge { room, leave } = self;
        messaging.purge(&room, if leave { Occupants::Leave } else { Occupants::Stay }).await?;
        let line = if messaging.until_purged(PURGE_WAIT).await? {
            format!("{room} is purged")
        } else {
            format!(
                "{room} is out of sight; its rows go in the background, once other servers have heard that our users left"
            )
        };
        Ok(vec![line])
    }
}

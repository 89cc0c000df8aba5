//! `althing room`: rooms, from the command line of the machine that the server runs on.

use std::path::Path;
use std::time::Duration;

use events::RoomId;
use handles::Handles;
use messaging::membership::Occupants;
use messaging::{Messaging, MessagingError};
use pdu::PurgeError;
use persistence::Database;
use serde::{Deserialize, Serialize};

use crate::running::{self, AccessError, Request};

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
    Access(#[from] AccessError),
    #[error("{0}; with --leave they do, while the server runs")]
    InUse(PurgeError),
    #[error(transparent)]
    Purge(PurgeError),
    #[error("--leave tells other servers, so it needs a server that runs: start it, and run this again")]
    NobodyToTell,
}

/// Does `order` with the rooms that `file` leads to.
pub(crate) async fn run(file: &Path, order: Order) -> Result<(), RoomError> {
    for line in running::here_or_there(file, order, Request::Room, alone).await? {
        println!("{line}");
    }
    Ok(())
}

/// Does `order` while no server runs.
async fn alone(database: &Database, order: Order) -> Result<Vec<String>, RoomError> {
    let Order::Purge { room, leave } = order;
    if leave {
        return Err(RoomError::NobodyToTell);
    }
    match pdu::purge_alone(database, &Handles::system(), &room).await {
        Ok(()) => Ok(vec![format!("{room} is purged")]),
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

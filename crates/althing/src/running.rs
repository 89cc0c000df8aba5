//! Orders to the server that runs on the folder of data, through a socket in it. Whoever may open the folder may give them.
//!
//! One connection, one order: a line of JSON there, a line of JSON back.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handles::Handles;
use persistence::{Database, OpenError};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::config::{Config, ConfigError};
use crate::data_dir::{self, DataDir, DataDirError};
use crate::server::{self, StartError};
use crate::user::order;
use crate::{explain, room};

/// Bytes of an order. A password has at most 512.
pub(crate) const ORDER_BYTES_MAX: u64 = 16 * 1024;
/// Bytes of an answer: some hundred thousand accounts.
pub(crate) const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// For an order to be carried out. Whoever is deactivated leaves their rooms first.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);
/// For a server that holds the folder to take orders: it may just be starting.
const STARTING_MAX: Duration = Duration::from_secs(10);
/// Between two looks whether it does.
const STARTING_STEP: Duration = Duration::from_millis(50);

/// An order, with what it is about.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    /// Accounts.
    User(order::Order),
    /// Rooms.
    Room(room::Order),
    /// Events.
    Explain(explain::Order),
}

/// The folder of data, or the server that runs on it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
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
}

/// Has `order` done by the server that runs on the folder of data that `file` leads to, who takes it as `wrap` makes it; if none
/// runs, does `alone` with the database, which then belongs to this process. Returns the lines to print.
pub(crate) async fn here_or_there<Order, E: From<AccessError>>(
    file: &Path,
    order: Order,
    wrap: fn(Order) -> Request,
    alone: impl AsyncFnOnce(&Database, Order) -> Result<Vec<String>, E>,
) -> Result<Vec<String>, E> {
    let config = Config::load(file).map_err(AccessError::from)?;
    match DataDir::open(&config.data_dir) {
        Ok(data_dir) => {
            let database = Database::open(&data_dir::database(data_dir.path())).map_err(AccessError::from)?;
            let claimed = server::claim_name(&database, &config.server_name, data_dir.path()).await;
            let done = match claimed {
                Ok(()) => alone(&database, order).await,
                Err(error) => Err(AccessError::from(error).into()),
            };
            database.close().await;
            done
        }
        Err(DataDirError::InUse { .. }) => Ok(ask(&config.data_dir, &wrap(order)).await.map_err(AccessError::from)?),
        Err(error @ DataDirError::Unusable { .. }) => Err(AccessError::from(error).into()),
    }
}

/// What the server says to an order.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// It was carried out. Lines to print.
    Done(Vec<String>),
    /// It was not, for this reason.
    Refused(String),
}

/// The running server did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunningError {
    #[error("a server runs on {path} and cannot be asked: {reason}; stop it first", path = path.display())]
    Unreachable { path: PathBuf, reason: std::io::Error },
    #[error("the server that runs on {path} did not answer in time", path = path.display())]
    Silent { path: PathBuf },
    #[error("the server that runs on {path} gave no answer; its log says why", path = path.display())]
    NoAnswer { path: PathBuf },
    #[error("{0}")]
    Refused(String),
}

/// Gives an order to the server that runs on `data_dir`, and returns the lines to print.
pub(crate) async fn ask(data_dir: &Path, order: &Request) -> Result<Vec<String>, RunningError> {
    let path = || data_dir.to_owned();
    let line = serde_json::to_string(order).expect("an order is plain data") + "\n";
    let exchange = async {
        let mut stream = connect(&data_dir::control(data_dir)).await?;
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream).take(ANSWER_BYTES_MAX).read_line(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| RunningError::Silent { path: path() })?;
    let answer = answer.map_err(|reason| RunningError::Unreachable { path: path(), reason })?;
    match serde_json::from_str(&answer) {
        Ok(Reply::Done(lines)) => Ok(lines),
        Ok(Reply::Refused(reason)) => Err(RunningError::Refused(reason)),
        Err(_) => Err(RunningError::NoAnswer { path: path() }),
    }
}

/// Waits for a server that is starting. Its socket is not there yet, or is one that a killed process left.
async fn connect(socket: &Path) -> std::io::Result<UnixStream> {
    let clock = Handles::system().clock;
    let mut waited = Duration::ZERO;
    loop {
        match UnixStream::connect(socket).await {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
                    && waited < STARTING_MAX =>
            {
                clock.sleep(STARTING_STEP).await;
                waited += STARTING_STEP;
            }
            connected => return connected,
        }
    }
}

//! `althing serve`: runs until a signal says that it is enough.

use std::path::Path;
use std::time::Duration;

use handles::Handles;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, ConfigError};
use crate::data_dir::{DataDir, DataDirError};
use crate::logging;
use crate::server::{ListenError, Server, Sockets, StartError};

/// How long a stop may take in all. Service managers kill after some time; ten seconds is the shortest that is usual.
const STOP_MAX: Duration = Duration::from_secs(9);

/// The server did not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// Runs the server that `file` configures.
pub(crate) async fn run(file: &Path) -> Result<(), ServeError> {
    let config = Config::load(file)?;
    logging::start(&config.log);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let mut signals = Signals::new()?;
    let handles = Handles::system();
    let clock = handles.clock.clone();
    let data_dir = DataDir::open(&config.data_dir)?;
    let sockets = Sockets::bind(&config).await?;
    let server = Server::start(&config, sockets, data_dir, handles).await?;
    let duration_ms = u64::try_from(clock.monotonic().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(server.name = %config.server_name, duration_ms, "{} is ready", config.server_name);

    let name = signals.next().await;
    tracing::info!("Stopping, because of {name}");
    tokio::select! {
        biased;
        () = server.stop() => tracing::info!("Stopped"),
        name = signals.next() => tracing::warn!("Stopped at once, because of another {name}"),
        () = clock.sleep(STOP_MAX) => tracing::warn!("Stopped, although something did not end in time"),
    }
    Ok(())
}

/// The signals that end a server.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on they do not end the process by themselves.
    pub(crate) fn new() -> Result<Self, ServeError> {
        let listen = |kind| signal(kind).map_err(ServeError::Signals);
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for one and says which.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

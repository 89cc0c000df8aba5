//! The command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use events::{EventId, RoomId, ServerName};
use tokio::runtime::{Builder, Runtime};

use crate::backup::{self, BackupError};
use crate::demo::{self, Afterwards, DemoError};
use crate::explain::{self, ExplainError};
use crate::room::{self, RoomError};
use crate::serve::{self, ServeError};
use crate::user::{self, PasswordSource, Task, UserError};
use crate::{check, config};

/// A Matrix homeserver.
#[derive(Debug, Parser)]
#[command(name = "althing", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server, until SIGTERM or SIGINT
    Serve(ConfigFile),
    /// Run two servers in a temporary folder that talk to each other
    Demo {
        /// End after the exchange instead of staying up
        #[arg(long)]
        once: bool,
    },
    /// Print a commented configuration
    GenerateConfig {
        /// The name after the colon in @user:example.org; it cannot be changed later
        #[arg(long, value_name = "NAME")]
        server_name: Option<ServerName>,
    },
    /// Check configuration, keys, certificates, database and reachability; say what to mend
    ///
    /// Ends with status 0 if the server would run.
    Check(ConfigFile),
    /// Make, change, end and list accounts
    ///
    /// On the machine of the server, whether it runs or not. While it runs, it is asked through a socket in the folder of data.
    User {
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Copy everything that must not be lost into a new folder, while the server runs or not
    ///
    /// The database, the signing key and the content repository, as they are at one moment. Not the configuration.
    Backup {
        /// The folder to make, outside of data_dir
        directory: PathBuf,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Say what was decided about an event, and why
    ///
    /// On the machine of the server, whether it runs or not. Nothing is asked of other servers.
    Explain {
        /// Which: $event
        event_id: EventId,
        /// Print JSON: one object a line, for each room that has an event of this id
        #[arg(long)]
        json: bool,
        /// Print the whole state before the event
        #[arg(long)]
        state: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Purge rooms, and see how far joins have come
    ///
    /// On the machine of the server, whether it runs or not.
    Room {
        #[command(subcommand)]
        command: RoomCommand,
    },
}

#[derive(Debug, Subcommand)]
enum RoomCommand {
    /// Remove a room completely from this server
    ///
    /// Its events, state, receipts and aliases go, for good; other servers keep theirs. Files stay, and the keys in users' backups.
    Purge {
        /// Which: !room:example.org
        room: RoomId,
        /// Have the users of this server leave it first; without this a room that somebody is in is not touched
        #[arg(long)]
        leave: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Tell of the rooms that were joined and whose members are still being fetched
    Joins {
        /// Print JSON, one object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make an account, and print its user id
    Create {
        /// What stands before the colon: alice
        name: String,
        /// Make an administrator of the server
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Give an account another password
    ResetPassword {
        /// What stands before the colon: alice
        name: String,
        #[command(flatten)]
        password: Password,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// End an account for good: nobody can log in, and its name stays taken
    ///
    /// Its devices, keys and settings are deleted, and it leaves its rooms; if no server runs, when one starts.
    Deactivate {
        /// What stands before the colon: alice
        name: String,
        /// Delete the profile too
        #[arg(long)]
        erase: bool,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Print all accounts, one a line
    List(ConfigFile),
}

#[derive(Debug, Args)]
struct Password {
    /// Read the password from the first line of standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration; without it ./althing.toml
    #[arg(long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(
        "there is no {file} here: name a configuration with --config FILE, or make one:\n    \
         althing generate-config --server-name example.org > {file}",
        file = config::DEFAULT_FILE
    )]
    NoConfig,
    #[error("the system lets us start no threads: {0}")]
    Runtime(std::io::Error),
    #[error("cannot print: {0}")]
    Print(std::io::Error),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error(transparent)]
    User(#[from] UserError),
    #[error(transparent)]
    Room(#[from] RoomError),
    #[error(transparent)]
    Explain(#[from] ExplainError),
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// Runs the command and returns the status to end with.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, CommandError> {
    match arguments.command {
        Command::Serve(file) => {
            let file = file.path()?;
            runtime(Threads::OnePerCore)?.block_on(serve::run(&file))?;
        }
        Command::Demo { once } => {
            let afterwards = if once { Afterwards::End } else { Afterwards::StayUp };
            runtime(Threads::OnePerCore)?.block_on(demo::run(afterwards))?;
        }
        Command::GenerateConfig { server_name } => generate_config(server_name)?,
        Command::Check(file) => {
            let file = file.path()?;
            return Ok(runtime(Threads::One)?.block_on(check::run(&file)));
        }
        Command::User { command } => {
            let (file, task) = command.into_task();
            let file = file.path()?;
            runtime(Threads::One)?.block_on(user::run(&file, task))?;
        }
        Command::Backup { directory, config } => {
            let file = config.path()?;
            runtime(Threads::One)?.block_on(backup::run(&file, &directory))?;
        }
        Command::Explain { event_id, json, state, config } => {
            let file = config.path()?;
            runtime(Threads::One)?.block_on(explain::run(&file, explain::Order { event_id, json, state }))?;
        }
        Command::Room { command: RoomCommand::Purge { room, leave, config } } => {
            let file = config.path()?;
            runtime(Threads::One)?.block_on(room::run(&file, room::Order::Purge { room, leave }))?;
        }
        Command::Room { command: RoomCommand::Joins { json, config } } => {
            let file = config.path()?;
            runtime(Threads::One)?.block_on(room::run(&file, room::Order::Joins { json }))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How many threads serve requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threads {
    One,
    OnePerCore,
}

fn runtime(threads: Threads) -> Result<Runtime, CommandError> {
    let mut builder = match threads {
        Threads::One => Builder::new_current_thread(),
        Threads::OnePerCore => Builder::new_multi_thread(),
    };
    builder.enable_all().build().map_err(CommandError::Runtime)
}

impl UserCommand {
    fn into_task(self) -> (ConfigFile, Task) {
        match self {
            Self::Create { name, admin, password, config } => {
                (config, Task::Create { name, admin, password: password.source() })
            }
            Self::ResetPassword { name, password, config } => {
                (config, Task::ResetPassword { name, password: password.source() })
            }
            Self::Deactivate { name, erase, config } => (config, Task::Deactivate { name, erase }),
            Self::List(config) => (config, Task::List),
        }
    }
}

impl Password {
    fn source(&self) -> PasswordSource {
        if self.password_stdin { PasswordSource::StandardInput } else { PasswordSource::Terminal }
    }
}

impl ConfigFile {
    fn path(&self) -> Result<PathBuf, CommandError> {
        match &self.file {
            Some(file) => Ok(file.clone()),
            None if Path::new(config::DEFAULT_FILE).exists() => Ok(config::DEFAULT_FILE.into()),
            None => Err(CommandError::NoConfig),
        }
    }
}

fn generate_config(server_name: Option<ServerName>) -> Result<(), CommandError> {
    let name = server_name.unwrap_or_else(|| {
        eprintln!("althing: the server is called localhost: for trying out; use --server-name NAME for a real one");
        ServerName::parse("localhost").expect("it is a DNS name")
    });
    std::io::stdout().write_all(config::template(&name).as_bytes()).map_err(CommandError::Print)
}

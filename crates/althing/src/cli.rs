//! The command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use events::ServerName;

use crate::check;
use crate::config::{self, ConfigError};

/// A Matrix homeserver.
#[derive(Debug, Parser)]
#[command(name = "althing", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
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
        "there is no {} here: name a configuration with --config FILE, or make one:\n    althing generate-config --server-name example.org > {}",
        config::DEFAULT_FILE,
        config::DEFAULT_FILE
    )]
    NoConfig,
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Runs the command and returns the status to end with.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, CommandError> {
    match arguments.command {
        Command::GenerateConfig { server_name } => {
            generate_config(server_name);
            Ok(ExitCode::SUCCESS)
        }
        Command::Check(file) => Ok(check::run(&file.path()?)),
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

fn generate_config(server_name: Option<ServerName>) {
    let name = server_name.unwrap_or_else(|| {
        eprintln!("althing: the server is called localhost: for trying out; use --server-name NAME for a real one");
        ServerName::parse("localhost").expect("it is a DNS name")
    });
    print!("{}", config::template(&name));
}

//! The binary: configuration, command line, and the layers put together by plain constructors. No logic.
#![expect(dead_code, reason = "the commands that use the rest come with the layers below")]

mod check;
mod cli;
mod config;
mod data_dir;
mod logging;
mod signing_key;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Arguments::parse()) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("althing: {error}");
            ExitCode::FAILURE
        }
    }
}

//! One command for all checks: `cargo xtask test`. Also each of them alone, where that is useful.
//!
//! **Invariant:** what runs here runs the same on a fresh machine: it makes what it needs below `target/`, and nothing else.

mod bench;
mod fuzz;
mod simulate;
mod stage;
mod test;
mod tidy;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// The checks of Althing.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Command {
    /// Run all checks, stop at the first that fails
    Test,
    /// Check what neither compiler nor clippy can: the arrows between crates, where SQL stands, the length of files
    Tidy,
    /// Measure what has a budget, and write BENCHMARKS.md; takes about ten minutes after building
    Bench,
    /// Run many homeservers in one process, with faults, from seeds; the last line says "N seeds, F failures"
    Simulate(simulate::Arguments),
    /// Feed mutated input to everything that parses what strangers send; keeps what is a defect
    Fuzz(fuzz::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Test => test::run(&root()),
        Command::Tidy => tidy::run(&root()),
        Command::Bench => bench::run(&root()),
        Command::Simulate(arguments) => simulate::run(&root(), &arguments),
        Command::Fuzz(arguments) => fuzz::run(&root(), &arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    // cargo sets this for what it runs: the folder of this crate, two below the workspace.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("crates/xtask"), PathBuf::from);
    own.ancestors().nth(2).map_or_else(|| PathBuf::from("."), PathBuf::from)
}

//! Measures a running Althing against the budgets of its design, each figure beside its floor.
//!
//! `cargo xtask bench` runs all of it and writes BENCHMARKS.md. Alone: `cargo run --release -p load -- target/release/althing
//! [SCENARIO]...`. The binary is driven as anybody would drive it: over HTTP from [`client`]s and over HTTPS from a scripted
//! [`peer`], on loopback addresses only. A [`floor`] is the time of the work that cannot be avoided, measured in the same run on
//! the same machine.
//!
//! **Invariant:** nothing here is part of the server. What is measured is the binary, from outside.

mod althing;
mod client;
mod floor;
mod made_room;
mod peer;
mod report;
mod scenarios;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use handles::Handles;
use tokio::runtime::Runtime;

use report::Failure;
use scenarios::Scenario;

/// Measures an Althing against its budgets; prints tables in Markdown
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Arguments {
    /// The binary to measure
    althing: PathBuf,
    /// What to measure; all, if left out
    scenarios: Vec<Scenario>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chosen = if arguments.scenarios.is_empty() { Scenario::ALL.to_vec() } else { arguments.scenarios };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A table goes out as soon as it is there: who waits sees how far it is, and a failure leaves what was measured before.
    let mut failed = false;
    for scenario in chosen {
        match runtime.block_on(scenario.run(&arguments.althing, &Handles::system())) {
            Ok(table) => println!("{table}"),
            Err(Failure(reason)) => {
                failed = true;
                println!("### {}\n\nNot measured: {reason}\n", scenario.title());
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

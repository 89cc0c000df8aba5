//! Simulations: one seed for a look, many for confidence, a few in every run of the checks.

use std::num::NonZeroU64;
use std::path::Path;

use clap::Args;

use crate::stage::{Failure, cargo, command};

/// Seeds of every run of the checks, from 1 on: always the same.
const FIXED: &str = "60";
/// Seeds of every run of the checks that nobody has tried before. One that fails has found a defect, which may be older than the commit:
/// few, as long as one in a thousand does.
const FRESH: &str = "30";
/// Seeds of every run of the checks with a hostile server: the first, which no test of the crate runs, and how many.
const HOSTILE: [&str; 2] = ["7", "14"];
/// Seeds that are run if nobody says how many, nor which.
const SEEDS: u64 = 100;
const MEND: &str = "look at the timeline above; `cargo xtask simulate --seed S` runs that seed again";

/// Which seeds.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many; 100 if not given, 1 if only the seed is
    #[arg(long)]
    seeds: Option<NonZeroU64>,
    /// The first of them; drawn if not given
    #[arg(long)]
    seed: Option<u64>,
    /// With a server in the room that attacks the others
    #[arg(long)]
    hostile: bool,
    /// Print what happened also where nothing is wrong
    #[arg(long)]
    trace: bool,
}

/// Runs the seeds that are asked for, with an optimised build.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let unsaid = if arguments.seed.is_some() { 1 } else { SEEDS };
    let seeds = arguments.seeds.map_or(unsaid, NonZeroU64::get).to_string();
    let mut simulate = cargo(&["run", "--quiet", "--locked", "--release", "-p", "simulation", "--", "--seeds", &seeds]);
    simulate.args(arguments.seed.map(|seed| format!("--seed={seed}")));
    simulate.args(arguments.hostile.then_some("--hostile"));
    simulate.args(arguments.trace.then_some("--trace"));
    command(root, &mut simulate, MEND)
}

/// Runs some seeds with the build that the tests use.
pub(crate) fn smoke(root: &Path) -> Result<(), Failure> {
    let simulate = ["run", "--quiet", "--locked", "-p", "simulation", "--"];
    command(root, cargo(&simulate).args(["--seed", "1", "--seeds", FIXED]), MEND)?;
    let [first, count] = HOSTILE;
    command(root, cargo(&simulate).args(["--hostile", "--seed", first, "--seeds", count]), MEND)?;
    command(root, cargo(&simulate).args(["--seeds", FRESH]), MEND)
}

//! Mutated input for everything that parses what strangers send, for as long as one likes. The tests feed some of it in every run.

use std::num::NonZeroU64;
use std::path::Path;

use clap::Args;

use crate::stage::{Failure, cargo, command};

const MEND: &str = "what was fed is in `crates/fuzz/corpus`, so that the tests of `fuzz` feed it, too: mend what is wrong, keep the input";

/// Which targets, and how long.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which target; all if not given
    #[arg(long)]
    target: Option<String>,
    /// Seconds for each; 60 if not given
    #[arg(long)]
    seconds: Option<NonZeroU64>,
    /// Where the mutations start; drawn if not given
    #[arg(long)]
    seed: Option<u64>,
}

/// Feeds the targets, with an optimised build.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let mut fuzz = cargo(&["run", "--quiet", "--locked", "--release", "-p", "fuzz", "--"]);
    fuzz.args(arguments.target.iter().map(|target| format!("--target={target}")));
    fuzz.args(arguments.seconds.map(|seconds| format!("--seconds={seconds}")));
    fuzz.args(arguments.seed.map(|seed| format!("--seed={seed}")));
    command(root, &mut fuzz, MEND)
}

//! One check among several: its heading, how long it took, and what to do when it fails.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::tools::stopwatch;

/// A check that failed, in words that say what to do.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks that have passed, with the time that each took.
#[derive(Default)]
pub(crate) struct Passed(Vec<(&'static str, Duration)>);

impl Passed {
    /// Runs `check` under a heading. A failure names the stages that had passed before it.
    pub(crate) fn stage(
        &mut self,
        name: &'static str,
        check: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        println!("\n==== {name} ====");
        let watch = stopwatch();
        check().map_err(|Failure(text)| Failure(format!("{self}FAILED  {name}: {text}")))?;
        self.0.push((name, watch.elapsed()));
        Ok(())
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, duration) in &self.0 {
            writeln!(f, "passed  {name:<14} {:>5} s", duration.as_secs())?;
        }
        Ok(())
    }
}

/// Runs a command in `folder` with our own input and output; `mend` says what to do when it fails.
pub(crate) fn command(folder: &Path, command: &mut Command, mend: &str) -> Result<(), Failure> {
    match command.current_dir(folder).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure(mend.to_owned())),
        Err(error) => Err(Failure(format!("{:?} cannot be run: {error}", command.get_program()))),
    }
}

/// A cargo command with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    // The cargo that runs us; another one might be another version.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

//! All checks in their order: the quick ones first.

use std::path::Path;
use std::process::Command;

use crate::stage::{Failure, Passed, cargo, command};
use crate::{simulate, tidy, tools};

/// Runs everything that must pass before a commit is merged.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let watch = tools::stopwatch();
    let mut passed = Passed::default();
    tools::components(root)?;
    passed.stage("format", || command(root, &mut cargo(&["fmt", "--all", "--check"]), "run cargo fmt"))?;
    passed.stage("tidy", || tidy::run(root))?;
    passed.stage("dependencies", || dependencies(root))?;
    passed.stage("lints", || lints(root))?;
    passed.stage("tests", || tests(root))?;
    passed.stage("simulation", || simulate::smoke(root))?;
    passed.stage("interop", || interop(root))?;
    print!("\n==== all passed in {} s ====\n{passed}", watch.elapsed().as_secs());
    Ok(())
}

/// Licences, duplicates and sources, by `deny.toml`. Advisories need a database from the network: they are not asked here,
/// since a commit must not begin to fail without a change.
fn dependencies(root: &Path) -> Result<(), Failure> {
    let mut deny = Command::new(tools::cargo_deny(root)?);
    deny.args(["--workspace", "check", "bans", "licenses", "sources"]);
    command(root, &mut deny, "choose another dependency, or give a reason in deny.toml")
}

fn lints(root: &Path) -> Result<(), Failure> {
    let mut clippy = cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]);
    command(root, &mut clippy, "mend what clippy shows, or except it on the spot with a reason")
}

fn tests(root: &Path) -> Result<(), Failure> {
    let mend = "run the test that failed alone: cargo test -p CRATE NAME";
    command(root, &mut cargo(&["test", "--workspace", "--locked", "--quiet", "--doc"]), mend)?;
    let mut tests = if tools::has_nextest() {
        cargo(&["nextest", "run", "--workspace", "--locked", "--no-fail-fast"])
    } else {
        cargo(&["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"])
    };
    command(root, &mut tests, mend)
}

/// All of tests/interop: real Synapse on the other side, for all room versions and in both directions.
fn interop(root: &Path) -> Result<(), Failure> {
    let mut build = cargo(&["build", "--locked", "--release", "--package", "althing"]);
    command(root, &mut build, "mend what the compiler shows")?;
    let mut run = Command::new(root.join("tests/interop/run"));
    run.env("ALTHING_BIN", tools::target(root).join("release/althing"));
    run.args(["--tb=native", "-q"]);
    command(root, &mut run, "run the test that failed alone: tests/interop/run FILE -k NAME")
}

//! What the checks need beside cargo: found, or made below `target/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::stage::{Failure, cargo, command};

const CARGO_DENY: &str = "0.20.2";

/// Starts measuring, for people to read.
#[expect(clippy::disallowed_methods, reason = "no server runs here")]
pub(crate) fn stopwatch() -> Instant {
    Instant::now()
}

/// Makes sure that rustfmt and clippy are there; a minimal installation of Rust lacks them.
pub(crate) fn components(root: &Path) -> Result<(), Failure> {
    if runs(&mut cargo(&["fmt", "--version"])) && runs(&mut cargo(&["clippy", "--version"])) {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["component", "add", "rustfmt", "clippy"]);
    command(root, &mut add, "install the components rustfmt and clippy of Rust")
}

/// Returns how to call cargo-deny: the installed one, or ours, which is built once.
pub(crate) fn cargo_deny(root: &Path) -> Result<PathBuf, Failure> {
    let installed = PathBuf::from("cargo-deny");
    if runs(Command::new(&installed).arg("--version")) {
        return Ok(installed);
    }
    let tools = target(root).join("tools");
    let ours = tools.join("bin/cargo-deny");
    if !runs(Command::new(&ours).arg("--version")) {
        println!("Building cargo-deny {CARGO_DENY}, once; it takes some minutes.");
        let mut install = cargo(&["install", "--locked", "--quiet", "cargo-deny", "--version", CARGO_DENY, "--root"]);
        install.arg(&tools).env("CARGO_TARGET_DIR", tools.join("build"));
        // It runs for a second. The profile of its authors costs minutes of linking and gigabytes of disk.
        install.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        command(root, &mut install, "install it yourself: cargo install --locked cargo-deny")?;
        // Some hundred megabytes that nobody needs again.
        if let Err(error) = std::fs::remove_dir_all(tools.join("build")) {
            println!("cannot tidy up after building cargo-deny: {error}");
        }
    }
    Ok(ours)
}

/// Says whether cargo-nextest is installed.
pub(crate) fn has_nextest() -> bool {
    runs(&mut cargo(&["nextest", "--version"]))
}

/// Where cargo builds.
pub(crate) fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |folder| root.join(folder))
}

fn runs(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

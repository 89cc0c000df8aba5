//! What neither the compiler nor clippy can check.
//!
//! Each rule is a function from what was read to sentences that say what to do; reading is done here, once.

mod arrows;
mod crates;
mod files;

use std::path::Path;
use std::process::Command;

use crate::stage::{Failure, cargo};

/// A file of the repository.
pub(crate) struct SourceFile {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Checks the repository at `root`.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let files = read_files(root)?;
    let manifests = crates::manifests(&files)?;
    let mut complaints = arrows::complaints(&manifests);
    complaints.extend(crates::complaints(&manifests, &files));
    complaints.extend(crates::impure_dependencies("events", &tree(root, "events")?));
    complaints.extend(files.iter().flat_map(files::complaints));
    complaints.extend(files::stale_exceptions(&files));
    if complaints.is_empty() {
        println!("{} files and {} crates are tidy", files.len(), manifests.len());
        return Ok(());
    }
    Err(Failure(format!("{} to mend:\n  {}", complaints.len(), complaints.join("\n  "))))
}

/// Reads every text file that git knows or would take in.
fn read_files(root: &Path) -> Result<Vec<SourceFile>, Failure> {
    let listed =
        output(root, Command::new("git").args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        // Deleted but not committed, or binary: nothing to read.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

/// The names of all packages that `package` is built from, one a line.
fn tree(root: &Path, package: &str) -> Result<String, Failure> {
    let arguments =
        ["tree", "--locked", "--quiet", "--edges", "normal,build", "--prefix", "none", "--format", "{p}", "--package"];
    output(root, cargo(&arguments).arg(package))
}

fn output(root: &Path, command: &mut Command) -> Result<String, Failure> {
    let program = format!("{:?}", command.get_program());
    let output =
        command.current_dir(root).output().map_err(|error| Failure(format!("{program} cannot run: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

//! Inputs that are kept: examples of what each target takes, and what was found.

use std::io;
use std::path::{Path, PathBuf};

/// The folder of a target's corpus.
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// Reads a target's corpus, in the order of the names.
///
/// # Errors
///
/// The folder is not there or cannot be read.
pub fn read(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder(target))?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    paths.into_iter().map(std::fs::read).collect()
}

/// Keeps an input that was found, so that it is fed from now on.
///
/// # Errors
///
/// It cannot be written.
pub fn keep(target: &str, name: &str, input: &[u8]) -> io::Result<PathBuf> {
    let path = folder(target).join(name);
    std::fs::write(&path, input)?;
    Ok(path)
}

//! `althing backup`: a copy of everything that must not be lost, from a server that may run.
//!
//! The database is copied first, then the files: a file that the copied database knows was there before, and is never changed.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use handles::Handles;
use persistence::transactions::restoring;
use persistence::{Database, OpenError, StoreError};
use tempfile::TempDir;

use crate::config::{Config, ConfigError};
use crate::data_dir;

/// Bytes in a mebibyte.
const MEBIBYTE: u64 = 1024 * 1024;

/// There is no backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("there is nothing to back up in {path} (data_dir): no server has run there", path = .0.display())]
    NothingThere(PathBuf),
    #[error("{path} is not empty: name a folder that is, or a new one", path = .0.display())]
    NotEmpty(PathBuf),
    #[error("{path} lies in the folder of data that is to be backed up: name one outside, best on another disk", path = .0.display())]
    Inside(PathBuf),
    #[error("cannot write {path}: {reason}", path = path.display())]
    Write { path: PathBuf, reason: io::Error },
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the copy of the database is damaged, so it was removed: {0}")]
    Damaged(String),
}

/// What was copied.
#[derive(Default)]
struct Copied {
    files: u64,
    bytes: u64,
}

/// Copies what lies in the folder of data that `file` leads to into the new folder `to`, and prints what that is.
pub(crate) async fn run(file: &Path, to: &Path) -> Result<(), BackupError> {
    let config = Config::load(file)?;
    let from = &config.data_dir;
    let database = data_dir::database(from);
    if !database.exists() {
        return Err(BackupError::NothingThere(from.clone()));
    }
    let to = target(from, to)?;
    // Beside it, so that it only needs another name when it is whole; it goes if it never is.
    let parent = to.parent().unwrap_or(Path::new("/"));
    let partial = tempfile::Builder::new().prefix(".althing-backup-").tempdir_in(parent);
    let partial = partial.map_err(|reason| BackupError::Write { path: parent.to_owned(), reason })?;
    let copied = copy(from, partial.path()).await?;
    finish(partial, &to)?;
    println!(
        "{files} files, {mebibytes} MiB, are in {to}: the database, the signing key, the content repository. Who has the \
         signing key can speak for {name}: keep it as safe as the server.\n\
         To restore, stop the server, put these files where data_dir points, and start it; keep the old public.keys and \
         signing.key if you have them. The configuration is not among them.",
        files = copied.files,
        mebibytes = copied.bytes.div_ceil(MEBIBYTE),
        to = to.display(),
        name = config.server_name,
    );
    Ok(())
}

/// The folder to make, if it can be made.
fn target(from: &Path, to: &Path) -> Result<PathBuf, BackupError> {
    let write = |reason| BackupError::Write { path: to.to_owned(), reason };
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = to.file_name().ok_or_else(|| write(io::Error::other("it names no folder")))?;
    let real = fs::canonicalize(parent).map_err(write)?.join(name);
    if real.starts_with(fs::canonicalize(from).map_err(write)?) {
        return Err(BackupError::Inside(to.to_owned()));
    }
    match fs::read_dir(&real).map(Iterator::count) {
        Ok(0) => Ok(real),
        Ok(_) => Err(BackupError::NotEmpty(to.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(real),
        Err(error) => Err(write(error)),
    }
}

async fn copy(from: &Path, to: &Path) -> Result<Copied, BackupError> {
    let mut copied = Copied::default();
    let database = data_dir::database(to);
    Database::copy(&data_dir::database(from), &database)?;
    mark(&database).await?;
    let findings = Database::check(&database)?;
    if !findings.is_empty() {
        return Err(BackupError::Damaged(findings.join("; ")));
    }
    remove_traces(to)?;
    copied.add(&database)?;
    copy_files(from, to, &mut copied, &|name| !is_of_database(name))?;
    Ok(copied)
}

/// Has the copy know that it is one.
async fn mark(path: &Path) -> Result<(), BackupError> {
    let now = Handles::system().clock.now();
    let database = Database::open(path)?;
    let marked: Result<(), StoreError> = database.write(move |tx| restoring::mark_copy(tx, now)).await;
    database.close().await;
    Ok(marked?)
}

/// Removes what opening the copy has left beside it.
fn remove_traces(folder: &Path) -> Result<(), BackupError> {
    for path in entries(folder)? {
        if path != data_dir::database(folder) {
            fs::remove_file(&path).map_err(|reason| BackupError::Write { path, reason })?;
        }
    }
    Ok(())
}

/// Copies the files of a folder and of those in it, as far as `wanted` says of the names of the first.
fn copy_files(from: &Path, to: &Path, copied: &mut Copied, wanted: &dyn Fn(&OsStr) -> bool) -> Result<(), BackupError> {
    for path in entries(from)? {
        let Some(name) = path.file_name().filter(|name| wanted(name)) else { continue };
        let target = to.join(name);
        let kind = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata.file_type(),
            // The content repository forgets files of other servers, and removes what is half uploaded.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(reason) => return Err(BackupError::Write { path, reason }),
        };
        if kind.is_dir() {
            make_folder(&target)?;
            copy_files(&path, &target, copied, &|_| true)?;
        } else if kind.is_file() {
            match fs::copy(&path, &target).and_then(|_| File::open(&target)?.sync_all()) {
                Ok(()) => copied.add(&target)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => {}
                Err(reason) => return Err(BackupError::Write { path: target, reason }),
            }
        }
    }
    File::open(to)
        .and_then(|folder| folder.sync_all())
        .map_err(|reason| BackupError::Write { path: to.to_owned(), reason })
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let failed = |reason| BackupError::Write { path: folder.to_owned(), reason };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

/// The database with its log, copied in a way of its own, and what only a running server has.
fn is_of_database(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("althing.db") || name == "lock" || name == "control.sock"
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(|reason| BackupError::Write { path: path.to_owned(), reason })
}

/// Gives the whole copy its name.
fn finish(partial: TempDir, to: &Path) -> Result<(), BackupError> {
    let write = |reason| BackupError::Write { path: to.to_owned(), reason };
    // Onto an empty folder, or onto nothing.
    fs::rename(partial.path(), to).map_err(write)?;
    let _: PathBuf = partial.keep();
    let parent = to.parent().unwrap_or(Path::new("/"));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(write)
}

impl Copied {
    fn add(&mut self, path: &Path) -> Result<(), BackupError> {
        let metadata = fs::metadata(path).map_err(|reason| BackupError::Write { path: path.to_owned(), reason })?;
        self.files += 1;
        self.bytes += metadata.len();
        Ok(())
    }
}

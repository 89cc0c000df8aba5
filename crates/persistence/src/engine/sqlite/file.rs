//! The files of a database: who may read them, who has them open, and whether they belong together.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::database::OpenError;

/// Bytes at the beginning of a log that say what it is.
const LOG_MAGIC_BYTES: usize = 4;
/// Bytes read of what the holder of the lock wrote about itself.
const HOLDER_BYTES_MAX: u64 = 100;

/// Holds the database against other processes, and against this one opening it twice. The system lets go when it is dropped.
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

/// Has the disk keep what the operating system holds of the main file.
///
/// When any file descriptor of a file is closed, POSIX lets go of all locks that the process has on it, SQLite's too. So
/// whoever has a connection holds one of these, and drops it after the connection.
#[derive(Clone)]
pub(super) struct Syncing(Arc<File>);

impl Syncing {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        // Some systems sync for those only who may write.
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|error| open_error(path, &error))?;
        Ok(Self(Arc::new(file)))
    }

    /// Returns when the disk has it.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Locks the database at `path` and makes an empty file there if there is none, readable by nobody else: it will hold
/// password hashes and private messages. SQLite gives the files beside it the same permissions.
pub(super) fn claim(path: &Path) -> Result<Lock, OpenError> {
    let refused = |error: &io::Error| open_error(path, error);
    // The lock follows links, so that two names of a file are one database.
    let real = real_path(path).map_err(|error| refused(&error))?;
    let lock = lock(&real, path)?;
    let log_bytes = fs::metadata(beside(&real, "-wal")).map_or(0, |metadata| metadata.len());
    let length = match fs::metadata(&real) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(refused(&error)),
    };
    if length == 0 && log_bytes > 0 {
        // SQLite would begin a new database and delete the log, and with it what was last acknowledged.
        let reason = format!("it is missing or empty, but the log beside it, {}-wal, is not", path.display());
        return Err(OpenError::Damaged { path: path.display().to_string(), reason });
    }
    if log_bytes > 0 && !begins_as_log(&beside(&real, "-wal")).map_err(|error| refused(&error))? {
        // SQLite would take it for empty, and what was last acknowledged would be gone.
        let reason = format!("the log beside it, {}-wal, is no log", path.display());
        return Err(OpenError::Damaged { path: path.display().to_string(), reason });
    }
    private(OpenOptions::new().create(true).append(true)).open(&real).map_err(|error| refused(&error))?;
    warn_if_readable(&real);
    Ok(lock)
}

/// Whether there is a database already, if only a part of one.
pub(super) fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
        || fs::metadata(beside(path, "-wal")).is_ok_and(|metadata| metadata.len() > 0)
}

/// Whether a file begins as the engine's log does. A loss of power may have left zeros where the beginning was not yet written:
/// then nothing in it was acknowledged.
fn begins_as_log(log: &Path) -> io::Result<bool> {
    let mut start = Vec::with_capacity(LOG_MAGIC_BYTES);
    File::open(log)?.take(LOG_MAGIC_BYTES as u64).read_to_end(&mut start)?;
    let is_zero = start.iter().all(|byte| *byte == 0);
    // SQLite, "WAL File Format": 0x377f0682, or 0x377f0683 on a machine whose numbers begin with the high byte.
    let is_magic = start.len() < LOG_MAGIC_BYTES || matches!(start.as_slice(), [0x37, 0x7f, 0x06, 0x82 | 0x83]);
    Ok(is_zero || is_magic)
}

/// The error for a file that the system does not let us have.
pub(super) fn open_error(path: &Path, error: &io::Error) -> OpenError {
    OpenError::Open { path: path.display().to_string(), reason: error.to_string() }
}

pub(super) fn real_path(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = path.file_name().ok_or(error)?;
            Ok(fs::canonicalize(parent)?.join(name))
        }
        result => result,
    }
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn lock(real: &Path, named: &Path) -> Result<Lock, OpenError> {
    let refused = |error: &io::Error| open_error(named, error);
    let mut file = private(OpenOptions::new().create(true).truncate(false).read(true).write(true))
        .open(beside(real, ".lock"))
        .map_err(|error| refused(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let told = (&file).take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
            let holder = told.ok().map(|_| holder.trim()).filter(|text| !text.is_empty()).unwrap_or("another process");
            return Err(OpenError::InUse { path: named.display().to_string(), holder: holder.to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(refused(&error)),
    }
    // Only for the message above: the lock is what counts, not what is written here.
    let written =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "process {}", std::process::id()));
    written.map_err(|error| refused(&error))?;
    Ok(Lock(file))
}

/// Has a file made that nobody else may read.
#[cfg(unix)]
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// The operator may have a reason, a group that makes backups for example, so that it stays as it is.
#[cfg(unix)]
fn warn_if_readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!("Other users of this machine may open the database {}: chmod 600 it", path.display());
    }
}

#[cfg(not(unix))]
fn warn_if_readable(_path: &Path) {}

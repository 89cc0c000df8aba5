//! The folder of everything that must be backed up.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::certificate::Files;

/// The folder, made if it was not there, and held by this process alone until this is dropped.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    #[error("cannot use the folder {path} (data_dir): {reason}", path = path.display())]
    Unusable { path: PathBuf, reason: std::io::Error },
    #[error("another althing runs on {path}: stop it first", path = path.display())]
    InUse { path: PathBuf },
}

impl DataDir {
    /// Takes the folder at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |reason| DataDirError::Unusable { path: path.to_owned(), reason };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        // The system lets go of the lock when the process ends, however it ends. The file stays: deleting it would let two
        // processes hold locks on two files of the same name.
        let lock = File::options().create(true).append(true).open(path.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(reason)) => Err(unusable(reason)),
        }
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Where the database lies.
pub(crate) fn database(data_dir: &Path) -> PathBuf {
    data_dir.join("althing.db")
}

/// Where the files of the content repository lie.
pub(crate) fn media(data_dir: &Path) -> PathBuf {
    data_dir.join("media")
}

/// Where a running server takes orders of this machine.
pub(crate) fn control(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Where the signing key lies.
pub(crate) fn signing_key(data_dir: &Path) -> PathBuf {
    data_dir.join("signing.key")
}

/// Where the public halves of all keys that were ever used lie.
pub(crate) fn public_keys(data_dir: &Path) -> PathBuf {
    data_dir.join("public.keys")
}

/// Where the self-signed certificate and its key lie.
pub(crate) fn self_signed(data_dir: &Path) -> Files {
    Files { certificate: data_dir.join("self-signed.pem"), private_key: data_dir.join("self-signed.key") }
}

/// Reads a file. `None` if there is none.
pub(crate) fn read_file(path: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file that only we can read: beside `path` first, so that no crash leaves half of it, and on disk when this returns.
pub(crate) fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        let held = DataDir::open(&path).unwrap();
        assert!(matches!(DataDir::open(&path), Err(DataDirError::InUse { .. })));
        drop(held);
        assert_eq!(DataDir::open(&path).unwrap().path(), path);
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::open(&file.path().join("data")).err().unwrap().to_string();
        assert!(error.contains("(data_dir)"), "{error}");
    }
}

//! The folder: each file named by the SHA-256 of its content, in folders by the first two digits.
//!
//! **Invariant:** a file in `files/` is complete and on disk before a row leads to it: it is written in `incoming/`, synchronised,
//! renamed, its folder synchronised, and only then the row is committed.
//! **Invariant:** a file is deleted only while nothing is being placed, after looking whether a row leads to it.

mod reading;
mod receiving;

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{RwLock, RwLockWriteGuard};

pub(crate) use reading::read;
pub(crate) use receiving::{ReceiveError, Received};

use crate::error::{FileError, MediaError};

/// Digits of a hash that name a folder.
const PREFIX_LENGTH: usize = 2;
/// Digits of a hash.
const HASH_LENGTH: usize = 64;

/// The folder of all files.
pub(crate) struct Files {
    files: PathBuf,
    incoming: PathBuf,
    /// Shared by those who place, alone for those who delete.
    placing: RwLock<()>,
    next_incoming: AtomicU64,
}

impl Files {
    /// Takes the folder at `path`, makes it if it is not there, and throws away what was being received when the last process
    /// ended. Nobody else may use the folder.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let (files, incoming) = (path.join("files"), path.join("incoming"));
        match std::fs::remove_dir_all(&incoming) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("empty", &incoming, error)),
        }
        for folder in [&files, &incoming] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| failed("make", folder, error))?;
        }
        Ok(Self { files, incoming, placing: RwLock::new(()), next_incoming: AtomicU64::new(0) })
    }

    fn path(&self, hash: &str) -> PathBuf {
        self.folder_of(hash).join(hash)
    }

    fn folder_of(&self, hash: &str) -> PathBuf {
        self.files.join(hash.get(..PREFIX_LENGTH).unwrap_or_default())
    }

    fn new_incoming(&self) -> PathBuf {
        self.incoming.join(self.next_incoming.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Puts a file where it belongs, and runs `commit`, which stores the row that leads to it.
    pub(crate) async fn place<T>(
        &self,
        received: Received,
        commit: impl Future<Output = Result<T, MediaError>>,
    ) -> Result<T, MediaError> {
        let _placing = self.placing.read().await;
        let (folder, path) = (self.folder_of(&received.hash), self.path(&received.hash));
        let parent = self.files.clone();
        blocking("store", &path.clone(), move || {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => File::open(parent)?.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            // In place of an equal one, if there is one: content names itself.
            received.incoming.rename(&path)?;
            File::open(folder)?.sync_all()
        })
        .await?;
        commit.await
    }

    /// Keeps everybody from placing, so that what nothing leads to can be deleted.
    pub(crate) async fn deleting(&self) -> Deleting<'_> {
        Deleting { files: self, _alone: self.placing.write().await }
    }

    /// Opens a file, or returns `None` if it is not there.
    pub(crate) async fn open_file(&self, hash: &str) -> Result<Option<File>, FileError> {
        let path = self.path(hash);
        blocking("open", &path.clone(), move || match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    /// The beginnings of hashes that have a folder.
    pub(crate) async fn prefixes(&self) -> Result<Vec<String>, FileError> {
        names(self.files.clone(), PREFIX_LENGTH).await
    }
}

/// The right to delete.
pub(crate) struct Deleting<'a> {
    files: &'a Files,
    _alone: RwLockWriteGuard<'a, ()>,
}

impl Deleting<'_> {
    /// The hashes of the files whose hashes begin with `prefix`.
    pub(crate) async fn hashes(&self, prefix: &str) -> Result<Vec<String>, FileError> {
        names(self.files.files.join(prefix), HASH_LENGTH).await
    }

    /// Deletes files. One that cannot be deleted is found again at the next start.
    pub(crate) async fn delete(&self, hashes: Vec<String>) -> Result<(), FileError> {
        for hash in hashes {
            let path = self.files.path(&hash);
            blocking("delete", &path.clone(), move || match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            })
            .await?;
        }
        Ok(())
    }
}

/// The names in a folder that are hexadecimal digits, so many of them. Others are not ours.
async fn names(folder: PathBuf, length: usize) -> Result<Vec<String>, FileError> {
    blocking("list", &folder.clone(), move || {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if name.len() == length && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    })
    .await
}

/// Does what makes a thread wait on a thread that may.
async fn blocking<T: Send + 'static>(
    what: &'static str,
    path: &Path,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, FileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| failed(what, path, error))
}

fn failed(what: &'static str, path: &Path, reason: io::Error) -> FileError {
    FileError { what, path: path.display().to_string(), reason }
}

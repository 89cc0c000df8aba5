//! How far the database had come when it was last used, in a file beside it: so that a log that was cut off is noticed.
//!
//! A log that ends early looks to SQLite like one whose last commits never happened. So after each commit the positions of the
//! streams are written here too, before anybody is told of it. Nobody waits for the disk: the log is on it already, and after a loss
//! of power the mark may be behind the database, but never ahead of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::file::{beside, open_error, private, real_path};
use crate::database::OpenError;
use crate::transactions::{restoring, streams};
use crate::tx::{ReadTx, StoreError, WriteTx};

/// Bytes of a mark that are read. It has some twenty for each stream.
const MARK_BYTES_MAX: u64 = 1024;

/// The mark of an open database.
pub(super) struct Mark {
    file: File,
    path: PathBuf,
    written: Vec<i64>,
}

impl Mark {
    /// Compares the database with its mark. One that `existed` without a mark was put where it is by hand, and may be older than what
    /// was served last: it counts as a copy.
    pub(super) fn open(path: &Path, connection: &Connection, existed: bool) -> Result<Self, OpenError> {
        let failed = |error: &io::Error| open_error(path, error);
        let mark = beside(&real_path(path).map_err(|error| failed(&error))?, "-mark");
        let mut file = private(OpenOptions::new().create(true).truncate(false).read(true).write(true))
            .open(&mark)
            .map_err(|error| open_error(&mark, &error))?;
        let mut text = String::new();
        (&file).take(MARK_BYTES_MAX).read_to_string(&mut text).map_err(|error| open_error(&mark, &error))?;
        file.rewind().map_err(|error| open_error(&mark, &error))?;
        let marked: Option<Vec<i64>> = text.split_whitespace().map(|number| number.parse().ok()).collect();
        let positions = positions(connection).map_err(|error| inconsistent(path, &error))?;
        let marked = marked.filter(|marked| marked.len() == positions.len());
        if let Some(marked) = &marked
            && marked.iter().zip(&positions).any(|(marked, position)| marked > position)
        {
            return Err(OpenError::Behind { path: path.display().to_string(), mark: mark.display().to_string() });
        }
        if marked.is_none() && existed {
            let mut tx = WriteTx::new(connection);
            restoring::mark_as_copied(&mut tx).map_err(|error| inconsistent(path, &error))?;
        }
        let mut mark = Self { file, path: mark, written: Vec::new() };
        mark.note(positions);
        Ok(mark)
    }

    /// A commit was made, of which nobody knows yet.
    pub(super) fn after_commit(&mut self, connection: &Connection) {
        match positions(connection) {
            Ok(positions) => self.note(positions),
            Err(error) => tracing::error!("cannot read the positions of the streams: {error}"),
        }
    }

    fn note(&mut self, positions: Vec<i64>) {
        if positions == self.written {
            return;
        }
        let text: String = positions.iter().map(|position| format!("{position:020} ")).collect();
        let written = self.file.rewind().and_then(|()| self.file.write_all(text.as_bytes()));
        if let Err(error) = written {
            tracing::error!("cannot write {}: {error}", self.path.display());
        }
        self.written = positions;
    }
}

fn positions(connection: &Connection) -> Result<Vec<i64>, StoreError> {
    Ok(streams::all(&ReadTx::new(connection))?.into_iter().map(|position| position.0).collect())
}

fn inconsistent(path: &Path, error: &StoreError) -> OpenError {
    OpenError::Damaged { path: path.display().to_string(), reason: error.to_string() }
}

//! Copying a database that may be in use.

use std::fs::{self, File};
use std::path::Path;

use super::connection::{reader, refused};
use super::file::open_error;
use super::migrations;
use crate::database::OpenError;

/// Writes a copy of the database at `from`, as it is at this moment, to the new file `to`, and returns when the disk has it. Who
/// uses the database goes on: the copy is read from one snapshot. Its log grows meanwhile.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
    let connection = reader(from)?;
    migrations::refuse_foreign(&connection, Some(from))?;
    let target = to.to_str().ok_or_else(|| OpenError::Open {
        path: to.display().to_string(),
        reason: "the engine takes only names that are UTF-8".to_owned(),
    })?;
    connection
        .execute_batch("PRAGMA query_only = OFF")
        .and_then(|()| connection.execute("VACUUM INTO ?1", [target]))
        .map_err(|error| refused(Some(from), &error))?;
    private(to).and_then(|()| File::open(to)?.sync_all()).map_err(|error| open_error(to, &error))
}

#[cfg(unix)]
fn private(path: &Path) -> std::io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

#[cfg(not(unix))]
fn private(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

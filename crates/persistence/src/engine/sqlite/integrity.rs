//! Looking through a database for damage.

use std::path::Path;

use super::connection::{reader, refused};
use super::migrations;
use crate::database::OpenError;
use crate::tx::{ReadTx, StoreError};

/// Returns the engine's findings; none if all is well.
pub(crate) fn check(path: &Path) -> Result<Vec<String>, OpenError> {
    let connection = reader(path)?;
    migrations::refuse_foreign(&connection, Some(path))?;
    // `quick_check` reads every page and row, but does not look up every row in every index.
    let findings = connection.prepare("PRAGMA quick_check(100)").and_then(|mut statement| {
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.collect::<Result<Vec<_>, _>>()
    });
    let mut findings = findings.map_err(|error| refused(Some(path), &error))?;
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}

/// The tables of an open database.
pub(crate) fn tables(tx: &ReadTx<'_>) -> Result<Vec<String>, StoreError> {
    tx.query_all("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", &[], |row| row.get(0))
}

/// Returns the engine's findings about one table and its indexes; none if all is well.
pub(crate) fn check_table(tx: &ReadTx<'_>, table: &str) -> Result<Vec<String>, StoreError> {
    let mut findings: Vec<String> =
        tx.query_all("SELECT quick_check FROM pragma_quick_check(?1)", &[&table], |row| row.get(0))?;
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}

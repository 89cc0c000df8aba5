//! Open transactions, as queries see them.

use std::ops::Deref;

use crate::engine::age::SnapshotAge;
use crate::value::{Row, ToValue, ValueRef};

/// A consistent view of the database.
pub struct ReadTx<'c> {
    connection: &'c rusqlite::Connection,
    /// When a reader's snapshot was taken, and how old it may become. The writer, who holds nobody up, has none.
    age: Option<SnapshotAge>,
}

/// Rows that are read before a reader's age is looked at again.
const ROWS_BETWEEN_AGES: usize = 256;

/// An open transaction of the writer. Also carries what to wake after the commit.
pub struct WriteTx<'c> {
    read: ReadTx<'c>,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
}

/// The database did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The engine's own words.
    #[error("the database failed: {0}")]
    Engine(String),
    /// A row that cannot be there.
    #[error("the database is inconsistent: {0}; restore it from a backup, or run `althing check`")]
    Inconsistent(String),
    /// What was to be written stands against what is there: nothing of the transaction was kept.
    #[error("{0}")]
    Conflict(String),
    /// The closure panicked. Nothing of it was kept.
    #[error("the database work was abandoned, which is a defect of this program: {0}")]
    Panicked(String),
    /// A read held its snapshot for longer than the database allows.
    #[error("a query was ended after {0} ms on one snapshot of the database")]
    TooLong(u64),
    /// The server is stopping.
    #[error("the database is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn engine(error: &rusqlite::Error) -> Self {
        Self::Engine(error.to_string())
    }
}

impl<'c> ReadTx<'c> {
    pub(crate) fn new(connection: &'c rusqlite::Connection) -> Self {
        Self { connection, age: None }
    }

    /// A snapshot that may become too old. A statement that is running then is for the engine to interrupt.
    pub(crate) fn with_age(connection: &'c rusqlite::Connection, age: SnapshotAge) -> Self {
        Self { connection, age: Some(age) }
    }

    /// Runs a query and returns every row of its answer.
    pub fn query_all<T>(
        &self,
        sql: &'static str,
        parameters: &[&dyn ToValue],
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        self.query_each(sql, parameters, |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Runs a query and hands each row of its answer to `each`.
    pub fn query_each(
        &self,
        sql: &'static str,
        parameters: &[&dyn ToValue],
        mut each: impl FnMut(&Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.check_age()?;
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.failed(sql, &error))?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(parameters.iter().map(|value| Parameter(value.to_value()))))
            .map_err(|error| self.failed(sql, &error))?;
        let mut read = 0_usize;
        while let Some(row) = rows.next().map_err(|error| self.failed(sql, &error))? {
            each(&Row { inner: row })?;
            read += 1;
            if read.is_multiple_of(ROWS_BETWEEN_AGES) {
                self.check_age()?;
            }
        }
        Ok(())
    }

    /// Runs a query and returns the first row of its answer, if there is one.
    pub fn query_optional<T>(
        &self,
        sql: &'static str,
        parameters: &[&dyn ToValue],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.check_age()?;
        let mut statement = self.connection.prepare_cached(sql).map_err(|error| self.failed(sql, &error))?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(parameters.iter().map(|value| Parameter(value.to_value()))))
            .map_err(|error| self.failed(sql, &error))?;
        match rows.next().map_err(|error| self.failed(sql, &error))? {
            Some(row) => read(&Row { inner: row }).map(Some),
            None => Ok(None),
        }
    }

    /// Runs a query whose answer always has a row.
    pub fn query_one<T>(
        &self,
        sql: &'static str,
        parameters: &[&dyn ToValue],
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.query_optional(sql, parameters, read)?
            .ok_or_else(|| StoreError::Inconsistent(format!("no row for: {sql}")))
    }

    fn check_age(&self) -> Result<(), StoreError> {
        match &self.age {
            Some(snapshot) if snapshot.is_over() => Err(StoreError::TooLong(snapshot.age.milliseconds())),
            Some(_) | None => Ok(()),
        }
    }

    fn failed(&self, sql: &str, error: &rusqlite::Error) -> StoreError {
        match &self.age {
            Some(snapshot) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
                StoreError::TooLong(snapshot.age.milliseconds())
            }
            Some(_) | None => {
                let statement = sql.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
                StoreError::Engine(format!("{error} (in: {statement} …)"))
            }
        }
    }
}

impl<'c> WriteTx<'c> {
    pub(crate) fn new(connection: &'c rusqlite::Connection) -> Self {
        Self { read: ReadTx::new(connection), after_commit: Vec::new() }
    }

    /// Runs a statement and returns how many rows it changed.
    pub fn execute(&mut self, sql: &'static str, parameters: &[&dyn ToValue]) -> Result<usize, StoreError> {
        let mut statement = self.read.connection.prepare_cached(sql).map_err(|error| self.failed(sql, &error))?;
        statement
            .execute(rusqlite::params_from_iter(parameters.iter().map(|value| Parameter(value.to_value()))))
            .map_err(|error| self.failed(sql, &error))
    }

    /// Adds one row to a table that numbers its rows (`INTEGER PRIMARY KEY`), and returns its number. `RETURNING` would say the
    /// same, but the engine makes a table for the answer each time.
    pub fn insert_numbered(&mut self, sql: &'static str, parameters: &[&dyn ToValue]) -> Result<i64, StoreError> {
        match self.execute(sql, parameters)? {
            1 => Ok(self.read.connection.last_insert_rowid()),
            rows => Err(StoreError::Inconsistent(format!("{rows} rows instead of one by: {sql}"))),
        }
    }

    /// Calls `wake` after the commit; never, if there is none. It must be quick and must not touch the database.
    pub fn after_commit(&mut self, wake: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(wake));
    }

    pub(crate) fn take_after_commit(&mut self) -> Vec<Box<dyn FnOnce() + Send>> {
        std::mem::take(&mut self.after_commit)
    }
}

impl<'c> Deref for WriteTx<'c> {
    type Target = ReadTx<'c>;
    fn deref(&self) -> &ReadTx<'c> {
        &self.read
    }
}

struct Parameter<'a>(ValueRef<'a>);

impl rusqlite::ToSql for Parameter<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        let value = match self.0 {
            ValueRef::Null => rusqlite::types::ValueRef::Null,
            ValueRef::Integer(integer) => rusqlite::types::ValueRef::Integer(integer),
            ValueRef::Text(text) => rusqlite::types::ValueRef::Text(text.as_bytes()),
            ValueRef::Blob(bytes) => rusqlite::types::ValueRef::Blob(bytes),
        };
        Ok(rusqlite::types::ToSqlOutput::Borrowed(value))
    }
}

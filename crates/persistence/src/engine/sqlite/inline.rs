//! Everything on the caller's thread, one closure a commit: for simulations, where the order must not depend on threads.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::file::{self, Lock};
use super::{connection, group};
use crate::database::OpenError;
use crate::engine::counters::Counting;
use crate::engine::{Counters, Engine, ReadJob, WriteJob};
use crate::tx::ReadTx;

pub(crate) struct Inline {
    /// `None` once closed.
    open: Mutex<Option<(Connection, Option<Lock>)>>,
    counting: Counting,
}

impl Inline {
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let lock = path.map(file::claim).transpose()?;
        let connection = connection::writer(path)?;
        connection::moves_log_itself(&connection).map_err(|error| connection::refused(path, &error))?;
        Ok(Self { open: Mutex::new(Some((connection, lock))), counting: Counting::default() })
    }

    fn with(&self, run: impl FnOnce(&Connection)) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((connection, _)) = open.as_ref() {
            run(connection);
        }
    }
}

impl Engine for Inline {
    fn write(&self, job: WriteJob) {
        self.with(|connection| group::commit(connection, std::iter::once(job), &self.counting));
    }

    fn read(&self, job: ReadJob) {
        self.with(|connection| job(Ok(&ReadTx::new(connection))));
    }

    fn counters(&self) -> Counters {
        self.counting.now()
    }

    fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

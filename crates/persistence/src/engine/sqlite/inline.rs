//! Everything on the caller's thread, one closure a commit: for simulations, where the order must not depend on threads.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::{connection, group};
use crate::database::OpenError;
use crate::engine::{Engine, ReadJob, WriteJob};
use crate::tx::ReadTx;

/// `None` once closed.
pub(crate) struct Inline(Mutex<Option<Connection>>);

impl Inline {
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        Ok(Self(Mutex::new(Some(connection::writer(path)?))))
    }

    fn with(&self, run: impl FnOnce(&Connection)) {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = connection.as_ref() {
            run(connection);
        }
    }
}

impl Engine for Inline {
    fn write(&self, job: WriteJob) {
        self.with(|connection| group::commit(connection, std::iter::once(job)));
    }

    fn read(&self, job: ReadJob) {
        self.with(|connection| job(Ok(&ReadTx::new(connection))));
    }

    fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

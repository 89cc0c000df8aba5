//! Everything on the caller's thread, one closure a commit: for simulations, where the order must not depend on threads.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::file::{self, Lock};
use super::mark::Mark;
use super::{connection, group};
use crate::database::OpenError;
use crate::engine::counters::Counting;
use crate::engine::{Counters, Engine, ReadJob, WriteJob};
use crate::tx::ReadTx;

struct Open {
    connection: Connection,
    mark: Option<Mark>,
    #[expect(dead_code, reason = "held until the connection is closed")]
    lock: Option<Lock>,
}

pub(crate) struct Inline {
    /// `None` once closed.
    open: Mutex<Option<Open>>,
    counting: Counting,
}

impl Inline {
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, OpenError> {
        let lock = path.map(file::claim).transpose()?;
        let existed = path.is_some_and(file::has_content);
        let connection = connection::writer(path)?;
        connection::moves_log_itself(&connection).map_err(|error| connection::refused(path, &error))?;
        let mark = path.map(|path| Mark::open(path, &connection, existed)).transpose()?;
        Ok(Self { open: Mutex::new(Some(Open { connection, mark, lock })), counting: Counting::default() })
    }

    fn with(&self, run: impl FnOnce(&mut Open)) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = open.as_mut() {
            run(open);
        }
    }
}

impl Engine for Inline {
    fn write(&self, job: WriteJob) {
        self.with(|open| {
            group::commit(&open.connection, std::iter::once(job), &self.counting, open.mark.as_mut());
        });
    }

    fn read(&self, job: ReadJob) {
        self.with(|open| job(Ok(&ReadTx::new(&open.connection))));
    }

    fn counters(&self) -> Counters {
        self.counting.now()
    }

    fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

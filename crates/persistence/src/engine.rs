//! What runs the closures: SQLite on its threads, or inline for simulations.

mod sqlite;

pub(crate) use sqlite::{Inline, Threads};

use crate::tx::{ReadTx, StoreError, WriteTx};

/// Called with the outcome of the commit.
pub(crate) type WriteDone = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Returns whether to keep what it wrote.
pub(crate) type WriteJob = Box<dyn FnOnce(&mut WriteTx<'_>) -> (bool, WriteDone) + Send>;
pub(crate) type ReadJob = Box<dyn FnOnce(Result<&ReadTx<'_>, StoreError>) + Send>;

/// Runs jobs. A job that is dropped unrun closes its caller's channel, which reads as "closed".
pub(crate) trait Engine: Send + Sync {
    fn write(&self, job: WriteJob);
    fn read(&self, job: ReadJob);
    fn close(&self);
}

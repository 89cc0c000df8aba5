//! What runs the closures: SQLite on its threads, or inline for simulations.

pub(crate) mod age;
mod counters;
mod sqlite;

use std::any::Any;

pub use counters::Counters;
pub use sqlite::SimulatedDisk;
pub(crate) use sqlite::{Inline, Simulated, Threads, check, check_table, copy, tables};

use crate::tx::{ReadTx, StoreError, WriteTx};

/// Called with the outcome of the commit.
pub(crate) type WriteDone = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Does its writing, or learns why it cannot. Returns whether to keep what it wrote. Never panics.
pub(crate) type WriteJob = Box<dyn FnOnce(Result<&mut WriteTx<'_>, StoreError>) -> (bool, WriteDone) + Send>;
/// Does its reading, or learns why it cannot. Never panics.
pub(crate) type ReadJob = Box<dyn FnOnce(Result<&ReadTx<'_>, StoreError>) + Send>;

/// Runs jobs. A job that is dropped unrun closes its caller's channel, which reads as "closed".
pub(crate) trait Engine: Send + Sync {
    fn write(&self, job: WriteJob);
    fn read(&self, job: ReadJob);
    fn counters(&self) -> Counters;
    /// Runs what was submitted, closes the files, and returns when that is done.
    fn close(&self);
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

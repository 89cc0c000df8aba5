//! SQLite: one writer thread that owns all writes, a few reader threads, and one that moves the log into the main file.

mod checkpoint;
mod connection;
mod copy;
mod file;
mod group;
mod inline;
mod integrity;
mod mark;
mod migrations;
mod simulated;
mod threads;

#[cfg(test)]
mod tests;

pub(crate) use copy::copy;
pub(crate) use inline::Inline;
pub(crate) use integrity::{check, check_table, tables};
pub(crate) use simulated::Simulated;
pub use simulated::SimulatedDisk;
pub(crate) use threads::Threads;

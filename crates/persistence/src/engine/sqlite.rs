//! SQLite: one writer thread that owns all writes, a few reader threads.

mod connection;
mod group;
mod inline;
mod migrations;
mod threads;

pub(crate) use inline::Inline;
pub(crate) use threads::Threads;

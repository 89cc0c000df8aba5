//! The queries, one concern a file.

pub mod streams;

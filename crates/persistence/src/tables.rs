//! What is stored, one concern a file.

mod streams;

/// The schema, in the order in which it is made.
pub(crate) const ALL: &[&str] = &[streams::SCHEMA];

//! The queries, one concern a file.

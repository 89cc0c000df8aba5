//! How far each stream has come: one row a stream, so the table never grows.

/// Made with the first migration.
pub(crate) const SCHEMA: &str = "
CREATE TABLE streams (
    stream TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
";

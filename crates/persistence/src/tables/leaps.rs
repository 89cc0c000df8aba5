//! Where streams leaped when a copy was served from: what the original gave out after it was copied is lost. One row a stream and restore.

pub(crate) const SCHEMA: &str = "
-- `last`: the last position before the copy was made. `first`: after this one it went on. What is between was given out by others.
CREATE TABLE leaps (
    stream TEXT NOT NULL,
    last BIGINT NOT NULL,
    first BIGINT NOT NULL,
    PRIMARY KEY (stream, last)
) WITHOUT ROWID;
";

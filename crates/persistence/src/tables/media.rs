//! What is in the content repository: ids, names and types; the bytes are files named by their hashes.
//!
//! Grows with what users upload; ids that were reserved and not filled in time are deleted when the next one is reserved.

pub(crate) const SCHEMA: &str = "
CREATE TABLE media (
    media_id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    content_hash TEXT,
    content_type TEXT,
    file_name TEXT,
    size_bytes BIGINT
);
CREATE INDEX media_reserved ON media (user_id, created_at) WHERE content_hash IS NULL;
CREATE INDEX media_by_hash ON media (content_hash);
";

//! Events that are checked and acknowledged, and wait for their room's turn. Bounded by the horizon of a staged event.

pub(crate) const SCHEMA: &str = "
CREATE TABLE staged (
    number INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    received BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    mangled BIGINT NOT NULL,
    json TEXT NOT NULL,
    UNIQUE (room, event_id)
);
CREATE INDEX staged_by_origin ON staged (origin);
-- In the order of `number`, which an index ends with: a room with many waiting is gone through batch by batch.
CREATE INDEX staged_by_room ON staged (room);
";

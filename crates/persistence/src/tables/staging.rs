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
-- In the order of `number`, so that a long queue is gone through batch by batch, and with what says when each is due.
CREATE INDEX staged_by_queue ON staged (origin, room, number, retry_at);
";

//! Read receipts: one row for each room, user, type and thread, of threads the latest `THREADS_MAX`. Purged with the room.

pub(crate) const SCHEMA: &str = "
CREATE TABLE receipts (
    room BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    receipt_type TEXT NOT NULL,
    thread TEXT NOT NULL,
    event_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (room, user_id, receipt_type, thread)
);
CREATE INDEX receipts_by_position ON receipts (room, position);
";

//! Rooms that are being purged. A row for each until it is done; the highest numbers ever purged, in one row.

pub(crate) const SCHEMA: &str = "
-- The room has another id meanwhile, under which nobody finds it. Events up to `looked_at` are gone. `since`: when it began.
CREATE TABLE purges (
    room INTEGER PRIMARY KEY,
    since BIGINT NOT NULL,
    looked_at BIGINT NOT NULL DEFAULT 0,
    found BIGINT NOT NULL DEFAULT 0
);
";

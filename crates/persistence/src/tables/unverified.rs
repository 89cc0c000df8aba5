//! Events whose signatures could not be checked, since the keys could not be had. Bounded by a number for each origin and for
//! all, and by the horizon of a staged event.

pub(crate) const SCHEMA: &str = "
-- The format of these is right, and nothing else is known of them: no other table holds anything from here.
CREATE TABLE unverified (
    number INTEGER PRIMARY KEY,
    room BIGINT NOT NULL,
    event_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    received BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0,
    json TEXT NOT NULL,
    UNIQUE (room, event_id, origin)
);
CREATE INDEX unverified_by_origin ON unverified (origin);
CREATE INDEX unverified_by_retry ON unverified (retry_at);
";

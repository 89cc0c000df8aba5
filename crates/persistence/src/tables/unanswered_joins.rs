//! Joins that were sent to a server of which we do not know whether it let us in. A row lives as long as a request; only where no
//! answer came, longer.

pub(crate) const SCHEMA: &str = "
-- `event`: our join, as it was sent. `servers`: who may know of it, a JSON array.
CREATE TABLE unanswered_joins (
    event_id TEXT NOT NULL PRIMARY KEY,
    room_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    servers TEXT NOT NULL,
    room_version TEXT NOT NULL,
    event TEXT NOT NULL,
    since BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX unanswered_joins_by_retry ON unanswered_joins (retry_at);
CREATE INDEX unanswered_joins_by_user ON unanswered_joins (user_id, room_id);
";

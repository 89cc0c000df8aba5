//! What we know of each server that we send to. One row a destination that failed since it last succeeded, or that succeeded
//! lately: bounded by `destination_health::prune`.

pub(crate) const SCHEMA: &str = "
CREATE TABLE destination_health (
    server_name TEXT PRIMARY KEY,
    last_success BIGINT,
    last_failure BIGINT,
    last_error TEXT NOT NULL,
    failures BIGINT NOT NULL,
    resting_until BIGINT NOT NULL,
    changed BIGINT NOT NULL
);
CREATE INDEX destination_health_by_change ON destination_health (changed);
";

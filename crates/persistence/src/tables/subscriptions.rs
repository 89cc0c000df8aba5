//! Where followers of the events stream are. One row a follower.

pub(crate) const SCHEMA: &str = "
CREATE TABLE subscriptions (
    name TEXT PRIMARY KEY,
    position BIGINT NOT NULL
);
";

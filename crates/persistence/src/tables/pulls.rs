//! Servers that are asked again for what they sent us, since we may have lost it. A few rows after a start, none later.

pub(crate) const SCHEMA: &str = "
-- `after_transaction`: the last that we have. `number`: where the origin's next page begins, once it has told. `since`: when the
-- asking began.
CREATE TABLE pulls (
    origin TEXT NOT NULL PRIMARY KEY,
    after_transaction TEXT NOT NULL,
    number BIGINT,
    since BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX pulls_by_retry ON pulls (retry_at);
";

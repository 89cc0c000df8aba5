//! The filters that clients have stored. Equal filters share a row; a user keeps the latest `FILTERS_PER_USER_MAX` (in `users`).

pub(crate) const SCHEMA: &str = "
CREATE TABLE filters (
    user_id TEXT NOT NULL,
    filter_id BIGINT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (user_id, filter_id)
);
CREATE UNIQUE INDEX filters_by_content ON filters (user_id, content);
";

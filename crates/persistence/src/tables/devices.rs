//! The devices of our users, and whose devices changed when.
//!
//! A user has at most `DEVICES_PER_USER_MAX` devices (in `users`). `device_list_changes` has one row a user, whatever happens;
//! `announced` is the latest of the positions that other servers were told as `stream_id`, 0 if none.

pub(crate) const SCHEMA: &str = "
CREATE TABLE devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    display_name TEXT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    last_seen_address TEXT,
    PRIMARY KEY (user_id, device_id)
);
CREATE TABLE device_list_changes (
    user_id TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    announced BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX device_list_changes_by_position ON device_list_changes (position);
";

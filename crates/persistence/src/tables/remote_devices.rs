//! The devices of users of other servers, as long as we share a room with them, and what came about them.
//!
//! A list goes when its user shares no room with ours any more. Updates wait for a moment, until their signatures are checked,
//! at most `STAGED_PER_USER_MAX` a user. Of the messages received, `RECEIVED_PER_ORIGIN_MAX` an origin are remembered.

/// `base` and `seen` say which updates a list has: all up to `base`, and those that `seen` lists as a JSON array. `generation`
/// changes whenever an update was missed: an answer that was asked for before is too old then. `next_try_at` is when we ask the
/// user's server by ourselves; NULL: only when somebody asks us.
pub(crate) const SCHEMA: &str = "
CREATE TABLE remote_device_lists (
    user_id TEXT NOT NULL PRIMARY KEY,
    base BIGINT NOT NULL,
    seen TEXT NOT NULL,
    generation BIGINT NOT NULL,
    is_stale BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    next_try_at BIGINT
);
CREATE INDEX remote_device_lists_by_next_try ON remote_device_lists (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE TABLE remote_devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys TEXT NOT NULL,
    display_name TEXT,
    PRIMARY KEY (user_id, device_id)
);
CREATE TABLE remote_key_updates (
    number INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    edu_type TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE INDEX remote_key_updates_by_user ON remote_key_updates (user_id);
CREATE TABLE to_device_received (
    number INTEGER PRIMARY KEY,
    origin TEXT NOT NULL,
    message_id TEXT NOT NULL
);
CREATE UNIQUE INDEX to_device_received_by_id ON to_device_received (origin, message_id);
CREATE INDEX to_device_received_by_origin ON to_device_received (origin, number);
";

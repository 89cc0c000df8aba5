//! The accounts of this server, and the access tokens of their devices.
//!
//! Accounts are never deleted: a user id is given out once. Their number is bounded by the limits on registration. A token goes
//! with its device, and a device has one.

pub(crate) const SCHEMA: &str = "
CREATE TABLE accounts (
    user_id TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT,
    is_admin BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    deactivated_at BIGINT
);
CREATE TABLE access_tokens (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX access_tokens_by_device ON access_tokens (user_id, device_id);
";

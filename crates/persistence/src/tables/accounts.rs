//! The accounts of this server, and the access tokens of their devices.
//!
//! Accounts are never deleted: a user id is given out once. Their number is bounded by the limits on registration. A token goes
//! with its device, and a device has one. A refresh token has a successor from when it is used until the successor is: only then
//! we know that the device has it.

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
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
CREATE UNIQUE INDEX access_tokens_by_device ON access_tokens (user_id, device_id);
CREATE TABLE refresh_tokens (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    token_hash BYTEA NOT NULL,
    next_hash BYTEA,
    PRIMARY KEY (user_id, device_id)
);
CREATE INDEX refresh_tokens_by_hash ON refresh_tokens (token_hash);
CREATE INDEX refresh_tokens_by_next_hash ON refresh_tokens (next_hash) WHERE next_hash IS NOT NULL;
";

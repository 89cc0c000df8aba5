//! Messages that wait for devices, and which ones a device has sent.
//!
//! A message goes when its device asks for what follows it, or with the device; a device that never asks keeps the latest
//! `QUEUED_MAX`. What was sent is forgotten after `SENT_KEPT_MS`.

pub(crate) const SCHEMA: &str = "
CREATE TABLE to_device (
    position BIGINT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE INDEX to_device_by_device ON to_device (user_id, device_id, position);
CREATE TABLE to_device_sent (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, device_id, event_type, transaction_id)
);
CREATE INDEX to_device_sent_by_time ON to_device_sent (sent_at);
";

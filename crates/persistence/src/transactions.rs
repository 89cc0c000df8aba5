//! The queries, one concern a file.

pub mod account_data;
pub mod accounts;
pub mod cross_signing;
pub mod device_keys;
pub mod devices;
pub mod filters;
pub mod key_backups;
pub mod media;
pub mod profiles;
pub mod streams;
pub mod to_device;

//! The queries, one concern a file.

pub mod aliases;
pub mod destination_health;
pub mod events;
pub mod graph;
pub mod outbound;
pub mod received_transactions;
pub mod integrity;
pub mod receipts;
pub mod rooms;
pub mod server_keys;
pub mod staging;
pub mod state;
pub mod streams;
pub mod subscriptions;
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

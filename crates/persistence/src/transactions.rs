//! The queries, one concern a file.

pub mod account_data;
pub mod accounts;
pub mod aliases;
pub mod companions;
pub mod cross_signing;
pub mod destination_health;
pub mod device_keys;
pub mod devices;
pub mod events;
pub mod filters;
pub mod graph;
pub mod history;
pub mod identity;
pub mod key_backups;
pub mod media;
pub mod members;
pub mod missed;
pub mod news;
pub mod outbound;
pub mod partial;
pub mod profiles;
pub mod pulls;
pub mod purging;
pub mod receipts;
pub mod received_transactions;
pub mod remote_devices;
pub mod restoring;
pub mod rooms;
pub mod server_keys;
pub mod staging;
pub mod state;
pub mod streams;
pub mod subscriptions;
pub mod to_device;
pub mod unanswered_joins;
pub mod unverified;

#[cfg(test)]
mod plans;
#[cfg(test)]
mod testing;

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

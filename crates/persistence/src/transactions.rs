//! The queries, one concern a file.

pub mod aliases;
pub mod events;
pub mod graph;
pub mod receipts;
pub mod rooms;
pub mod staging;
pub mod state;
pub mod streams;
pub mod subscriptions;

//! The queries, one concern a file.

pub mod events;
pub mod graph;
pub mod outbound;
pub mod received_transactions;
pub mod rooms;
pub mod staging;
pub mod streams;

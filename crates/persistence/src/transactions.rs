//! The queries, one concern a file.

pub mod destination_health;
pub mod events;
pub mod graph;
pub mod rooms;
pub mod server_keys;
pub mod staging;
pub mod streams;

//! The queries, one concern a file.

pub mod events;
pub mod graph;
pub mod rooms;
pub mod staging;
pub mod streams;

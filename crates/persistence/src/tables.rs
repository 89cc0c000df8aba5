//! What is stored, one concern a file.

mod aliases;
mod events;
mod graph;
mod receipts;
mod rooms;
mod staging;

/// The schema, in the order in which it is made.
pub(crate) const ALL: &[&str] =
    &[rooms::SCHEMA, events::SCHEMA, graph::SCHEMA, staging::SCHEMA, aliases::SCHEMA, receipts::SCHEMA];

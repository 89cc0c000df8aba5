//! What is stored, one concern a file.

mod aliases;
mod events;
mod graph;
mod receipts;
mod rooms;
mod staging;
mod streams;
mod subscriptions;

/// The schema, in the order in which it is made. One line a concern.
#[rustfmt::skip]
pub(crate) const ALL: &[&str] = &[
    aliases::SCHEMA,
    events::SCHEMA,
    graph::SCHEMA,
    receipts::SCHEMA,
    rooms::SCHEMA,
    staging::SCHEMA,
    streams::SCHEMA,
    subscriptions::SCHEMA,
];

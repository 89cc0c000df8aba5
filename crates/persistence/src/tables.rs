//! What is stored, one concern a file.

mod aliases;
mod destination_health;
mod events;
mod graph;
mod receipts;
mod rooms;
mod server_keys;
mod staging;
mod streams;
mod subscriptions;

/// The schema, in the order in which it is made. One line a concern.
#[rustfmt::skip]
pub(crate) const ALL: &[&str] = &[
    aliases::SCHEMA,
    destination_health::SCHEMA,
    events::SCHEMA,
    graph::SCHEMA,
    receipts::SCHEMA,
    rooms::SCHEMA,
    server_keys::SCHEMA,
    staging::SCHEMA,
    streams::SCHEMA,
    subscriptions::SCHEMA,
];

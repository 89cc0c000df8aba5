//! What is stored, one concern a file.

mod aliases;
mod events;
mod graph;
mod outbound;
mod receipts;
mod received_transactions;
mod rooms;
mod staging;
mod streams;

/// The schema, in the order in which it is made. One line a concern.
#[rustfmt::skip]
pub(crate) const ALL: &[&str] = &[
    aliases::SCHEMA,
    events::SCHEMA,
    graph::SCHEMA,
    outbound::SCHEMA,
    receipts::SCHEMA,
    received_transactions::SCHEMA,
    rooms::SCHEMA,
    staging::SCHEMA,
    streams::SCHEMA,
];

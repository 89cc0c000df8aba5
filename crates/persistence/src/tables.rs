//! What is stored, one concern a file.

mod aliases;
mod destination_health;
mod events;
mod graph;
mod outbound;
mod receipts;
mod received_transactions;
mod rooms;
mod server_keys;
mod staging;
mod state;
mod streams;
mod subscriptions;

/// The schema, in the order in which it is made. One line a concern.
#[rustfmt::skip]
pub(crate) const ALL: &[&str] = &[
    aliases::SCHEMA,
    destination_health::SCHEMA,
    events::SCHEMA,
    graph::SCHEMA,
    outbound::SCHEMA,
    receipts::SCHEMA,
    received_transactions::SCHEMA,
    rooms::SCHEMA,
    server_keys::SCHEMA,
    staging::SCHEMA,
    state::SCHEMA,
    streams::SCHEMA,
    subscriptions::SCHEMA,
mod account_data;
mod accounts;
mod device_keys;
mod devices;
mod filters;
mod media;
mod profiles;
mod streams;
mod to_device;

/// The schema, in the order in which it is made.
pub(crate) const ALL: &[&str] = &[
    streams::SCHEMA,
    accounts::SCHEMA,
    devices::SCHEMA,
    device_keys::SCHEMA,
    to_device::SCHEMA,
    profiles::SCHEMA,
    account_data::SCHEMA,
    filters::SCHEMA,
    media::SCHEMA,
];

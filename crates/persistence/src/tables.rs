//! What is stored, one concern a file.
//!
//! A number that is the whole key of a table is written `INTEGER PRIMARY KEY`: then SQLite has no second tree for it. Tables of
//! short rows with another key are `WITHOUT ROWID`, for the same reason.

mod account_data;
mod accounts;
mod aliases;
mod destination_health;
mod device_keys;
mod devices;
mod events;
mod filters;
mod graph;
mod identity;
mod leaps;
mod media;
mod outbound;
mod profiles;
mod pulls;
mod purges;
mod receipts;
mod received_transactions;
mod remote_devices;
mod rooms;
mod server_keys;
mod staging;
mod state;
mod streams;
mod subscriptions;
mod to_device;
mod unanswered_joins;
mod unverified;

#[cfg(test)]
mod growth;

/// The whole schema of today.
#[cfg(test)]
pub(crate) fn all() -> String {
    VERSIONS.concat().concat()
}

/// What each version of the schema adds to the one before. Never changed once it has been run anywhere.
pub(crate) const VERSIONS: &[&[&str]] =
    &[FIRST, &[leaps::SCHEMA, unanswered_joins::SCHEMA], &[rooms::STANDINGS_BY_VIA]];

/// The first version, in the order in which it is made. One line a concern.
#[rustfmt::skip]
const FIRST: &[&str] = &[
    account_data::SCHEMA,
    accounts::SCHEMA,
    aliases::SCHEMA,
    destination_health::SCHEMA,
    device_keys::SCHEMA,
    devices::SCHEMA,
    events::SCHEMA,
    filters::SCHEMA,
    graph::SCHEMA,
    identity::SCHEMA,
    media::SCHEMA,
    outbound::SCHEMA,
    profiles::SCHEMA,
    pulls::SCHEMA,
    purges::SCHEMA,
    receipts::SCHEMA,
    received_transactions::SCHEMA,
    remote_devices::SCHEMA,
    rooms::SCHEMA,
    server_keys::SCHEMA,
    staging::SCHEMA,
    state::SCHEMA,
    streams::SCHEMA,
    subscriptions::SCHEMA,
    to_device::SCHEMA,
    unverified::SCHEMA,
];

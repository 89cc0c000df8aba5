//! What is stored, one concern a file.

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

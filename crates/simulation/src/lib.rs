//! Many servers in one process, under virtual time.
//!
//! [`Network`] carries requests between the real routers of [`SimulatedServer`]s, cuts links, and writes a trace. Everything runs
//! on one thread of a runtime whose clock is paused, from one seed: the same seed gives the same trace, byte for byte.

mod network;
mod server;

pub use network::Network;
pub use server::{FILE_BYTES_MAX, SimulatedServer, StartError};

//! Many servers in one process, under virtual time.
//!
//! [`Plan::drawn`] draws from a seed what happens: what users do, and what goes wrong. [`run`] lets it happen to real servers
//! ([`SimulatedServer`]) on simulated disks and a simulated [`Network`], lets all be well again, and looks whether they agree.
//! Everything runs on one thread of a runtime whose clock is paused: the same seed gives the same trace, byte for byte.

mod agreement;
mod clients;
mod deeds;
mod disk;
mod growth;
mod host;
mod hostile;
mod log;
mod minimise;
mod network;
mod plan;
mod portrait;
mod run;
mod second_opinion;
mod server;
mod soft_failure;
mod subscriber;
mod transactions;

pub use disk::Sound;
pub use minimise::{Minimised, minimised};
pub use network::{Network, Tamper, Weather};
pub use plan::{Attack, Deed, Event, Fault, Plan, Step, USERS, User};
pub use run::{Detail, Outcome, run, run_and_look};
pub use server::{FILE_BYTES_MAX, Machine, SimulatedServer, StartError};

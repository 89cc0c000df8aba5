//! Layer 1: what talks to other servers.
//!
//! Inbound, [`listener`] accepts connections and [`server`] turns requests into calls of the traits in [`questions`], after
//! checking who asks. Outbound, [`Client`] signs requests and sends them through an [`Exchange`], of which [`https`] is the real
//! one: it finds the server by the steps of [`discovery`], and connects to no [`address`] that it should not. [`health`] says how
//! it goes with each server. [`key_ring`] has the keys that both directions need. [`media`] downloads files, which come in
//! [`multipart`] and piece by piece.
//!
//! **Invariant:** nothing here knows what a room or an event is, beyond their ids in paths.
//! **Invariant:** no answer is given to a request whose signature has not been checked, but for the few endpoints that the
//! specification leaves open.
//! **Invariant:** the address that was checked is the address that is connected to.

pub mod address;
pub mod client;
pub mod discovery;
pub mod download;
pub mod error;
pub mod exchange;
pub mod health;
pub mod https;
#[cfg(test)]
mod in_process;
pub mod key_ring;
pub mod limits;
pub mod listener;
#[cfg(test)]
mod loopback;
pub mod media;
pub mod multipart;
pub mod path;
pub mod questions;
pub mod server;
mod streamed;
pub mod turns;
pub mod x_matrix;

pub use client::{CallError, CallLimits, Client, Rest};
pub use download::{Download, Downloads, Pieces};
pub use error::ApiError;
pub use exchange::{Exchange, ExchangeError, Request, Response};
pub use health::Health;
pub use key_ring::{KeyError, KeyRing, Keys, OldKey};
pub use media::{MediaClient, RemoteFile};
pub use path::PathBuilder;
pub use server::{HeardFrom, ServerContext, router, routes, well_known_server};
pub use streamed::{Streamed, StreamedAnswer};

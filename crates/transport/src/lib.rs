//! Layer 1: what talks to other servers.
//!
//! Inbound, [`server`] turns HTTP requests into calls of the traits in [`questions`], after checking who asks. Outbound,
//! [`Client`] signs requests and sends them through an [`Exchange`], which finds the server. [`key_ring`] has the keys that both
//! need.
//!
//! **Invariant:** nothing here knows what a room or an event is, beyond their ids in paths.
//! **Invariant:** no answer is given to a request whose signature has not been checked, but for the few endpoints that the
//! specification leaves open.

pub mod address;
pub mod client;
pub mod discovery;
pub mod error;
pub mod exchange;
pub mod https;
pub mod key_ring;
pub mod limits;
pub mod listener;
pub mod path;
pub mod questions;
pub mod server;
pub mod x_matrix;

pub use client::{CallError, CallLimits, Client};
pub use error::ApiError;
pub use exchange::{Exchange, ExchangeError, Request, Response};
pub use key_ring::KeyRing;

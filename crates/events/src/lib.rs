//! The rules of events: what a PDU is, who may send it, and what a room's state is after it.
//!
//! Read in this order: [`id`], [`json`], [`room_version`], [`redaction`], [`hash`], [`mod@reference`], [`signature`], [`pdu`],
//! [`builder`], [`membership`], [`power`], [`auth`], [`auth_graph`], [`state_resolution`].
//!
//! **Invariant:** pure. No clock, no network, no database, no async runtime. The same input gives the same output, in any
//! process, in any order of arrival.
//! **Invariant:** a [`pdu::Pdu`] has been checked: format, hash and signatures. There is no other way to make one from a
//! stranger's bytes.

pub mod auth;
pub mod auth_graph;
pub mod builder;
pub mod hash;
pub mod id;
pub mod json;
pub mod limits;
pub mod membership;
pub mod pdu;
pub mod power;
pub mod redaction;
pub mod reference;
pub mod room_version;
pub mod shared_map;
pub mod signature;
pub mod state_resolution;

pub use auth::{AuthEvent, Rejection};
pub use builder::NewEvent;
pub use id::{EventId, KeyId, RoomAlias, RoomId, ServerName, UserId};
pub use json::{Object, Value};
pub use membership::{JoinRule, Membership};
pub use pdu::{ParsedPdu, Pdu};
pub use power::{Level, Levels};
pub use reference::Reference;
pub use room_version::{RoomVersion, Rules};
pub use signature::{PublicKey, SigningKey};

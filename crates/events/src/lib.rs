//! The rules of events: what a PDU is, who may send it, and what a room's state is after it.
//!
//! Read in this order: [`id`], [`json`], [`room_version`], [`redaction`], [`hash`], [`signature`], [`pdu`], [`builder`],
//! [`auth`], [`state_resolution`].
//!
//! **Invariant:** pure. No clock, no network, no database, no async runtime. The same input gives the same output, in any
//! process, in any order of arrival.
//! **Invariant:** a [`pdu::Pdu`] has been checked: format, hash and signatures. There is no other way to make one from a
//! stranger's bytes.

pub mod builder;
pub mod hash;
pub mod id;
pub mod json;
pub mod limits;
pub mod pdu;
pub mod redaction;
pub mod room_version;
pub mod signature;

pub use builder::NewEvent;
pub use id::{EventId, KeyId, RoomAlias, RoomId, ServerName, UserId};
pub use json::{Object, Value};
pub use pdu::{ParsedPdu, Pdu};
pub use room_version::{RoomVersion, Rules};
pub use signature::{PublicKey, SigningKey};

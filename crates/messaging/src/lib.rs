//! Layer 4: what the rest of the homeserver uses to talk in rooms.
//!
//! [`Messaging`] makes rooms, sends events, moves users in and out, keeps aliases, and hands on typing notices and receipts.
//! What happened is followed by position: [`subscription`]. Requests come in typed, events go down as the PDU layer wants
//! them.
//!
//! Read in this order: [`rooms`], [`sending`], [`membership`], [`directory`], [`edus`], [`handshakes`], [`subscription`];
//! then [`filter`], [`reading`], [`unread`] and [`sync`], by which users see what happened.
//!
//! **Invariant:** users of this crate never see the layers below: not a PDU's parents, not a queue, not a socket.
//! **Invariant:** whether a user may read an event is decided in one place.

pub mod directory;
pub mod edus;
mod error;
pub mod filter;
mod handshakes;
mod ignored;
pub mod limits;
pub mod membership;
mod memory;
mod messenger;
pub mod people;
pub mod reading;
pub mod receipts;
pub mod rooms;
pub mod sending;
pub mod subscription;
pub mod sync;
pub mod typing;
pub mod unread;

pub use error::MessagingError;
pub use messenger::{Messaging, UserDirectory};
pub use transport::questions::DirectoryFilter;

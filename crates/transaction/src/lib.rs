//! Layer 2: each transaction is processed once and sent once.
//!
//! [`Inbound`] answers a repeated transaction with its first answer. [`Outbound`] keeps one ordered queue per destination and at
//! most one transaction in flight. [`Pulls`] asks servers of our kind again for what we may have lost. [`Requests`] asks a destination
//! everything else that a server can be asked. [`Volume`] bounds what one server may have us store.
//!
//! [`intake`] says what this layer asks of those above: the PDU layer takes PDUs and gives their bodies, `messaging` and
//! `users` take EDUs.
//!
//! **Invariant:** events are opaque. Nothing in this crate looks inside a PDU; `pdu` does that.
//! **Invariant:** an answer is stored before it is sent, together with all that it acknowledges.
//! **Invariant:** a transaction id is never used again with other content.

pub mod inbound;
pub mod intake;
pub mod outbound;
pub mod pulls;
pub mod requests;
pub mod volume;

pub use inbound::Inbound;
pub use intake::{CheckedPdus, EduIntake, EventBodies, PduIntake, Staging};
pub use outbound::Outbound;
pub use pulls::Pulls;
pub use requests::{MediaRequests, RequestError, Requests};
pub use volume::Volume;

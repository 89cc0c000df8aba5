//! Layer 3: the event graph of each room.
//!
//! [`Graph`] receives events, judges each by the steps of the specification, fetches what is missing, and makes events of our
//! own, all of which advance a room by the same path: [`room`] has a room in memory, [`judge`] decides about events without
//! touching the world, [`commit`] writes what was decided in one transaction.
//!
//! Read in this order: [`verdict`], [`room`], [`judge`], [`commit`], [`send`], [`intake`], [`unverified`], [`receive`], [`fetch`],
//! [`outliers`], [`past`], [`partial`], [`backfill`], [`handshake`], [`entering`], [`join`], [`unanswered_joins`], [`gates`], [`serve`].
//!
//! **Invariant:** a room's state changes only through [`commit`], on the turn that the decision was made on.
//! **Invariant:** nobody waits for another server while holding a room's turn.
//! **Invariant:** what other servers may read is decided in [`gates`] alone. An outlier has no place in the graph, so nothing that
//! walks it finds one.

mod acl;
mod at_once;
mod backfill;
mod before_us;
mod commit;
mod counted_in;
mod counted_out;
mod due;
mod entering;
mod event_lists;
pub mod explain;
mod extremities;
mod fetch;
mod gates;
mod graph;
mod handshake;
mod heads;
mod intake;
mod invite;
mod join;
mod judge;
mod leave;
pub mod limits;
mod looks;
mod lost_memberships;
mod missed;
mod newcomers;
mod outliers;
mod outside;
mod partial;
mod past;
mod purge;
mod receive;
mod redaction;
mod removed;
mod room;
mod send;
mod serve;
mod servers;
mod sorting;
mod state_records;
mod surroundings;
mod template;
mod unanswered_joins;
mod unverified;
mod verdict;
mod waiting;
mod whole_room;
mod workers;

pub use acl::ServerAcl;
pub use extremities::DUMMY_EVENT_TYPE;
pub use graph::{Graph, Parts};
pub use handshake::STRIPPED_TYPES;
pub use intake::StoredBodies;
pub use invite::InviteError;
pub use join::{JoinError, Joined, refused};
pub use leave::LeaveError;
pub use partial::{JoinProgress, StillPartial, joins_under_way};
pub use purge::{PurgeError, purge_alone};
pub use send::{Beside, BesideRoom, Draft, NewRoom, SendError, Sent};
pub use unanswered_joins::{JoinInDoubt, joins_in_doubt};
pub use verdict::{Step, Tellers, Verdict};

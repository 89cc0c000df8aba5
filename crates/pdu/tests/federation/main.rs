//! The event graph between servers: real ones, and hostile ones that the tests play.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod at_once;
mod claimed_depths;
mod counted_in;
mod counted_out;
mod earlier_stay;
mod explain;
mod extremities;
mod gaps;
mod history;
mod invites;
mod joins;
mod lost_memberships;
mod missed;
mod newcomers;
mod old_versions;
mod partial;
mod partial_keys;
mod partial_lies;
mod peer;
mod peer_room;
mod purge;
mod reading;
mod receiving;
mod redactions;
mod removed;
mod sending;
mod soft_failed_forks;
mod unanswered_joins;
mod wide_forks;
mod world;

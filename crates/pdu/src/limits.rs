//! Limits of the event graph. Each bounds what one peer, or one unlucky room, can cost.

use std::time::Duration;

/// Staged events of a room that are judged together.
pub const BATCH_EVENTS_MAX: usize = 50;
/// Requests for missing events that one batch may cost.
pub const MISSING_EVENTS_ROUNDS_MAX: usize = 60;
/// Events asked for in one `/get_missing_events`. S2S API names no number; other servers give at most 20.
pub const MISSING_EVENTS_MAX: usize = 20;
/// Events that may be fetched for one batch before falling back to the state from a peer.
pub const FETCHED_EVENTS_MAX: usize = 1_200;
/// Servers that are asked for the same thing.
pub const FETCH_SERVERS_MAX: usize = 4;
/// Events in an answer to `/backfill`.
pub const BACKFILL_EVENTS_MAX: usize = 100;
/// How long a staged event is retried.
pub const STAGED_HORIZON: Duration = Duration::from_secs(24 * 3600);
/// The first pause before a staged event is tried again; doubles each time.
pub const STAGED_RETRY_FIRST: Duration = Duration::from_secs(10);
/// The longest such pause.
pub const STAGED_RETRY_MAX: Duration = Duration::from_secs(3600);
/// Rooms kept in memory.
pub const ROOMS_LOADED_MAX: usize = 64;
/// State events of all rooms kept in memory. One takes about a kilobyte.
pub const EVENTS_LOADED_MAX: usize = 60_000;
/// Outliers written in one transaction.
pub const OUTLIERS_CHUNK: usize = 200;
/// State events, or auth events, that a peer may send for a join.
pub const JOIN_EVENTS_MAX: usize = 500_000;
/// Parents without standing of their own that are walked through to find what an event replaces.
pub const ANCESTORS_WALKED_MAX: usize = 100;
/// Servers that are tried for a join, a leave or a knock.
pub const HANDSHAKE_SERVERS_MAX: usize = 10;
/// Where the topological numbers of a room begin, so that history can be put before it.
pub const TOPOLOGICAL_START: i64 = 1 << 40;
/// Entries of a server ACL that are looked at; a larger one denies everybody but its sender's server.
pub const ACL_ENTRIES_MAX: usize = 10_000;

const _: () = assert!(MISSING_EVENTS_ROUNDS_MAX * MISSING_EVENTS_MAX <= FETCHED_EVENTS_MAX);

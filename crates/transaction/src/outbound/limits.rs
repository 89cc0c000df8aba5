//! Limits of what is sent.

use std::time::Duration;

use events::limits::PDU_SIZE_BYTES_MAX;
pub use transport::limits::{TRANSACTION_EDUS_MAX, TRANSACTION_PDUS_MAX};

/// PDUs and EDUs in one transaction.
pub const TRANSACTION_ITEMS_MAX: usize = TRANSACTION_PDUS_MAX + TRANSACTION_EDUS_MAX;
/// Bytes of PDUs and EDUs in one transaction, unless the first of them alone has more. Reverse proxies refuse bodies of over
/// 1 MiB unless told otherwise, and on a slow line a small transaction arrives where a large one times out.
pub const TRANSACTION_BYTES_MAX: usize = 768 * 1024;
/// Of these, bytes that PDUs leave to EDUs if any wait.
pub const TRANSACTION_EDUS_BYTES_MAX: usize = TRANSACTION_BYTES_MAX / 2;

/// How long the receiver may take to answer a transaction.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of its answer: an error text for each PDU.
pub const SEND_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Characters that are kept of what it says against one PDU.
pub const REFUSAL_CHARS_MAX: usize = 300;

/// A destination that takes longer to answer gets its next transaction among those that did not answer at all.
pub const SLOW_ANSWER_MIN: Duration = Duration::from_secs(10);

/// Transactions on their way at once, over all destinations that answered last time.
pub const SENDS_IN_FLIGHT_MAX: usize = 256;
/// Transactions on their way at once to destinations that did not. They may take their time-out without anybody waiting.
pub const PROBES_IN_FLIGHT_MAX: usize = 32;

/// The first rest after a failure.
pub const REST_MIN: Duration = Duration::from_secs(1);
/// The longest rest.
pub const REST_MAX: Duration = Duration::from_hours(1);
/// The longest rest since the last attempt before a destination that we hear from is tried again.
pub const REST_WHEN_HEARD_MAX: Duration = Duration::from_secs(60);

/// How often the same content is refused until it is sent in halves.
pub const REFUSALS_MAX: u32 = 3;

/// How often a single item is refused while the destination takes transactions without it, until it is given up. Between them are
/// minutes: a destination that was broken may be well again.
pub const HEARINGS: u32 = 3;

/// How often a destination breaks over the same content (status 500) until it is sent in halves.
pub const SERVER_ERRORS_MAX: u32 = 4;
/// The longest rest while the item is looked for that a destination breaks over.
pub const REST_AFTER_SERVER_ERROR_MAX: Duration = Duration::from_secs(60);

/// Ephemeral EDUs that wait for one destination.
pub const EPHEMERAL_MAX: usize = 100;
/// Failures in a row after which ephemeral EDUs are no longer kept for a destination.
pub const EPHEMERAL_FAILURES_MAX: u32 = 4;
/// Failures in a row after which we no longer try to announce ourselves to a destination that nothing waits for.
pub const ANNOUNCE_FAILURES_MAX: u32 = 5;
/// How long ago a server was last in touch for us to announce ourselves to it at start.
pub const ANNOUNCE_AGE_MAX: Duration = Duration::from_hours(7 * 24);
/// Destinations woken at once at start.
pub const ANNOUNCE_PAGE: i64 = 200;
/// How long the start waits before it wakes the next.
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(1);

/// PDUs that wait for a destination that stays away; of more, only the newest of each room stays.
pub const WAITING_PDUS_MAX: i64 = 1_000;
/// How long a destination has been away when only the newest PDU of each room that it shares stays: what it gets when it is
/// back is no flood, and until then it costs next to nothing.
pub const LONG_ABSENCE: Duration = Duration::from_hours(1);
/// EDUs that wait for a destination that stays away, in each lane.
pub const WAITING_EDUS_MAX: i64 = 10_000;
/// How long an EDU waits.
pub const WAITING_EDU_AGE_MAX: Duration = Duration::from_hours(30 * 24);
/// Transactions that each destination took, of which we know what was in them.
pub const DELIVERED_KEPT_MAX: i64 = 1_000;
/// How long that is known.
pub const DELIVERED_AGE_MAX: Duration = Duration::from_hours(7 * 24);
/// How often what is older is forgotten.
pub const DELIVERED_FORGET_INTERVAL: Duration = Duration::from_hours(1);
/// How long a destination is remembered that nothing waits for.
pub const IDLE_AGE_MAX: Duration = Duration::from_hours(90 * 24);
/// How often those that are idle for longer are forgotten.
pub const FORGET_INTERVAL: Duration = Duration::from_hours(24);
/// Destinations forgotten in one commit.
pub const FORGET_PAGE: i64 = 500;

const _: () = assert!(DELIVERED_AGE_MAX.as_secs() < IDLE_AGE_MAX.as_secs());
const _: () = assert!(ANNOUNCE_AGE_MAX.as_secs() < IDLE_AGE_MAX.as_secs());
const _: () = assert!(PDU_SIZE_BYTES_MAX < TRANSACTION_BYTES_MAX - TRANSACTION_EDUS_BYTES_MAX);
const _: () = assert!(PROBES_IN_FLIGHT_MAX <= SENDS_IN_FLIGHT_MAX);
const _: () = assert!(REST_MIN.as_millis() < REST_WHEN_HEARD_MAX.as_millis());
const _: () = assert!(REST_WHEN_HEARD_MAX.as_millis() < REST_MAX.as_millis());
const _: () = assert!(REFUSALS_MAX <= SERVER_ERRORS_MAX);
const _: () = assert!(REST_AFTER_SERVER_ERROR_MAX.as_millis() < REST_MAX.as_millis());
const _: () = assert!(EPHEMERAL_MAX <= TRANSACTION_EDUS_MAX);

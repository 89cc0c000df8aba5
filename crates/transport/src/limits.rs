//! Limits of transport.

use std::time::Duration;

use events::limits::PDU_SIZE_BYTES_MAX;

/// PDUs in one transaction. S2S API, "Transactions".
pub const TRANSACTION_PDUS_MAX: usize = 50;
/// EDUs in one transaction. S2S API, "Transactions".
pub const TRANSACTION_EDUS_MAX: usize = 100;
/// Bytes of a request's body: so that 50 full PDUs and 100 full EDUs fit.
pub const REQUEST_BYTES_MAX: usize = 200 * PDU_SIZE_BYTES_MAX;
/// Bytes of an answer with keys.
pub const KEYS_BYTES_MAX: usize = 256 * 1024;
/// How long a request for keys may take.
pub const KEYS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long those wait who need keys to check events.
pub const KEYS_WAIT_MAX: Duration = Duration::from_secs(15);
/// Keys of one server that are kept.
pub const KEYS_PER_SERVER_MAX: usize = 64;
/// Servers whose keys are kept.
pub const SERVERS_WITH_KEYS_MAX: u32 = 100_000;
/// Servers whose keys are kept in memory.
pub const SERVERS_IN_MEMORY_MAX: usize = 10_000;
/// A key's `valid_until_ts` counts at most this far ahead. Room version 5, "Signing key validity period".
pub const KEY_VALIDITY_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long our own keys are said to be valid.
pub const OWN_KEY_VALIDITY: Duration = Duration::from_secs(24 * 3600);
/// The pause after keys could not be had; doubles each time.
pub const KEYS_RETRY_MIN: Duration = Duration::from_secs(2);
/// The longest such pause.
pub const KEYS_RETRY_MAX: Duration = Duration::from_secs(600);
/// Servers in one question to us as a notary.
pub const NOTARY_SERVERS_MAX: usize = 50;
/// Events that a peer may ask for in one `/get_missing_events`, whatever it says.
pub const MISSING_EVENTS_LIMIT_MAX: usize = 20;
/// Events that a peer may ask for in one `/backfill`, whatever it says.
pub const BACKFILL_LIMIT_MAX: usize = 100;
/// Event ids in the query of one `/backfill`.
pub const BACKFILL_FROM_MAX: usize = 100;

const _: () = assert!((TRANSACTION_PDUS_MAX + TRANSACTION_EDUS_MAX) * PDU_SIZE_BYTES_MAX <= REQUEST_BYTES_MAX);
const _: () = assert!(KEYS_TIMEOUT.as_millis() <= KEYS_WAIT_MAX.as_millis());

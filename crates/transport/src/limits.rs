//! Limits that more than one part of transport, or a layer above, must agree on.

use events::limits::PDU_SIZE_BYTES_MAX;

/// PDUs in one transaction. S2S API, "Transactions".
pub const TRANSACTION_PDUS_MAX: usize = 50;
/// EDUs in one transaction. S2S API, "Transactions".
pub const TRANSACTION_EDUS_MAX: usize = 100;
/// Bytes of a request's body: so that 50 full PDUs and 100 full EDUs fit.
pub const REQUEST_BYTES_MAX: usize = 200 * PDU_SIZE_BYTES_MAX;
/// Events that a peer gets for one `/get_missing_events`, whatever it says.
pub const MISSING_EVENTS_LIMIT_MAX: usize = 20;
/// Events that a peer gets for one `/backfill`, whatever it says.
pub const BACKFILL_LIMIT_MAX: usize = 100;

const _: () = assert!((TRANSACTION_PDUS_MAX + TRANSACTION_EDUS_MAX) * PDU_SIZE_BYTES_MAX <= REQUEST_BYTES_MAX);

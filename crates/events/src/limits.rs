//! Limits of events. Appendices, "Size limits"; S2S API, "PDUs".

/// Bytes of one event as canonical JSON, signatures included. C-S API, "Size limits".
pub const PDU_SIZE_BYTES_MAX: usize = 65_536;
/// Bytes of a sender, room id, event id, type or state key.
pub const FIELD_BYTES_MAX: usize = 255;
/// Entries of `prev_events` in an event that arrives in a transaction.
pub const PREV_EVENTS_MAX: usize = 20;
/// Entries of `auth_events` in an event that arrives in a transaction.
pub const AUTH_EVENTS_MAX: usize = 10;
/// Forward extremities that one event of ours joins. Fewer than [`PREV_EVENTS_MAX`], as other servers do it.
pub const OWN_PREV_EVENTS_MAX: usize = 10;
/// The largest integer of canonical JSON.
pub const INTEGER_MAX: i64 = (1 << 53) - 1;
/// Steps from event to event in one state resolution: about a tenth of a second.
pub const RESOLUTION_VISITS_MAX: usize = 10_000_000;
/// Authorisation checks in one state resolution, those of power levels counting one for each entry: about a second.
pub const RESOLUTION_CHECK_COST_MAX: usize = 2_000_000;

const _: () = assert!(OWN_PREV_EVENTS_MAX <= PREV_EVENTS_MAX);

//! Limits of messaging.

use std::time::Duration;

/// How long a client's transaction id is remembered.
pub const TRANSACTION_IDS_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long somebody may be shown as typing without saying so again.
pub const TYPING_TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// Users shown as typing in one room.
pub const TYPING_USERS_MAX: usize = 100;
/// Rooms with typing users kept in memory.
pub const TYPING_ROOMS_MAX: usize = 10_000;
/// Receipts in one EDU that are looked at.
pub const RECEIPTS_PER_EDU_MAX: usize = 1_000;
/// Rooms in one answer to a question about published rooms.
pub const PUBLIC_ROOMS_MAX: usize = 500;
/// Invites in one `createRoom`.
pub const INVITES_MAX: usize = 100;
/// Initial state events in one `createRoom`.
pub const INITIAL_STATE_MAX: usize = 200;
/// Events handed to a subscriber at once.
pub const SUBSCRIPTION_PAGE: u32 = 100;

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
/// Receipts in one EDU that are looked at, and rooms.
pub const RECEIPTS_PER_EDU_MAX: usize = 1_000;
/// Rooms in one answer to a question about published rooms.
pub const PUBLIC_ROOMS_MAX: usize = 500;
/// Invites in one `createRoom`.
pub const INVITES_MAX: usize = 100;
/// Initial state events in one `createRoom`.
pub const INITIAL_STATE_MAX: usize = 200;
/// Events handed to a subscriber at once.
pub const SUBSCRIPTION_PAGE: u32 = 100;
/// Events that a subscriber does not want, after which its position is stored all the same.
pub const SUBSCRIPTION_SKIPPED_MAX: usize = 1_000;
/// Users that one user can ignore; further ones are heard.
pub const IGNORED_USERS_MAX: usize = 10_000;
/// Events looked at for one page of history. A page is counted by position, so that hidden events cannot end it early.
pub const PAGE_LOOK_MAX: usize = 1_000;
/// Events looked at to find the nearest to a time.
pub const TIMES_LOOK_MAX: usize = 1_000;
/// Events read from the database at once for a page or a timeline.
pub const LOOK_STEP: u32 = 100;
/// Events looked at for the timeline of one room in one sync.
pub const TIMELINE_LOOK_MAX: usize = 1_000;
/// Rounds of asking other servers for one page.
pub const BACKFILL_ROUNDS_MAX: usize = 3;
/// Unread events of one room that are looked at to count notifications; what is older does not count.
pub const UNREAD_LOOK_MAX: u32 = 1_000;
/// Relations followed to find the thread of an event. C-S API, "Receiving notifications".
pub const THREAD_HOPS_MAX: usize = 3;
/// Rooms, each of one user, of which the notification counts are kept in memory.
pub const UNREAD_ROOMS_KEPT: usize = 20_000;
/// Rooms, each on one device, of which the members that the client has been sent are kept in memory.
pub const KNOWN_MEMBERS_ROOMS_KEPT: usize = 10_000;
/// Members of one room that a device is known to have been sent.
pub const KNOWN_MEMBERS_MAX: usize = 1_000;
/// States of rooms of which the summary is kept in memory.
pub const SUMMARIES_KEPT: usize = 1_000;

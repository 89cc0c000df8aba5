//! Deliberate defects. A test switches one on, and shows that a simulation notices it: an instrument that notices nothing would
//! find nothing wrong either.
//!
//! Where a defect would be, the code asks [`is_on`]. In an optimised build the answer is a constant, so that nothing of it is
//! left; in others it is that of the thread, on which a simulation runs as a whole.

#[cfg(debug_assertions)]
mod switch;

#[cfg(debug_assertions)]
pub use switch::{On, is_on, switch_on};

/// Whether the code is to be wrong in this way: never.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn is_on(_defect: Defect) -> bool {
    false
}

/// A way in which the code can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// State resolution orders power events by the numbers that a server has given them, not by level, time and id.
    WrongSortKey,
    /// State resolution takes the events of the mainline from the latest to the earliest.
    MainlineBackwards,
    /// The first of several states counts for the resolved one.
    FirstStateWins,
    /// Nobody is soft-failed.
    NoSoftFailure,
    /// A verdict of when members were unknown is not changed when they are known.
    ProvisionalIsFinal,
    /// What could not be verified for want of a key when a room was joined is left out for ever.
    KeysAreNotAskedForAgain,
    /// An event has no verdict.
    NoVerdict,
    /// A user is told that an event is sent before it is written.
    AcknowledgedBeforeCommit,
    /// The ids of transactions begin anew at each start.
    TransactionIdsBeginAnew,
    /// A destination is sent two transactions at once.
    TwoInFlight,
    /// What is queued for a destination wakes nobody.
    LostWakeUp,
    /// A transaction that comes again is taken again, and so is each of its events.
    NoDeduplication,
    /// A subscriber's acknowledgement is not written.
    AcknowledgementLost,
    /// A subscriber is told the first event of a page only.
    SubscriberSkips,
    /// A sync does not say again what holds where its timeline ended with what lost.
    SyncIsNotSettled,
    /// A sync does not tell what changed in the state but by its timeline.
    SyncTellsNoChanges,
}

//! What a simulation decides about a disk.

use std::time::Duration;

/// What becomes of a commit on a simulated disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFate {
    /// It is kept, and whoever waits is told.
    Kept,
    /// The disk refuses it, as a full one does. Nothing of it is kept; whoever waits is told.
    Refused,
    /// The server loses its power before: nothing is kept, nobody is told.
    LostPower,
    /// The server loses its power just after: it is kept, nobody is told.
    KeptUnsaid,
}

/// Decides what happens to the closures of one server.
pub trait Fate: Send + Sync {
    /// How long the disk takes.
    fn delay(&self) -> Duration;
    /// What becomes of the next commit.
    fn commit(&self) -> CommitFate;
    /// The server has lost its power: its tasks have to be stopped before anything else of it runs.
    fn lost_power(&self);
}

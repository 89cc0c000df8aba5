//! Numbers of ours: short, local, never on the wire.

use crate::value::{FromValue, ToValue, ValueRef};

/// The number of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RoomNumber(pub i64);

/// The number of an event, unique for (room, event id). Events that are only referred to have one too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventNumber(pub i64);

/// The number of a (type, state key) pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKeyNumber(pub i64);

/// The number of a stored state of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotNumber(pub i64);

/// A place in a stream. The first thing in a stream has position 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub i64);

impl Position {
    /// The position that follows.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl ToValue for RoomNumber {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(self.0)
    }
}

impl ToValue for EventNumber {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(self.0)
    }
}

impl ToValue for StateKeyNumber {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(self.0)
    }
}

impl ToValue for SnapshotNumber {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(self.0)
    }
}

impl ToValue for Position {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(self.0)
    }
}

impl FromValue for RoomNumber {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        i64::from_value(value).map(Self)
    }
}

impl FromValue for EventNumber {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        i64::from_value(value).map(Self)
    }
}

impl FromValue for StateKeyNumber {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        i64::from_value(value).map(Self)
    }
}

impl FromValue for SnapshotNumber {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        i64::from_value(value).map(Self)
    }
}

impl FromValue for Position {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        i64::from_value(value).map(Self)
    }
}

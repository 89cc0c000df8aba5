//! A place in the history of a room, as clients hold it.

use std::fmt;

use persistence::Position;
use persistence::transactions::graph::TopologicalPoint;

/// A place in the history of a room, that a client can read on from in both directions.
///
/// A sync shows events as they arrive; history is read in the order of the event graph. So what lies before a sync's timeline
/// is what had *arrived* before it, read in topological order, and a page that began there goes on among the same events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryPoint {
    /// Between what had arrived at this position of the events stream, and what came later.
    Arrival(Position),
    /// Between two events in topological order.
    Topological(TopologicalPoint),
    /// Between two events, on a way backwards through what had arrived at the position.
    ArrivedUpTo(Position, TopologicalPoint),
    /// Between two events, on a way forwards through what arrived after the position.
    ArrivedAfter(Position, TopologicalPoint),
}

impl HistoryPoint {
    /// Reads what [`fmt::Display`] writes. `None` if it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let kind = text.get(..1)?;
        let numbers: Option<Vec<i64>> = text.get(1..)?.split('_').map(|number| number.parse().ok()).collect();
        match (kind, numbers?.as_slice()) {
            ("a", &[position]) if position >= 0 => Some(Self::Arrival(Position(position))),
            ("t", &[topological, event]) => Some(Self::Topological(TopologicalPoint { topological, event })),
            ("b", &[position, topological, event]) => {
                Some(Self::ArrivedUpTo(Position(position), TopologicalPoint { topological, event }))
            }
            ("f", &[position, topological, event]) => {
                Some(Self::ArrivedAfter(Position(position), TopologicalPoint { topological, event }))
            }
            _ => None,
        }
    }
}

impl fmt::Display for HistoryPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrival(Position(position)) => write!(f, "a{position}"),
            Self::Topological(TopologicalPoint { topological, event }) => write!(f, "t{topological}_{event}"),
            Self::ArrivedUpTo(Position(position), TopologicalPoint { topological, event }) => {
                write!(f, "b{position}_{topological}_{event}")
            }
            Self::ArrivedAfter(Position(position), TopologicalPoint { topological, event }) => {
                write!(f, "f{position}_{topological}_{event}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_as_it_was_written() {
        let point = TopologicalPoint { topological: 1 << 40, event: 7 };
        for token in [
            HistoryPoint::Arrival(Position(0)),
            HistoryPoint::Topological(TopologicalPoint::START),
            HistoryPoint::ArrivedUpTo(Position(3), point),
            HistoryPoint::ArrivedAfter(Position(3), point),
        ] {
            assert_eq!(HistoryPoint::parse(&token.to_string()), Some(token));
        }
        for wrong in ["", "a", "a-1", "ax", "t1", "t1_2_3", "b1_2", "ä1", "s1_2", "a1_"] {
            assert_eq!(HistoryPoint::parse(wrong), None, "{wrong}");
        }
    }
}

//! Decides again about events that were judged when a room was partial.

use std::sync::Arc;

use events::auth::AuthEvent;
use events::{Pdu, ServerName};

use super::{Advance, Bench, JudgeError, Judged, Surroundings};
use crate::room::{Room, State};

/// An event to decide about again.
pub(crate) struct Again {
    pub(crate) pdu: Pdu,
    pub(crate) origin: Option<ServerName>,
    /// Its place in the topological order, which it keeps.
    pub(crate) topological: i64,
    /// Whether it came as news, so that the current state of then counts (step 6).
    pub(crate) has_arrived: bool,
    /// The state before it, if that does not follow from its parents.
    pub(crate) given: Option<Arc<State>>,
}

/// Judges events anew, in their order, as if nothing had come before them. The standings in the room's auth graph are set to what
/// comes out: whoever does not commit the advance drops the room.
pub(crate) fn judge_again(room: &mut Room, events: Vec<Again>, around: &Surroundings) -> Result<Advance, JudgeError> {
    let mut bench = Bench::new(room, around);
    bench.heads.clear();
    bench.judges_again = true;
    let mut judged = Vec::with_capacity(events.len());
    for event in events {
        judged.push(bench.judge_one_again(event)?);
    }
    let current = bench.current()?;
    Ok(Advance { judged, new_states: bench.new_states, heads: bench.heads, current })
}

impl Bench<'_> {
    fn judge_one_again(&mut self, again: Again) -> Result<Judged, JudgeError> {
        let Again { pdu, origin, topological, has_arrived, given } = again;
        let event = AuthEvent::new(&pdu);
        let (before, resolved_from) = match given {
            Some(given) => (Some(given), Vec::new()),
            None => {
                let (states, _) = self.parents_of(&pdu)?;
                let resolved_from = if states.len() > 1 { pdu.prev_events().to_vec() } else { Vec::new() };
                (if states.is_empty() { None } else { Some(self.resolve(&states)?) }, resolved_from)
            }
        };
        let current = if self.heads.is_empty() || !has_arrived { None } else { Some(self.current()?) };
        let verdict = self.verdict(&event, before.as_ref(), current.as_ref(), origin, resolved_from)?;
        let after = self.state_after(&pdu, event, before.clone(), verdict.outcome());
        self.place(&pdu, &verdict, topological, &after);
        Ok(Judged { pdu, verdict, topological, before, after })
    }
}

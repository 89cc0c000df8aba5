//! Which members of a room a device has been sent. C-S API, "Lazy-loading room members".

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use persistence::{EventNumber, Position};

use crate::limits::KNOWN_MEMBERS_MAX;

/// The membership events of one room that one device has been sent.
///
/// An answer may be lost on its way. So each is kept with the position that the answer went up to, and counts as known once
/// the device asks for what follows that position.
#[derive(Debug, Default)]
pub(crate) struct KnownMembers(Mutex<BTreeMap<String, (EventNumber, Position)>>);

impl KnownMembers {
    /// Says whether a device that asks for what follows `since` has this membership of `user`.
    pub(crate) fn contains(&self, user: &str, event: EventNumber, since: Position) -> bool {
        self.lock().get(user).is_some_and(|(known, sent)| *known == event && *sent <= since)
    }

    /// Notes what an answer that goes up to `position` carries.
    pub(crate) fn note(&self, sent: impl IntoIterator<Item = (String, EventNumber)>, position: Position) {
        let mut known = self.lock();
        for (user, event) in sent {
            if known.len() >= KNOWN_MEMBERS_MAX && !known.contains_key(&user) {
                known.clear();
            }
            let earlier = known.get(&user).filter(|(same, earlier)| *same == event && *earlier <= position).copied();
            known.insert(user, earlier.unwrap_or((event, position)));
        }
    }

    /// Forgets everything: the device starts anew.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (EventNumber, Position)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_known_once_the_answer_has_come() {
        let known = KnownMembers::default();
        let (event, other) = (EventNumber(1), EventNumber(2));
        known.note([("@a:a.test".to_owned(), event)], Position(10));
        assert!(!known.contains("@a:a.test", event, Position(9)), "the answer was lost");
        assert!(known.contains("@a:a.test", event, Position(10)));
        assert!(!known.contains("@a:a.test", other, Position(10)), "the profile changed");
        known.note([("@a:a.test".to_owned(), event)], Position(12));
        assert!(known.contains("@a:a.test", event, Position(10)), "the first time counts");
    }

    #[test]
    fn it_never_grows_beyond_its_limit() {
        let known = KnownMembers::default();
        known.note((0..3 * KNOWN_MEMBERS_MAX).map(|n| (format!("@{n}:a.test"), EventNumber(1))), Position(1));
        assert!(known.lock().len() <= KNOWN_MEMBERS_MAX);
    }
}

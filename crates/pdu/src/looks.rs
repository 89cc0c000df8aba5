//! What servers have told us that is not as we know it: it is looked into a while later, when it may have come right by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use events::ServerName;
use handles::Clock;
use tokio::sync::Notify;

use crate::due::{milliseconds, rest, until};
use crate::limits::{LOOK_AFTER, LOOK_PAUSE, LOOKS_OF_SERVER_MAX, LOOKS_SERVERS_MAX};

/// What there is to look into, by who told it. Each server has so many places, and nobody takes those of another.
pub(crate) struct Looks<T> {
    told: Mutex<BTreeMap<ServerName, BTreeMap<T, Look>>>,
    news: Notify,
}

/// Times are in milliseconds since 1970.
#[derive(Clone, Copy)]
enum Look {
    DueAt(i64),
    /// It was looked into, and is not again before.
    DoneUntil(i64),
}

impl Look {
    fn is_over(self, now: i64) -> bool {
        match self {
            Self::DueAt(_) => false,
            Self::DoneUntil(until) => until <= now,
        }
    }
}

impl<T> Default for Looks<T> {
    fn default() -> Self {
        Self { told: Mutex::default(), news: Notify::new() }
    }
}

impl<T: Ord + Clone> Looks<T> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServerName, BTreeMap<T, Look>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `what` looked into in a while. What was looked into lately is not again, and what there is no place for is left.
    pub(crate) fn note(&self, server: &ServerName, what: &T, now: i64) {
        let mut told = self.lock();
        if told.len() >= LOOKS_SERVERS_MAX && !told.contains_key(server) {
            told.retain(|_, looks| looks.values().any(|look| !look.is_over(now)));
            if told.len() >= LOOKS_SERVERS_MAX {
                return;
            }
        }
        let looks = told.entry(server.clone()).or_default();
        if looks.len() >= LOOKS_OF_SERVER_MAX {
            looks.retain(|_, look| !look.is_over(now));
        }
        let is_known = looks.get(what).is_some_and(|look| !look.is_over(now));
        if !is_known && looks.len() < LOOKS_OF_SERVER_MAX {
            looks.insert(what.clone(), Look::DueAt(now + milliseconds(LOOK_AFTER)));
            self.news.notify_one();
        }
    }

    /// Waits until there is something to look into, and takes it.
    pub(crate) async fn next(&self, clock: &dyn Clock) -> (ServerName, T) {
        loop {
            match self.take(clock.now()) {
                Ok(due) => return due,
                Err(pause) => rest(clock, &self.news, pause).await,
            }
        }
    }

    /// Takes what is due, or says how long it is until something is.
    fn take(&self, now: i64) -> Result<(ServerName, T), Option<Duration>> {
        let mut told = self.lock();
        let all =
            told.iter_mut().flat_map(|(server, looks)| looks.iter_mut().map(move |(what, look)| (server, what, look)));
        let due = all.filter_map(|(server, what, look)| match *look {
            Look::DueAt(at) => Some((at, server, what, look)),
            Look::DoneUntil(_) => None,
        });
        match due.min_by_key(|(at, ..)| *at) {
            Some((at, server, what, look)) if at <= now => {
                *look = Look::DoneUntil(now + milliseconds(LOOK_PAUSE));
                Ok((server.clone(), what.clone()))
            }
            Some((at, ..)) => Err(Some(until(at, now))),
            None => Err(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(number: usize) -> ServerName {
        ServerName::parse(format!("s{number}.test")).unwrap()
    }

    fn count(looks: &Looks<usize>) -> usize {
        looks.lock().values().map(BTreeMap::len).sum()
    }

    #[test]
    fn whoever_tells_much_is_remembered_with_some_of_it() {
        let (looks, after, pause) = (Looks::default(), milliseconds(LOOK_AFTER), milliseconds(LOOK_PAUSE));
        (0..2 * LOOKS_OF_SERVER_MAX).for_each(|number| looks.note(&server(0), &number, 0));
        assert_eq!(count(&looks), LOOKS_OF_SERVER_MAX);
        (0..2 * LOOKS_SERVERS_MAX).for_each(|number| looks.note(&server(number), &0, 0));
        assert_eq!(count(&looks), LOOKS_OF_SERVER_MAX + LOOKS_SERVERS_MAX - 1);
        assert_eq!(looks.take(0), Err(Some(LOOK_AFTER)));
        while looks.take(after).is_ok() {}
        assert_eq!(looks.take(after), Err(None));
        // Those that were asked make room for others when their pause is over.
        looks.note(&server(LOOKS_SERVERS_MAX), &0, after + pause - 1);
        assert_eq!(looks.take(i64::MAX / 2), Err(None));
        looks.note(&server(LOOKS_SERVERS_MAX), &0, after + pause);
        assert_eq!(looks.take(i64::MAX / 2), Ok((server(LOOKS_SERVERS_MAX), 0)));
        assert_eq!(count(&looks), 1);
    }
}

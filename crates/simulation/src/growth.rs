//! What must not grow: the tables and the tasks of a server to which nothing happens any more.

use std::collections::BTreeMap;

/// Tasks that a server has as long as it runs, one of each.
const TASKS: [&str; 14] = [
    "joins",
    "leaving again",
    "leaving unheard",
    "missed history",
    "outbound: forget idle destinations",
    "outbound: forget what was delivered",
    "purge of rooms",
    "simulated writer",
    "subscriber",
    "transactions: ask again",
    "transactions: forget old answers",
    "typing-expiry",
    "unanswered joins",
    "unverified events",
];

/// How many rows a table may have.
#[derive(Clone, Copy)]
enum Bound {
    /// So many for each event. What is in rooms and is nobody's event is less than that.
    PerEvent(i64),
    /// So many for each user and room.
    PerUser(i64),
    /// So many for each server.
    PerServer(i64),
    /// So many for each room.
    PerRoom(i64),
    /// So many.
    Rows(i64),
}

/// Those that are not here have no row in a simulation, or none when nothing is under way.
const TABLES: [(&str, Bound); 33] = [
    // Ten each, `AUTH_EVENTS_MAX`.
    ("auth_edges", Bound::PerEvent(10)),
    ("bodies", Bound::PerEvent(1)),
    ("current_state", Bound::PerEvent(1)),
    ("destination_health", Bound::PerServer(1)),
    // Twenty each, `PREV_EVENTS_MAX`.
    ("edges", Bound::PerEvent(20)),
    ("events", Bound::PerEvent(1)),
    // More are joined by dummy events as soon as somebody speaks.
    ("extremities", Bound::PerRoom(50)),
    ("gaps", Bound::PerEvent(1)),
    ("graph", Bound::PerEvent(1)),
    ("leaps", Bound::Rows(100)),
    ("members", Bound::PerUser(1)),
    // Much less than `MISSED_PER_ROOM_MAX`: little happens here.
    ("missed", Bound::PerRoom(100)),
    ("outbound_delivered", Bound::PerEvent(50)),
    ("outbound_destinations", Bound::PerServer(1)),
    ("outbound_forgotten", Bound::Rows(1)),
    ("own_keys", Bound::Rows(15)),
    // A guest whose join does not count for the others is told nothing more. Of those who are in the room, `agreement` wants that they
    // know all members.
    ("partial_rooms", Bound::PerRoom(1)),
    // In each of two rooms.
    ("partial_servers", Bound::PerServer(2)),
    // For all, and for threads, of which nobody speaks here.
    ("receipts", Bound::PerUser(1)),
    // One a request, of which there are as many as events and receipts, and those that were lost.
    ("received_transactions", Bound::PerServer(500)),
    ("redactions", Bound::PerEvent(1)),
    ("rooms", Bound::PerRoom(1)),
    ("server_key_documents", Bound::PerServer(1)),
    ("server_keys", Bound::PerServer(15)),
    ("standings", Bound::PerUser(1)),
    ("state_changes", Bound::PerEvent(4)),
    ("state_keys", Bound::PerEvent(1)),
    ("state_snapshots", Bound::PerEvent(4)),
    ("state_snapshots_purged", Bound::Rows(1)),
    ("streams", Bound::Rows(7)),
    ("subscriptions", Bound::Rows(1)),
    // A join that counts for nobody is asked about for a week, `UNANSWERED_JOIN_HORIZON`. A user tries a few times.
    ("unanswered_joins", Bound::PerUser(5)),
    ("verdicts", Bound::PerEvent(1)),
];

/// What a server of a simulation can have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    /// How many servers there are.
    pub(crate) servers: i64,
    /// How many users each of them has.
    pub(crate) users: i64,
    /// How many rooms there are.
    pub(crate) rooms: i64,
}

/// Says which tables have more rows than they should.
pub(crate) fn overgrown(rows: &BTreeMap<String, i64>, world: World) -> Vec<String> {
    let bounds: BTreeMap<&str, Bound> = TABLES.into_iter().collect();
    let events = rows.get("events").copied().unwrap_or(0);
    let mut overgrown = Vec::new();
    for (table, rows) in rows {
        let most = match bounds.get(table.as_str()) {
            None => 0,
            Some(Bound::PerEvent(count)) => count * events,
            Some(Bound::PerUser(count)) => count * world.users * world.servers * world.rooms,
            Some(Bound::PerServer(count)) => count * world.servers,
            Some(Bound::PerRoom(count)) => count * world.rooms,
            Some(Bound::Rows(count)) => *count,
        };
        if *rows > most {
            overgrown
                .push(format!("has {rows} rows in `{table}`, of which {most} would be enough for {events} events"));
        }
    }
    overgrown
}

/// Says which tasks run that should have ended, and which have ended that should run.
pub(crate) fn wrong_tasks(running: &BTreeMap<&'static str, usize>) -> Vec<String> {
    let stuck = running.iter().filter_map(|(name, count)| {
        let surplus = count - usize::from(TASKS.contains(name)).min(*count);
        (surplus > 0).then(|| format!("still has {surplus} of the tasks called \"{name}\""))
    });
    let gone = TASKS.iter().filter(|name| !running.contains_key(*name));
    stuck.chain(gone.map(|name| format!("has no task called \"{name}\" any more"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORLD: World = World { servers: 2, users: 3, rooms: 1 };

    fn rows(of: &[(&str, i64)]) -> Vec<String> {
        overgrown(&of.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect(), WORLD)
    }

    #[test]
    fn what_grows_with_events_may_and_what_waits_must_go() {
        assert_eq!(rows(&[("events", 10), ("edges", 200), ("members", 6), ("rooms", 1)]), Vec::<String>::new());
        let found = rows(&[("events", 10), ("edges", 201), ("members", 7), ("staged", 1), ("streams", 8)]);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[2], "has 1 rows in `staged`, of which 0 would be enough for 10 events");
    }

    #[test]
    fn each_task_runs_once_and_none_besides() {
        let mut running: BTreeMap<&str, usize> = TASKS.into_iter().map(|name| (name, 1)).collect();
        assert_eq!(wrong_tasks(&running), Vec::<String>::new());
        running.remove("joins");
        running.insert("subscriber", 2);
        running.insert("simulated request", 1);
        let says = [
            "still has 1 of the tasks called \"simulated request\"",
            "still has 1 of the tasks called \"subscriber\"",
            "has no task called \"joins\" any more",
        ];
        assert_eq!(wrong_tasks(&running), says);
    }
}

//! The process that is killed. Says on standard output what it wrote, once that is acknowledged.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use persistence::transactions::state;
use persistence::{Database, EventNumber, RoomNumber, SnapshotNumber, StoreError, WriteTx};
use tokio::task::JoinSet;

/// Rooms that are written to at the same time.
pub(crate) const ROOMS: i64 = 8;
/// Writes to a room before it ends by itself.
const WRITES_MAX: i64 = 100_000;
/// Writes that may fail one after the other before it ends by itself.
const FAILURES_MAX: usize = 20;

pub(crate) fn run(path: &Path) {
    let database = Database::open(path).expect("the parent made the folder");
    say("ready");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut rooms = JoinSet::new();
        for room in 1..=ROOMS {
            rooms.spawn(write_to(database.clone(), RoomNumber(room)));
        }
        rooms.join_all().await;
        database.close().await;
    });
    say("end");
}

async fn write_to(database: Database, room: RoomNumber) {
    let mut parent = None;
    let mut failures = 0;
    for event in 1..WRITES_MAX {
        match database.write(move |tx| write(tx, room, parent, event)).await {
            Ok(snapshot) => {
                say(&format!("acknowledged {} {event} {}", room.0, snapshot.0));
                parent = Some(snapshot);
                failures = 0;
            }
            Err(error) => {
                say(&format!("failed {} {event} {error}", room.0));
                failures += 1;
                if failures == FAILURES_MAX {
                    return;
                }
            }
        }
    }
}

/// Two tables at once: one without the other would be seen.
fn write(
    tx: &mut WriteTx<'_>,
    room: RoomNumber,
    parent: Option<SnapshotNumber>,
    event: i64,
) -> Result<SnapshotNumber, StoreError> {
    let key = state::intern_key(tx, &format!("room {}", room.0), &event.to_string())?;
    state::store(tx, room, parent, &[(key, Some(EventNumber(event)))])
}

/// One line at a time. A pipe takes one as short as these whole or not at all.
fn say(line: &str) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().expect("nobody panics while speaking");
    let mut out = std::io::stdout();
    out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).expect("the parent listens");
}

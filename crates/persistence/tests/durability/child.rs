//! The process that is killed. Says on standard output what it wrote, once that is acknowledged.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use persistence::transactions::state;
use persistence::{Database, EventNumber, RoomNumber, SnapshotNumber, StoreError, WriteTx};
use tokio::task::JoinSet;

/// Rooms that are written to at the same time.
pub(crate) const ROOMS: i64 = 8;
/// Writes to a room before it ends by itself.
const WRITES_MAX: i64 = 100_000;
/// Writes that may fail one after the other before it ends by itself.
const FAILURES_MAX: usize = 20;

static ACKNOWLEDGED: AtomicU64 = AtomicU64::new(0);

/// Writes until it is killed, or has acknowledged so many writes: then it ends without closing anything.
pub(crate) fn run(path: &Path, acknowledged_max: u64) {
    let database = Database::open(path).expect("the parent made the folder");
    say("ready");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut rooms = JoinSet::new();
        for room in 1..=ROOMS {
            rooms.spawn(write_to(database.clone(), RoomNumber(room), acknowledged_max));
        }
        rooms.join_all().await;
        database.close().await;
    });
    say("end");
}

async fn write_to(database: Database, room: RoomNumber, acknowledged_max: u64) {
    let mut parent = None;
    let mut failures = 0;
    for event in 1..WRITES_MAX {
        match database.write(move |tx| write(tx, room, parent, event)).await {
            Ok(snapshot) => {
                say(&format!("acknowledged {} {event} {}", room.0, snapshot.0));
                if ACKNOWLEDGED.fetch_add(1, Ordering::SeqCst) + 1 >= acknowledged_max {
                    std::process::exit(0);
                }
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
